#![doc = include_str!("../README.md")]
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
