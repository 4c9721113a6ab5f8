#![doc = include_str!("../README.md")]
//!
//! # Example
//!
//! Off wasm it is a value like any other:
//!
//! ```
//! use ipam_default::Default;
//! use ipam_driver::{Driver, Family, Options, PoolChoice, PoolRequest};
//!
//! let mut driver = Default::new("{}")?;
//! let spaces = driver.default_address_spaces()?;
//! let pool = driver.request_pool(PoolRequest {
//!     address_space: spaces.local,
//!     pool: PoolChoice::Automatic(Family::Ipv4),
//!     sub_pool: None,
//!     options: Options::new(),
//!     exclude: Vec::new(),
//! })?;
//! assert_eq!(pool.pool_id, "LocalDefault/172.17.0.0/16");
//! # Ok::<(), ipam_driver::Error>(())
//! ```
#![cfg_attr(target_family = "wasm", no_std)]

use ipam_driver::{
    AddressGrant, AddressRequest, AddressSpaces, Driver, Error, Status, SubnetStatus, names,
};
use ipam_pools::{Config, Pools};

/// The driver `default`: the allocator, in the words of the contract.
#[derive(Debug)]
pub struct Default(Pools);

ipam_driver::export!(Default, status);

impl Driver for Default {
    const NAME: &'static str = names::DEFAULT_IPAM;

    fn new(config: &str) -> Result<Self, Error> {
        Ok(Self(Config::parse(config)?.pools()?))
    }

    fn default_address_spaces(&mut self) -> Result<AddressSpaces, Error> {
        Ok(Pools::address_spaces())
    }

    ipam_driver::delegate!(self => self.0; request_pool, release_pool, release_address);

    fn request_address(&mut self, request: AddressRequest) -> Result<AddressGrant, Error> {
        let is_serial = request.is_serial();
        let address = self.0.request_address(&request.pool_id, request.address, is_serial)?;
        Ok(AddressGrant::new(address))
    }

    fn is_built_in(&mut self) -> bool {
        true
    }
}

impl Status for Default {
    fn pool_status(&mut self, pool_id: &str) -> Result<SubnetStatus, Error> {
        self.0.status(pool_id)
    }
}

#[cfg(test)]
mod tests;
