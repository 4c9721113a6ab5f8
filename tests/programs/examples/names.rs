//! Registers ten thousand names.

use ipam_driver::{Capability, Registration};
use ipam_programs::{Bent, Honest};

#[derive(Debug, Default)]
struct Program(Honest);

ipam_programs::export!(Program);

impl Bent for Program {
    const NAME: &'static str = "names";

    fn new(_: &str) -> Self {
        Self::default()
    }

    fn honest(&mut self) -> &mut Honest {
        &mut self.0
    }

    fn registrations() -> Vec<Registration> {
        let registration = |number| Registration {
            name: format!("name-{number}"),
            capability: Capability::REPLAY,
        };
        (0..10_000).map(registration).collect()
    }
}
