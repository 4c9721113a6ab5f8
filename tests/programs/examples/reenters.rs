//! Calls back into itself, the only way that the contract leaves open: nothing
//! that it may import calls it, so it calls its own export from inside.

use ipam_driver::{
    AddressGrant, AddressRequest, Error, wasm::bindings::exports::ipam::driver::ipam::Guest,
};
use ipam_programs::{Bent, Honest};

#[derive(Debug, Default)]
struct Program(Honest);

ipam_programs::export!(Program);

impl Bent for Program {
    const NAME: &'static str = "reenters";

    fn new(_: &str) -> Self {
        Self::default()
    }

    fn honest(&mut self) -> &mut Honest {
        &mut self.0
    }

    fn request_address(&mut self, request: AddressRequest) -> Result<AddressGrant, Error> {
        let _ = <Self as Guest>::request_address(request.pool_id.clone(), None, Vec::new());
        self.0.request_address(&request)
    }
}
