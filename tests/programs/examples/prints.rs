//! Prints without end, to both outputs.

#![expect(clippy::print_stdout, reason = "it is what this is for")]

use ipam_driver::{AddressGrant, AddressRequest, Error};
use ipam_programs::{Bent, Honest};

#[derive(Debug, Default)]
struct Program(Honest);

ipam_programs::export!(Program);

impl Bent for Program {
    const NAME: &'static str = "prints";

    fn new(_: &str) -> Self {
        Self::default()
    }

    fn honest(&mut self) -> &mut Honest {
        &mut self.0
    }

    fn request_address(&mut self, _: AddressRequest) -> Result<AddressGrant, Error> {
        loop {
            println!("{}", "again and ".repeat(1000));
            eprintln!("\u{1b}[31mERROR it is all over");
        }
    }
}
