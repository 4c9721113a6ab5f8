//! The operator's table.

use ipam_driver::{Code, Error};
use serde::de::DeserializeOwned;
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

/// Checks the `host` of a table: what a host is called in what is written to a system of
/// record.
///
/// # Errors
/// `InvalidRequest` for what is no name.
pub fn check_host(text: &str) -> Result<(), Error> {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || "._-".contains(it);
    if (1..=64).contains(&text.len()) && text.chars().all(is_plain) {
        return Ok(());
    }
    Err(refusal("host: a name has 1 to 64 characters of A-Z a-z 0-9 . _ -"))
}
