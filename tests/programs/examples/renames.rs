//! Registers two names, and another when it is started for one of them.

use ipam_driver::{Capability, Registration, wasm::bindings::ipam::driver::callback};
use ipam_programs::{Bent, Honest};

#[derive(Debug, Default)]
struct Program(Honest);

ipam_programs::export!(Program);

impl Bent for Program {
    const NAME: &'static str = "renames";

    fn new(_: &str) -> Self {
        Self::default()
    }

    fn honest(&mut self) -> &mut Honest {
        &mut self.0
    }

    fn registrations() -> Vec<Registration> {
        ["renames", "renames-too"]
            .map(|name| Registration { name: name.to_owned(), capability: Capability::REPLAY })
            .into()
    }

    fn named(_: &str, config: &str) -> Self {
        // What it is told is no reason to stop.
        let _ = callback::register_ipam_driver("somebody-else");
        Self::new(config)
    }
}
