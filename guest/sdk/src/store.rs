//! Durable state, for a driver that was granted a store.
//!
//! What a call writes becomes durable with what it proposes, or not at all:
//! a refusal, a trap, a proposal that the ledger refuses and a failed commit
//! drop it. Only requests and releases write, and replay changes nothing: what
//! is written for a request with [`replay`](crate::AddressRequest::replay) is
//! dropped with the end of the call. So keep what comes of replay in memory,
//! and read here what replay does not tell. A component that calls none of
//! this needs no grant.
//!
//! Off wasm there is no store, and every call is refused: a test gives the
//! driver another one.
//!
//! ```
//! use ipam_driver::{Error, store};
//!
//! /// How often an address was leased.
//! fn count(address: &str) -> Result<u64, Error> {
//!     let key = format!("count/{address}");
//!     let before = store::get(&key)?.and_then(|bytes| bytes.try_into().ok());
//!     let count = before.map_or(0, u64::from_be_bytes) + 1;
//!     store::set(&key, &count.to_be_bytes())?;
//!     Ok(count)
//! }
//!
//! /// Every address that was ever leased, by a page of keys at a time.
//! fn known() -> Result<Vec<String>, Error> {
//!     let mut all: Vec<String> = Vec::new();
//!     loop {
//!         let page = store::list_keys("count/", all.last().map(String::as_str), 100)?;
//!         if page.is_empty() {
//!             return Ok(all);
//!         }
//!         all.extend(page);
//!     }
//! }
//!
//! assert!(count("192.0.2.7").is_err() && known().is_err(), "no host, no store");
//! ```

use crate::Error;
use alloc::{string::String, vec::Vec};

/// The value of `key`, or nothing.
///
/// # Errors
/// `InvalidRequest` if the key has not 1 to 256 bytes.
pub fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
    host::get(key)
}

/// Sets `key` to `value`.
///
/// # Errors
/// As [`get`], `Unavailable` when that would exceed the grant, and `Forbidden`
/// in calls that do not write. Nothing is changed then.
pub fn set(key: &str, value: &[u8]) -> Result<(), Error> {
    host::set(key, value)
}

/// Removes `key`, if it is there.
///
/// # Errors
/// As [`get`], and `Forbidden` in calls that do not write.
pub fn delete(key: &str) -> Result<(), Error> {
    host::delete(key)
}

/// At most `limit` keys that start with `prefix` and come after `after`, in
/// ascending byte order. No key means that there are no more.
///
/// # Errors
/// What the host refuses.
pub fn list_keys(prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, Error> {
    host::list_keys(prefix, after, limit)
}

#[cfg(target_family = "wasm")]
use crate::wasm::store as host;

#[cfg(not(target_family = "wasm"))]
mod host {
    use crate::{Error, Kind};
    use alloc::{string::String, vec::Vec};

    fn none<T>() -> Result<T, Error> {
        Err(Error::other(Kind::NotImplemented, "there is no store here"))
    }

    pub(super) fn get(_: &str) -> Result<Option<Vec<u8>>, Error> {
        none()
    }

    pub(super) fn set(_: &str, _: &[u8]) -> Result<(), Error> {
        none()
    }

    pub(super) fn delete(_: &str) -> Result<(), Error> {
        none()
    }

    pub(super) fn list_keys(_: &str, _: Option<&str>, _: u32) -> Result<Vec<String>, Error> {
        none()
    }
}
