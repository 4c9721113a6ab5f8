#![doc = include_str!("../README.md")]
#![cfg_attr(
    not(any(test, target_family = "wasm")),
    expect(dead_code, reason = "only a component and tests ask")
)]

mod api;
mod config;
mod http;
mod policy;

use ipam_driver::{
    AddressGrant, AddressRequest, AddressSpaces, Capability, Driver, Error, Kind, PoolGrant,
    PoolRequest,
};
use policy::Policy;
use std::net::IpAddr;

/// The one address space, local and global: what NetBox holds is unique in both.
const SPACE: &str = "netbox";

/// The driver `netbox`: the policy over the host's HTTP.
#[derive(Debug)]
pub struct NetBox(Option<Policy<http::Host>>);

ipam_driver::export!(NetBox);

impl NetBox {
    fn policy(&mut self) -> Result<&mut Policy<http::Host>, Error> {
        let text = "no NetBox is configured: url, token and host are missing";
        self.0.as_mut().ok_or_else(|| Error::other(Kind::Unavailable, text))
    }
}

impl Driver for NetBox {
    const NAME: &'static str = "netbox";
    // What it knows is at NetBox.
    const CAPABILITY: Capability = Capability::NOTHING;

    fn new(config: &str) -> Result<Self, Error> {
        Ok(Self(config::read(config)?.map(|config| Policy::new(config, http::Host))))
    }

    fn default_address_spaces(&mut self) -> Result<AddressSpaces, Error> {
        Ok(AddressSpaces::new(SPACE, SPACE))
    }

    fn request_pool(&mut self, request: PoolRequest) -> Result<PoolGrant, Error> {
        self.policy()?.request_pool(&request)
    }

    fn release_pool(&mut self, pool_id: &str) -> Result<(), Error> {
        self.policy()?.release_pool(pool_id)
    }

    fn request_address(&mut self, request: AddressRequest) -> Result<AddressGrant, Error> {
        self.policy()?.request_address(&request)
    }

    fn release_address(&mut self, pool_id: &str, address: IpAddr) -> Result<(), Error> {
        self.policy()?.release_address(pool_id, address)
    }
}

#[cfg(test)]
mod tests;
