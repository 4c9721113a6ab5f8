#![doc = include_str!("../README.md")]
//!
//! # Example
//!
//! Off wasm it asks nobody; its configuration is read as in service:
//!
//! ```
//! use ipam_driver::Driver;
//! use ipam_netbox::NetBox;
//!
//! // Without a configuration there is no NetBox to ask.
//! let mut driver = NetBox::new("{}")?;
//! assert!(driver.release_pool("netbox/7/10.64.0.0/24").is_err());
//! // A wrong key is refused by its name.
//! let refused = NetBox::new(r#"{"bases": []}"#).unwrap_err();
//! assert!(refused.text().contains("bases"));
//! # Ok::<(), ipam_driver::Error>(())
//! ```
#![cfg_attr(
    not(any(test, target_family = "wasm")),
    expect(dead_code, reason = "only a component and tests ask")
)]

mod api;
mod config;
mod policy;

use ipam_driver::{AddressSpaces, Capability, Driver, Error, Kind};
use ipam_http_driver::Host;
use policy::Policy;

/// The one address space, local and global: what NetBox holds is unique in both.
const SPACE: &str = "netbox";

/// The driver `netbox`: the policy over the host's HTTP.
#[derive(Debug)]
pub struct NetBox(Option<Policy<Host>>);

ipam_driver::export!(NetBox);

impl NetBox {
    fn policy(&mut self) -> Result<&mut Policy<Host>, Error> {
        let text = "no NetBox is configured: url, token and host are missing";
        self.0.as_mut().ok_or_else(|| Error::other(Kind::Unavailable, text))
    }
}

impl Driver for NetBox {
    const NAME: &'static str = "netbox";
    // What it knows is at NetBox.
    const CAPABILITY: Capability = Capability::NOTHING;

    fn new(config: &str) -> Result<Self, Error> {
        Ok(Self(config::read(config)?.map(|config| Policy::new(config, Host))))
    }

    fn default_address_spaces(&mut self) -> Result<AddressSpaces, Error> {
        Ok(AddressSpaces::new(SPACE, SPACE))
    }

    ipam_driver::delegate!(self => self.policy()?; request_pool, release_pool, request_address, release_address);
}

#[cfg(test)]
mod tests;
