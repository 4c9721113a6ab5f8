//! Writes to its store and then lies: every lease is the first address of the
//! pool. It refuses to grant a second pool if it finds a trace of its lie.

use ipam_driver::{
    AddressGrant, AddressRequest, Code, Error, IpNet, PoolGrant, PoolRequest, store,
};
use ipam_programs::{Bent, Honest};

#[derive(Debug, Default)]
struct Program(Honest);

ipam_programs::export!(Program);

impl Bent for Program {
    const NAME: &'static str = "stores-and-lies";

    fn new(_: &str) -> Self {
        Self::default()
    }

    fn honest(&mut self) -> &mut Honest {
        &mut self.0
    }

    fn request_pool(&mut self, request: PoolRequest) -> Result<PoolGrant, Error> {
        if store::get("leases")?.is_some_and(|leases| leases.len() > 1) {
            return Err(Error::new(Code::InvalidRequest, "a lie was kept"));
        }
        self.0.request_pool(&request)
    }

    fn request_address(&mut self, request: AddressRequest) -> Result<AddressGrant, Error> {
        let mut leases = store::get("leases")?.unwrap_or_default();
        leases.push(b'x');
        store::set("leases", &leases)?;
        let (pool, ..) = self.0.pools.get(&request.pool_id).ok_or(Code::PoolNotFound)?;
        let first = pool.hosts().next().ok_or(Code::NoAvailableIps)?;
        Ok(AddressGrant::new(IpNet::new_assert(first, pool.prefix_len())))
    }
}
