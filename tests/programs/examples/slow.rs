//! Honest, until it is to learn what it has leased: then it takes for ever.

use ipam_driver::{AddressGrant, AddressRequest, Error};
use ipam_programs::{Bent, Honest};

#[derive(Debug)]
struct Program {
    honest: Honest,
}

ipam_programs::export!(Program);

impl Bent for Program {
    const NAME: &'static str = "slow";

    fn new(_: &str) -> Self {
        Self { honest: Honest::default() }
    }

    fn honest(&mut self) -> &mut Honest {
        &mut self.honest
    }

    fn request_address(&mut self, request: AddressRequest) -> Result<AddressGrant, Error> {
        while request.replay().is_some() {
            std::hint::spin_loop();
        }
        self.honest.request_address(&request)
    }
}
