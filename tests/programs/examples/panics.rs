//! Panics with a message of 1 MB.

use ipam_driver::{AddressGrant, AddressRequest, Error};
use ipam_programs::{Bent, Honest};

#[derive(Debug, Default)]
struct Program(Honest);

ipam_programs::export!(Program);

impl Bent for Program {
    const NAME: &'static str = "panics";

    fn new(_: &str) -> Self {
        Self::default()
    }

    fn honest(&mut self) -> &mut Honest {
        &mut self.0
    }

    fn request_address(&mut self, _: AddressRequest) -> Result<AddressGrant, Error> {
        panic!("{}", "/home/secret ".repeat((1 << 20) / 13));
    }
}
