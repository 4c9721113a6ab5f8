//! Loops for ever when it is started.

use ipam_programs::{Bent, Honest};

#[derive(Debug, Default)]
struct Program(Honest);

ipam_programs::export!(Program);

impl Bent for Program {
    const NAME: &'static str = "loops_in_start";

    fn new(_: &str) -> Self {
        loop {
            std::hint::spin_loop();
        }
    }

    fn honest(&mut self) -> &mut Honest {
        &mut self.0
    }
}
