#![doc = include_str!("../README.md")]
#![cfg_attr(target_family = "wasm", no_std)]

use core::net::IpAddr;
use ipam_driver::{
    AddressGrant, AddressRequest, AddressSpaces, Driver, Error, PoolGrant, PoolRequest, Status,
    SubnetStatus, names,
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

    fn request_pool(&mut self, request: PoolRequest) -> Result<PoolGrant, Error> {
        self.0.request_pool(&request)
    }

    fn release_pool(&mut self, pool_id: &str) -> Result<(), Error> {
        self.0.release_pool(pool_id)
    }

    fn request_address(&mut self, request: AddressRequest) -> Result<AddressGrant, Error> {
        let is_serial = request.is_serial();
        let address = self.0.request_address(&request.pool_id, request.address, is_serial)?;
        Ok(AddressGrant::new(address))
    }

    fn release_address(&mut self, pool_id: &str, address: IpAddr) -> Result<(), Error> {
        self.0.release_address(pool_id, address)
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
