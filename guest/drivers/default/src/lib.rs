#![doc = include_str!("../README.md")]
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
