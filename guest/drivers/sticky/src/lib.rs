#![doc = include_str!("../README.md")]
//!
//! # Example
//!
//! The policy runs natively, over a store in memory:
//!
//! ```
//! use ipam_driver::{AddressRequest, Options, PoolChoice, PoolRequest, names};
//! use ipam_pools::Memory;
//! use ipam_sticky::Policy;
//!
//! let mut policy = Policy::new("{}", Memory::new(1 << 20, 1000))?;
//! let pool = policy.request_pool(&PoolRequest {
//!     address_space: "LocalDefault".into(),
//!     pool: PoolChoice::Exact("192.0.2.0/24".parse().expect("a prefix")),
//!     sub_pool: None,
//!     options: Options::new(),
//!     exclude: Vec::new(),
//! })?;
//! let request = |name: &str| AddressRequest {
//!     pool_id: pool.pool_id.clone(),
//!     address: None,
//!     options: Options::from([(names::ENDPOINT_NAME.into(), name.into())]),
//! };
//! let web = policy.request_address(&request("web"))?.address.expect("it leases one");
//! policy.release_address(&pool.pool_id, web.addr())?;
//! assert_ne!(policy.request_address(&request("db"))?.address, Some(web));
//! assert_eq!(policy.request_address(&request("web"))?.address, Some(web));
//! # Ok::<(), ipam_driver::Error>(())
//! ```
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

mod identity;
mod policy;
mod reservations;

use alloc::{string::ToString, vec, vec::Vec};
use ipam_driver::{AddressSpaces, Capability, Driver, Error, Registration, Status, SubnetStatus};
use ipam_pools::{HostStore, Pools};

pub use policy::Policy;

/// The driver `sticky`: the policy over the host's store.
#[derive(Debug)]
pub struct Sticky(Policy<HostStore>);

ipam_driver::export!(Sticky, status);

impl Driver for Sticky {
    const NAME: &'static str = "sticky";

    fn new(config: &str) -> Result<Self, Error> {
        Policy::new(config, HostStore).map(Self)
    }

    fn registrations(config: &str) -> Result<Vec<Registration>, Error> {
        let capability = Capability {
            requires_mac_address: identity::Keys::of(config)?.has_mac_address(),
            ..Self::CAPABILITY
        };
        Ok(vec![Registration { name: Self::NAME.to_string(), capability }])
    }

    fn default_address_spaces(&mut self) -> Result<AddressSpaces, Error> {
        Ok(Pools::address_spaces())
    }

    ipam_driver::delegate!(self => self.0; request_pool, release_pool, request_address, release_address);
}

impl Status for Sticky {
    fn pool_status(&mut self, pool_id: &str) -> Result<SubnetStatus, Error> {
        self.0.status(pool_id)
    }
}

#[cfg(test)]
mod tests;
