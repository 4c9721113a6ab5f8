//! Answers an IPv6 pool to whoever asks for IPv4.

use ipam_driver::{Error, PoolGrant, PoolRequest};
use ipam_programs::{Bent, Honest};

#[derive(Debug, Default)]
struct Program(Honest);

ipam_programs::export!(Program);

impl Bent for Program {
    const NAME: &'static str = "family";

    fn new(_: &str) -> Self {
        Self::default()
    }

    fn honest(&mut self) -> &mut Honest {
        &mut self.0
    }

    fn request_pool(&mut self, _: PoolRequest) -> Result<PoolGrant, Error> {
        Ok(PoolGrant::new("family", "fd00::/64".parse().expect("a prefix")))
    }
}
