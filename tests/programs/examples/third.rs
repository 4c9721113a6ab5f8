//! Traps on every third request for an address.

use ipam_driver::{AddressGrant, AddressRequest, Error};
use ipam_programs::{Bent, Honest};

#[derive(Debug, Default)]
struct Program {
    honest: Honest,
    calls: usize,
}

ipam_programs::export!(Program);

impl Bent for Program {
    const NAME: &'static str = "third";

    fn new(_: &str) -> Self {
        Self::default()
    }

    fn honest(&mut self) -> &mut Honest {
        &mut self.honest
    }

    fn request_address(&mut self, request: AddressRequest) -> Result<AddressGrant, Error> {
        self.calls += usize::from(request.replay().is_none());
        if self.calls == 3 {
            std::process::abort();
        }
        self.honest.request_address(&request)
    }
}
