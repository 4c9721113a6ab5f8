//! Registers the name that Docker knows the built-in allocator by.

use ipam_programs::{Bent, Honest};

#[derive(Debug, Default)]
struct Program(Honest);

ipam_programs::export!(Program);

impl Bent for Program {
    const NAME: &'static str = "wipam";

    fn new(_: &str) -> Self {
        Self::default()
    }

    fn honest(&mut self) -> &mut Honest {
        &mut self.0
    }
}
