//! Registers a name in which nobody sees what it holds.

use ipam_programs::{Bent, Honest};

#[derive(Debug, Default)]
struct Program(Honest);

ipam_programs::export!(Program);

impl Bent for Program {
    const NAME: &'static str = "lab\u{202e}\u{200b}\u{85}\nERROR it is all over";

    fn new(_: &str) -> Self {
        Self::default()
    }

    fn honest(&mut self) -> &mut Honest {
        &mut self.0
    }
}
