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

pub use system::System;

/// The one address space, local and global: what NetBox holds is unique in both.
const SPACE: &str = "netbox";

ipam_http_driver::driver!(
    /// The driver `netbox`.
    NetBox, System<ipam_http_driver::Host>
);

#[cfg(test)]
mod tests;
