//! Refuses every release.

use ipam_driver::{Code, Error};
use ipam_programs::{Bent, Honest};
use std::net::IpAddr;

#[derive(Debug, Default)]
struct Program(Honest);

ipam_programs::export!(Program);

impl Bent for Program {
    const NAME: &'static str = "keeps";

    fn new(_: &str) -> Self {
        Self::default()
    }

    fn honest(&mut self) -> &mut Honest {
        &mut self.0
    }

    fn release_pool(&mut self, _: &str) -> Result<(), Error> {
        Err(Code::PoolNotFound.into())
    }

    fn release_address(&mut self, _: &str, _: IpAddr) -> Result<(), Error> {
        Err(Code::InvalidRequest.into())
    }
}
