//! The operator's table: the predefined pools, and what a driver has besides.
//!
//! Docker's form and Docker's rules: a list replaces the built-in one
//! entirely, and a local list without IPv6 gets the unique local addresses of
//! the site. One difference: without a site id there are none, because two
//! sites must not end up with the same ([RFC 4193], section 3.2).
//!
//! [RFC 4193]: https://www.rfc-editor.org/rfc/rfc4193

use crate::Pools;
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use ipam_allocator::{Allocator, Predefined, global_predefined, local_predefined, ula};
use ipam_driver::{Code, Error, IpNet, parse_prefix};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// A table of which a driver takes its own keys, and then the pools.
#[derive(Debug)]
pub struct Config(Map<String, Value>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Table {
    default_address_pools: Option<Vec<Entry>>,
    global_address_pools: Option<Vec<Entry>>,
    site_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    base: String,
    size: u8,
}

impl Config {
    /// Reads one JSON object.
    ///
    /// # Errors
    /// `InvalidRequest` if it is none.
    pub fn parse(text: &str) -> Result<Self, Error> {
        serde_json::from_str(text).map(Self).map_err(|error| refusal(format!("config: {error}")))
    }

    /// Takes what a key says, if it is there.
    ///
    /// # Errors
    /// `InvalidRequest`, by the name of the key, if it says something else.
    pub fn take<T: DeserializeOwned>(&mut self, key: &str) -> Result<Option<T>, Error> {
        let value = self.0.remove(key).map(serde_json::from_value).transpose();
        value.map_err(|error| refusal(format!("config: {key}: {error}")))
    }

    /// The pools of what is left, in which every key must be one of theirs.
    ///
    /// # Errors
    /// `InvalidRequest` for a key that is not known, and for pools that cannot be.
    pub fn pools(self) -> Result<Pools, Error> {
        let table: Table = serde_json::from_value(self.0.into())
            .map_err(|error| refusal(format!("config: {error}")))?;
        let mut local = match table.default_address_pools {
            Some(entries) => predefined("default-address-pools", &entries)?,
            None => local_predefined(),
        };
        let global = match table.global_address_pools {
            Some(entries) => predefined("global-address-pools", &entries)?,
            None => global_predefined(),
        };
        // A variable that is not set would make all sites one.
        if table.site_id.as_deref() == Some("") {
            return Err(refusal("config: site-id is empty"));
        }
        if let Some(site_id) = table.site_id
            && !local.iter().any(|pool| is_ipv6(&pool.base))
        {
            local.push(ula(&site_id));
        }
        let allocator =
            Allocator::new(local, global).map_err(|error| refusal(error.to_string()))?;
        Ok(Pools::new(allocator))
    }
}

fn predefined(key: &str, entries: &[Entry]) -> Result<Vec<Predefined>, Error> {
    let pool = |Entry { base, size }: &Entry| match parse_prefix(base) {
        Some(base) => Ok(Predefined { base, size: *size }),
        None => Err(refusal(format!("{key}: base {base:?} is not a prefix like 10.0.0.0/8"))),
    };
    entries.iter().map(pool).collect()
}

/// An IPv4-mapped base means the IPv4 one.
fn is_ipv6(base: &IpNet) -> bool {
    matches!(base, IpNet::V6(base) if base.addr().to_ipv4_mapped().is_none())
}

/// Why a configuration cannot be worked with.
#[must_use]
pub fn refusal(text: impl Into<String>) -> Error {
    Error::new(Code::InvalidRequest, text)
}
