//! What a driver imports of its host, where there is none: `callback` and `log`
//! say on standard error what they are told, and `store` is in memory.
//!
//! `wipam compose` joins it with a driver, so that plain `wasmtime run` can
//! call the driver. It is no host: nothing is checked against a ledger, and
//! what is stored stands whatever comes of the call that wrote it.
//!
//! # Example
//!
//! ```sh
//! wipam compose example.wasm --stub-only -o call.wasm
//! wasmtime run --invoke 'get-default-address-spaces()' call.wasm
//! ```
#![cfg(target_family = "wasm")]

#[allow(
    clippy::all,
    missing_debug_implementations,
    missing_docs,
    unreachable_pub,
    unsafe_code,
    reason = "generated: what crosses the boundary is memory"
)]
mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit",
        inline: "
            package ipam:stub;
            world stub {
                export ipam:driver/callback@0.1.0;
                export ipam:driver/log@0.1.0;
                export ipam:driver/store@0.1.0;
            }
        ",
        world: "ipam:stub/stub",
        generate_all,
    });
}

use bindings::{
    exports::ipam::driver::{callback, log, store},
    ipam::driver::types::{Capability, Error},
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    ops::Bound::{Excluded, Included, Unbounded},
};

/// The longest name of a driver, in characters, and key of the store, in bytes.
const NAME_MAX: usize = 64;
const KEY_BYTES_MAX: usize = 256;

thread_local! {
    static NAMES: RefCell<BTreeSet<String>> = RefCell::default();
    static STORED: RefCell<BTreeMap<String, Vec<u8>>> = RefCell::default();
}

struct Stub;

#[allow(unsafe_code, reason = "generated: what crosses the boundary is memory")]
mod exported {
    use crate::{Stub, bindings};

    bindings::export!(Stub with_types_in bindings);
}

fn register(name: String, needs: &str) -> Result<(), Error> {
    let is_plain = |letter: u8| letter.is_ascii_alphanumeric() || b"_.-".contains(&letter);
    if !(1..=NAME_MAX).contains(&name.len())
        || !name.starts_with(|first: char| first.is_ascii_alphanumeric())
        || !name.bytes().all(is_plain)
    {
        return Err(Error::InvalidRequest("no driver can have that name".to_owned()));
    }
    eprintln!("stub: the driver registers as {name}{needs}");
    let is_new = NAMES.with_borrow_mut(|names| names.insert(name));
    if is_new { Ok(()) } else { Err(Error::InvalidRequest("it is registered already".to_owned())) }
}

impl callback::Guest for Stub {
    fn register_ipam_driver(name: String) -> Result<(), Error> {
        register(name, "")
    }

    fn register_ipam_driver_with_capabilities(
        name: String,
        capability: Capability,
    ) -> Result<(), Error> {
        register(
            name,
            match (capability.requires_mac_address, capability.requires_request_replay) {
                (false, false) => "",
                (true, false) => ", and requires MAC addresses",
                (false, true) => ", and requires replay",
                (true, true) => ", and requires MAC addresses and replay",
            },
        )
    }
}

impl log::Guest for Stub {
    fn log(level: log::Level, message: String) {
        let level = match level {
            log::Level::Error => "error",
            log::Level::Warn => "warn",
            log::Level::Info => "info",
            log::Level::Debug => "debug",
        };
        eprintln!("stub: {level}: {}", message.escape_debug());
    }
}

fn check(key: &str) -> Result<(), Error> {
    if (1..=KEY_BYTES_MAX).contains(&key.len()) {
        return Ok(());
    }
    Err(Error::InvalidRequest(format!("a key has 1 to {KEY_BYTES_MAX} bytes")))
}

impl store::Guest for Stub {
    fn get(key: String) -> Result<Option<Vec<u8>>, Error> {
        check(&key)?;
        Ok(STORED.with_borrow(|stored| stored.get(&key).cloned()))
    }

    fn set(key: String, value: Vec<u8>) -> Result<(), Error> {
        check(&key)?;
        STORED.with_borrow_mut(|stored| stored.insert(key, value));
        Ok(())
    }

    fn delete(key: String) -> Result<(), Error> {
        check(&key)?;
        STORED.with_borrow_mut(|stored| stored.remove(&key));
        Ok(())
    }

    fn list_keys(prefix: String, after: Option<String>, limit: u32) -> Result<Vec<String>, Error> {
        let from = match after {
            Some(after) if after >= prefix => Excluded(after),
            Some(_) | None => Included(prefix.clone()),
        };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(STORED.with_borrow(|stored| {
            let keys = stored.range((from, Unbounded)).map(|(key, _)| key);
            keys.take_while(|key| key.starts_with(&prefix)).take(limit).cloned().collect()
        }))
    }
}
