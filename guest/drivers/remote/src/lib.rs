#![doc = include_str!("../README.md")]
//!
//! # Example
//!
//! Off wasm there are no plugins, so it registers no driver; its configuration is read
//! as in service:
//!
//! ```
//! use ipam_driver::Driver;
//! use ipam_remote::Remote;
//!
//! assert_eq!(Remote::registrations(r#"{"replay": false}"#)?, []);
//! assert!(Remote::registrations(r#"{"repaly": false}"#).is_err());
//! # Ok::<(), ipam_driver::Error>(())
//! ```
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

mod fit;
mod protocol;
mod wire;

use alloc::{format, vec::Vec};
use fit::Known;
use ipam_driver::{Code, Driver, Error, Kind, Registration, names, plugins, store};
use protocol::{Ask, Protocol};
use serde::Deserialize;

/// The driver of one plugin, or of none: an instance that has no name yet.
#[derive(Debug)]
pub struct Remote(Option<Protocol<plugins::Plugin>>);

/// The operator's table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// Whether a plugin that asks for replay gets it.
    replay: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { replay: true }
    }
}

impl Config {
    fn read(text: &str) -> Result<Self, Error> {
        serde_json::from_str(text)
            .map_err(|error| Error::new(Code::InvalidRequest, format!("configuration: {error}")))
    }
}

impl Ask for plugins::Plugin {
    fn ask(&self, method: &str, body: &[u8]) -> Result<plugins::Answer, Error> {
        self.call(method, body)
    }

    fn remember(&self, pool_id: &str, known: Known) -> Result<(), Error> {
        store::set(pool_id, known.to_text().as_bytes())
    }

    fn recall(&self, pool_id: &str) -> Result<Option<Known>, Error> {
        let stored = store::get(pool_id)?;
        let text = stored.as_deref().and_then(|bytes| core::str::from_utf8(bytes).ok());
        Ok(text.and_then(Known::from_text))
    }

    fn forget(&self, pool_id: &str) -> Result<(), Error> {
        store::delete(pool_id)
    }
}

fn registration(plugin: plugins::Plugin, config: &Config) -> Registration {
    let name = plugin.name();
    let mut capability = Protocol(plugin).capability();
    capability.requires_request_replay &= config.replay;
    Registration { name, capability }
}

impl Remote {
    fn plugin(&self) -> Result<&Protocol<plugins::Plugin>, Error> {
        let nobody = || Error::other(Kind::Unavailable, "there is no plugin behind this driver");
        self.0.as_ref().ok_or_else(nobody)
    }
}

impl Driver for Remote {
    const NAME: &'static str = "remote";

    fn new(config: &str) -> Result<Self, Error> {
        Config::read(config)?;
        Ok(Self(None))
    }

    fn registrations(config: &str) -> Result<Vec<Registration>, Error> {
        let config = Config::read(config)?;
        let found = plugins::all(names::PLUGIN_ENDPOINT_TYPE);
        Ok(found.into_iter().map(|plugin| registration(plugin, &config)).collect())
    }

    fn registration(name: &str, config: &str) -> Result<Option<Registration>, Error> {
        let config = Config::read(config)?;
        let found = plugins::get(name, names::PLUGIN_ENDPOINT_TYPE)?;
        Ok(Some(registration(found, &config)))
    }

    fn named(name: &str, config: &str) -> Result<Self, Error> {
        Config::read(config)?;
        let plugin = plugins::get(name, names::PLUGIN_ENDPOINT_TYPE)?;
        Ok(Self(Some(Protocol(plugin))))
    }

    ipam_driver::delegate!(
        self => self.plugin()?;
        default_address_spaces, request_pool, release_pool, request_address, release_address
    );
}

ipam_driver::export!(Remote);

#[cfg(test)]
mod tests;
