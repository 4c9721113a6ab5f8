//! Until `ipam-allocator` compiles: a driver that has no pools.
#![cfg_attr(target_family = "wasm", no_std)]

use core::net::IpAddr;
use ipam_driver::{
    AddressGrant, AddressRequest, AddressSpaces, Code, Driver, Error, PoolGrant, PoolRequest,
    Status, SubnetStatus, names,
};

struct Default;

ipam_driver::export!(Default, status);

impl Driver for Default {
    const NAME: &'static str = names::DEFAULT_IPAM;

    fn new(_config: &str) -> Result<Self, Error> {
        Ok(Self)
    }

    fn default_address_spaces(&mut self) -> Result<AddressSpaces, Error> {
        Ok(AddressSpaces::new("LocalDefault", "GlobalDefault"))
    }

    fn request_pool(&mut self, _request: PoolRequest) -> Result<PoolGrant, Error> {
        Err(Code::NoMoreSubnets.into())
    }

    fn release_pool(&mut self, _pool_id: &str) -> Result<(), Error> {
        Err(Code::BadPool.into())
    }

    fn request_address(&mut self, _request: AddressRequest) -> Result<AddressGrant, Error> {
        Err(Code::BadPool.into())
    }

    fn release_address(&mut self, _pool_id: &str, _address: IpAddr) -> Result<(), Error> {
        Err(Code::BadPool.into())
    }

    fn is_built_in(&mut self) -> bool {
        true
    }
}

impl Status for Default {
    fn pool_status(&mut self, _pool_id: &str) -> Result<SubnetStatus, Error> {
        Err(Code::BadPool.into())
    }
}
