//! Registers another name when it is asked for an address, which must be refused
//! to it; then it is honest.

use ipam_driver::{AddressGrant, AddressRequest, Error, wasm::bindings::ipam::driver::callback};
use ipam_programs::{Bent, Honest};

#[derive(Debug, Default)]
struct Program(Honest);

ipam_programs::export!(Program);

impl Bent for Program {
    const NAME: &'static str = "late";

    fn new(_: &str) -> Self {
        Self::default()
    }

    fn honest(&mut self) -> &mut Honest {
        &mut self.0
    }

    fn request_address(&mut self, request: AddressRequest) -> Result<AddressGrant, Error> {
        let refused = callback::register_ipam_driver("later");
        assert!(refused.is_err(), "it was let in");
        self.0.request_address(&request)
    }
}
