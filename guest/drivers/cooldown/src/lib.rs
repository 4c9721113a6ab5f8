#![doc = include_str!("../README.md")]
//!
//! # Example
//!
//! The policy runs natively, over a store in memory and at the moments that it is told, in
//! milliseconds:
//!
//! ```
//! use ipam_cooldown::Policy;
//! use ipam_driver::{AddressRequest, Options, PoolChoice, PoolRequest};
//! use ipam_pools::Memory;
//!
//! let mut policy = Policy::new(r#"{"rest": 10}"#, Memory::new(1 << 20, 1000))?;
//! let pool = policy.request_pool(&PoolRequest {
//!     address_space: "LocalDefault".into(),
//!     pool: PoolChoice::Exact("192.0.2.0/24".parse().expect("a prefix")),
//!     sub_pool: None,
//!     options: Options::new(),
//!     exclude: Vec::new(),
//! })?;
//! let any = AddressRequest { pool_id: pool.pool_id.clone(), address: None, options: Options::new() };
//! let mut lease = |policy: &mut Policy<Memory>, at| {
//!     policy.request_address(&any, at).map(|grant| grant.address.expect("it leases one"))
//! };
//! let first = lease(&mut policy, 0)?;
//! policy.release_address(&pool.pool_id, first.addr(), 1_000)?;
//! assert_ne!(lease(&mut policy, 2_000)?, first);
//! assert_eq!(lease(&mut policy, 11_000)?, first);
//! # Ok::<(), ipam_driver::Error>(())
//! ```

mod policy;

use ipam_driver::{
    AddressGrant, AddressRequest, AddressSpaces, Driver, Error, Status, SubnetStatus,
};
use ipam_pools::{HostStore, Pools};
use std::{
    net::IpAddr,
    time::{SystemTime, UNIX_EPOCH},
};

pub use policy::{Moment, Policy};

/// The driver `cooldown`: the policy over the host's store and clock.
#[derive(Debug)]
pub struct Cooldown(Policy<HostStore>);

ipam_driver::export!(Cooldown, status);

/// When the request began: a host's clock stands there.
fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment::try_from(since.as_millis()).unwrap_or(Moment::MAX)
}

impl Driver for Cooldown {
    const NAME: &'static str = "cooldown";

    fn new(config: &str) -> Result<Self, Error> {
        Policy::new(config, HostStore).map(Self)
    }

    fn default_address_spaces(&mut self) -> Result<AddressSpaces, Error> {
        Ok(Pools::address_spaces())
    }

    ipam_driver::delegate!(self => self.0; request_pool, release_pool);

    fn request_address(&mut self, request: AddressRequest) -> Result<AddressGrant, Error> {
        self.0.request_address(&request, now())
    }

    fn release_address(&mut self, pool_id: &str, address: IpAddr) -> Result<(), Error> {
        self.0.release_address(pool_id, address, now())
    }
}

impl Status for Cooldown {
    fn pool_status(&mut self, pool_id: &str) -> Result<SubnetStatus, Error> {
        self.0.status(pool_id)
    }
}

#[cfg(test)]
mod tests;
