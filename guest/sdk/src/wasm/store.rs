//! The host's store, in the types of the crate.

use super::store_bindings::ipam::driver::store;
use crate::Error;
use alloc::{string::String, vec::Vec};

pub(crate) fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
    Ok(store::get(key)?)
}

pub(crate) fn set(key: &str, value: &[u8]) -> Result<(), Error> {
    Ok(store::set(key, value)?)
}

pub(crate) fn delete(key: &str) -> Result<(), Error> {
    Ok(store::delete(key)?)
}

pub(crate) fn list_keys(
    prefix: &str,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<String>, Error> {
    Ok(store::list_keys(prefix, after, limit)?)
}
