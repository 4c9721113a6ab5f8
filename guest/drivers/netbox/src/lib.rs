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

mod addresses;
mod api;
mod config;
mod made;
mod pools;
mod system;

use ipam_driver::{
    AddressSpaces, Capability, Driver, Error, HeldRecord, Kind, RecordPage, Records,
};
use ipam_http_driver::{Host, Policy};
use std::net::IpAddr;
use system::System;

/// The one address space, local and global: what NetBox holds is unique in both.
const SPACE: &str = "netbox";

/// The driver `netbox`: the policy over the host's HTTP.
#[derive(Debug)]
pub struct NetBox(Option<Policy<System<Host>>>);

ipam_driver::export!(NetBox, records);

impl NetBox {
    fn policy(&mut self) -> Result<&mut Policy<System<Host>>, Error> {
        let text = "no NetBox is configured: url, token and host are missing";
        self.0.as_mut().ok_or_else(|| Error::other(Kind::Unavailable, text))
    }
}

impl Driver for NetBox {
    const NAME: &'static str = "netbox";
    // What it knows is at NetBox. By its MAC address an endpoint is told from an auxiliary
    // address, which may be granted as NetBox has it.
    const CAPABILITY: Capability = Capability { requires_mac_address: true, ..Capability::NOTHING };

    fn new(config: &str) -> Result<Self, Error> {
        let mut policy = config::read(config)?.map(|config| System::policy(config, Host));
        policy.iter_mut().for_each(|policy| policy.system.look());
        Ok(Self(policy))
    }

    fn default_address_spaces(&mut self) -> Result<AddressSpaces, Error> {
        Ok(AddressSpaces::new(SPACE, SPACE))
    }

    ipam_driver::delegate!(self => self.policy()?; request_pool, release_pool, request_address, release_address);
}

impl Records for NetBox {
    fn list_records(&mut self, cursor: Option<&str>, limit: u32) -> Result<RecordPage, Error> {
        self.policy()?.list_records(cursor, limit)
    }

    fn has_record(&mut self, pool_id: &str, address: Option<IpAddr>) -> Result<bool, Error> {
        self.policy()?.has_record(pool_id, address)
    }

    fn remove_record(&mut self, record: &HeldRecord) -> Result<bool, Error> {
        self.policy()?.remove_record(record)
    }
}

#[cfg(test)]
mod tests;
