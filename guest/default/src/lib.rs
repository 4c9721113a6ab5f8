#![doc = include_str!("../README.md")]
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

mod config;

use alloc::string::ToString;
use core::net::IpAddr;
use ipam_allocator::{Allocator, Choice, GLOBAL, LOCAL, Recent};
use ipam_driver::{
    AddressGrant, AddressRequest, AddressSpaces, Code, Driver, Error, Family, Kind, PoolChoice,
    PoolGrant, PoolRequest, Status, SubnetStatus, names,
};

/// The driver `default`: the allocator, in the words of the contract.
#[derive(Debug)]
pub struct Default {
    allocator: Recent,
}

ipam_driver::export!(Default, status);

impl Driver for Default {
    const NAME: &'static str = names::DEFAULT_IPAM;

    fn new(config: &str) -> Result<Self, Error> {
        let (local, global) = config::predefined(config)?;
        let allocator = Allocator::new(local, global)
            .map_err(|error| Error::new(Code::InvalidRequest, error.to_string()))?;
        Ok(Self { allocator: Recent::new(allocator) })
    }

    fn default_address_spaces(&mut self) -> Result<AddressSpaces, Error> {
        Ok(AddressSpaces::new(LOCAL, GLOBAL))
    }

    fn request_pool(&mut self, request: PoolRequest) -> Result<PoolGrant, Error> {
        let choice = match (request.pool, request.sub_pool) {
            (PoolChoice::Exact(pool), sub_pool) => Choice::Exact { pool, sub_pool },
            (_, Some(_)) => {
                return Err(Error::new(Code::InvalidSubPool, "invalid address subpool"));
            }
            (PoolChoice::Automatic(family), None) => Choice::Automatic(family_of(family)),
            (PoolChoice::Sized(family, length), None) => Choice::Sized(family_of(family), length),
        };
        let pool = self
            .allocator
            .request_pool(&request.address_space, choice, &request.exclude)
            .map_err(refusal)?;
        Ok(PoolGrant::new(pool.id, pool.prefix))
    }

    fn release_pool(&mut self, pool_id: &str) -> Result<(), Error> {
        self.allocator.release_pool(pool_id).map_err(refusal)
    }

    fn request_address(&mut self, request: AddressRequest) -> Result<AddressGrant, Error> {
        let address = self
            .allocator
            .request_address(&request.pool_id, request.address, request.is_serial())
            .map_err(refusal)?;
        Ok(AddressGrant::new(address))
    }

    fn release_address(&mut self, pool_id: &str, address: IpAddr) -> Result<(), Error> {
        self.allocator.release_address(pool_id, address).map_err(refusal)
    }

    fn is_built_in(&mut self) -> bool {
        true
    }
}

impl Status for Default {
    fn pool_status(&mut self, pool_id: &str) -> Result<SubnetStatus, Error> {
        let status = self.allocator.status(pool_id).map_err(refusal)?;
        Ok(SubnetStatus {
            ips_in_use: status.ips_in_use,
            dynamic_ips_available: status.dynamic_ips_available,
        })
    }
}

fn family_of(family: Family) -> ipam_allocator::Family {
    match family {
        Family::Ipv4 => ipam_allocator::Family::V4,
        Family::Ipv6 => ipam_allocator::Family::V6,
    }
}

/// The contract's name for a refusal of the allocator, with the reference's
/// words. An unknown pool is not found, as in the reference; the contract's
/// `PoolNotFound` would be a bad request.
fn refusal(error: ipam_allocator::Error) -> Error {
    use ipam_allocator::Error as Refusal;
    let code = match &error {
        Refusal::InvalidAddressSpace(_) => Code::InvalidAddressSpace,
        Refusal::InvalidPool => Code::InvalidPool,
        Refusal::InvalidSubPool | Refusal::FamiliesDiffer => Code::InvalidSubPool,
        Refusal::NoMoreSubnets => Code::NoMoreSubnets,
        Refusal::PoolOverlap => Code::PoolOverlap,
        Refusal::BadPool => Code::BadPool,
        Refusal::InvalidPoolId(_)
        | Refusal::NotCanonical { .. }
        | Refusal::SmallerPrefix { .. } => Code::InvalidRequest,
        Refusal::PoolNotFound(_) => Code::Other(Kind::NotFound),
        Refusal::IpOutOfRange => Code::IpOutOfRange,
        Refusal::IpAlreadyAllocated => Code::IpAlreadyAllocated,
        Refusal::NoAvailableIps => Code::NoAvailableIps,
    };
    Error::new(code, error.to_string())
}

#[cfg(test)]
mod tests;
