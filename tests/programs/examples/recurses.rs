//! Calls itself until there is no stack.

use ipam_driver::{AddressGrant, AddressRequest, Error};
use ipam_programs::{Bent, Honest};

#[derive(Debug, Default)]
struct Program(Honest);

ipam_programs::export!(Program);

impl Bent for Program {
    const NAME: &'static str = "recurses";

    fn new(_: &str) -> Self {
        Self::default()
    }

    fn honest(&mut self) -> &mut Honest {
        &mut self.0
    }

    fn request_address(&mut self, _: AddressRequest) -> Result<AddressGrant, Error> {
        let depth = deeper(0);
        panic!("it came back from {depth}");
    }
}

/// Not a loop: something is done after each call returns.
#[expect(unconditional_recursion, reason = "it is what this is for")]
fn deeper(depth: u64) -> u64 {
    std::hint::black_box(deeper(std::hint::black_box(depth) + 1)) + 1
}
