//! Two drivers in one component: `good` is honest, `bad` loops when it is asked
//! for an address by name, and traps when it is asked for any.

use ipam_driver::{AddressGrant, AddressRequest, Capability, Error, Registration};
use ipam_programs::{Bent, Honest};

#[derive(Debug, Default)]
struct Program {
    honest: Honest,
    is_bad: bool,
}

ipam_programs::export!(Program);

impl Bent for Program {
    const NAME: &'static str = "good";

    fn new(_: &str) -> Self {
        Self::default()
    }

    fn named(name: &str, _: &str) -> Self {
        Self { honest: Honest::default(), is_bad: name == "bad" }
    }

    fn honest(&mut self) -> &mut Honest {
        &mut self.honest
    }

    fn registrations() -> Vec<Registration> {
        ["good", "bad"]
            .map(|name| Registration { name: name.to_owned(), capability: Capability::REPLAY })
            .into()
    }

    fn request_address(&mut self, request: AddressRequest) -> Result<AddressGrant, Error> {
        match request.address {
            Some(_) if self.is_bad => loop {
                std::hint::spin_loop();
            },
            None if self.is_bad => std::process::abort(),
            Some(_) | None => self.honest.request_address(&request),
        }
    }
}
