//! Sleeps for an hour in a call of the host.

use ipam_driver::{AddressGrant, AddressRequest, Error};
use ipam_programs::{Bent, Honest};

#[derive(Debug, Default)]
struct Program(Honest);

ipam_programs::export!(Program);

impl Bent for Program {
    const NAME: &'static str = "sleeps";

    fn new(_: &str) -> Self {
        Self::default()
    }

    fn honest(&mut self) -> &mut Honest {
        &mut self.0
    }

    fn request_address(&mut self, _: AddressRequest) -> Result<AddressGrant, Error> {
        std::thread::sleep(std::time::Duration::from_secs(3600));
        Err(Error::new(ipam_driver::Code::NoAvailableIps, "slept well"))
    }
}
