//! The operator's table.

use crate::fits;
use ipam_driver::{Code, Error, Family, IpNet, parse_prefix};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use std::fmt;

/// Reads a driver's table; nothing if it is empty, for a driver must load without one.
///
/// # Errors
/// `InvalidRequest`, by the name of the key. Values are not quoted: one is a token.
pub fn read_table<T: DeserializeOwned>(text: &str) -> Result<Option<T>, Error> {
    let value: Value = serde_json::from_str(text).map_err(refusal)?;
    if value.as_object().is_some_and(Map::is_empty) {
        return Ok(None);
    }
    // Its errors name keys and types, and quote no text but that of a key.
    serde_json::from_value(value).map(Some).map_err(|error| match error.to_string() {
        // This one would show the value.
        text if text.contains("invalid type") => {
            let expected = text.rsplit(", expected ").next().unwrap_or_default();
            refusal(format!("a key has a value of the wrong type: expected {expected}"))
        }
        text => refusal(text),
    })
}

/// Why a configuration cannot be worked with.
#[must_use]
pub fn refusal(text: impl fmt::Display) -> Error {
    Error::new(Code::InvalidRequest, format!("config: {text}"))
}

/// A prefix of `default-address-pools`, and the length of the pools that are cut from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Entry")]
pub struct Base {
    /// The prefix.
    pub net: IpNet,
    /// The length.
    pub size: u8,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    base: String,
    size: u8,
}

impl TryFrom<Entry> for Base {
    type Error = String;

    fn try_from(Entry { base, size }: Entry) -> Result<Self, String> {
        Self::new(&base, size)
    }
}

impl Base {
    /// The prefixes that have pools of a family, and of a length or else their own.
    ///
    /// # Errors
    /// `invalid-pool` if there are none.
    pub fn fitting(
        bases: &[Self],
        family: Family,
        length: Option<u8>,
    ) -> Result<Vec<(IpNet, u8)>, Error> {
        let all = bases.iter().map(|base| (base.net, length.unwrap_or(base.size)));
        let fitting: Vec<_> = all.filter(|(net, length)| fits(net, family, *length)).collect();
        let is_none = fitting.is_empty();
        let refusal = || Error::new(Code::InvalidPool, "no default-address-pools for such a pool");
        if is_none { Err(refusal()) } else { Ok(fitting) }
    }

    /// Reads a prefix that has pools of that length.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(base: &str, size: u8) -> Result<Self, String> {
        // Systems of record have no IPv4-mapped prefixes.
        let is_mapped = |prefix: &IpNet| prefix.addr().to_canonical() != prefix.addr();
        let net = parse_prefix(base).filter(|prefix| !is_mapped(prefix)).ok_or_else(|| {
            format!("default-address-pools: base {base:?} is not a prefix like 10.0.0.0/8")
        })?;
        if net != net.trunc() || !(net.prefix_len()..=net.max_prefix_len()).contains(&size) {
            return Err(format!("default-address-pools: no pools of length {size} in {net}"));
        }
        Ok(Self { net, size })
    }
}
