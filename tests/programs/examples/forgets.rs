//! Refuses to be told what it granted, after it has died of a request for the
//! highest address of a pool.

use ipam_driver::{AddressGrant, AddressRequest, Code, Error, PoolGrant, PoolRequest};
use ipam_programs::{Bent, Honest};

#[derive(Debug, Default)]
struct Program(Honest);

ipam_programs::export!(Program);

impl Bent for Program {
    const NAME: &'static str = "forgets";

    fn new(_: &str) -> Self {
        Self::default()
    }

    fn honest(&mut self) -> &mut Honest {
        &mut self.0
    }

    fn request_pool(&mut self, request: PoolRequest) -> Result<PoolGrant, Error> {
        match request.replay() {
            Some(_) => Err(Error::new(Code::InvalidPool, "never heard of it")),
            None => self.0.request_pool(&request),
        }
    }

    fn request_address(&mut self, request: AddressRequest) -> Result<AddressGrant, Error> {
        if request.address.is_some() {
            std::process::abort();
        }
        self.0.request_address(&request)
    }
}
