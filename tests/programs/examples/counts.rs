//! Keeps books in its store: how many pools and leases it granted and how many
//! it took back, and a key for each pool. It counts in replay, too, which
//! changes nothing. A pool that is asked for with the option `fill` writes as
//! many bytes as that says.

use ipam_driver::{AddressGrant, AddressRequest, Error, PoolGrant, PoolRequest, store};
use ipam_programs::{Bent, Honest};
use std::net::IpAddr;

#[derive(Debug, Default)]
struct Program(Honest);

ipam_programs::export!(Program);

/// One more of something.
fn count(what: &str) -> Result<(), Error> {
    let before = store::get(what)?.map_or(0, |bytes| u64_of(&bytes));
    store::set(what, &(before + 1).to_be_bytes())
}

fn u64_of(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

impl Bent for Program {
    const NAME: &'static str = "counts";

    fn new(_: &str) -> Self {
        Self::default()
    }

    fn honest(&mut self) -> &mut Honest {
        &mut self.0
    }

    fn request_pool(&mut self, request: PoolRequest) -> Result<PoolGrant, Error> {
        if let Some(bytes) = request.options.get("fill").and_then(|text| text.parse().ok()) {
            store::set("fill", &vec![0; bytes])?;
        }
        let grant = self.0.request_pool(&request)?;
        count("pools")?;
        store::set(&format!("pool/{}", grant.pool_id), b"granted")?;
        Ok(grant)
    }

    fn release_pool(&mut self, pool_id: &str) -> Result<(), Error> {
        self.0.release_pool(pool_id)?;
        count("releases")?;
        store::delete(&format!("pool/{pool_id}"))
    }

    fn request_address(&mut self, request: AddressRequest) -> Result<AddressGrant, Error> {
        let grant = self.0.request_address(&request)?;
        count("leases")?;
        Ok(grant)
    }

    fn release_address(&mut self, pool_id: &str, address: IpAddr) -> Result<(), Error> {
        self.0.release_address(pool_id, address)?;
        count("releases")
    }
}
