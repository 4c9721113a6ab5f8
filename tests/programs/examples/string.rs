//! Answers a pool id of 100 MB, more than its memory has.

use ipam_driver::{Error, PoolGrant, PoolRequest};
use ipam_programs::{Bent, Honest};

#[derive(Debug, Default)]
struct Program(Honest);

ipam_programs::export!(Program);

impl Bent for Program {
    const NAME: &'static str = "string";

    fn new(_: &str) -> Self {
        Self::default()
    }

    fn honest(&mut self) -> &mut Honest {
        &mut self.0
    }

    fn request_pool(&mut self, _: PoolRequest) -> Result<PoolGrant, Error> {
        Ok(PoolGrant::new("x".repeat(100 << 20), "10.0.0.0/24".parse().expect("a prefix")))
    }
}
