//! How much of a store a driver is granted.

use ipam_runtime::StoreLimits;
use serde::Deserialize;

/// What a store may hold at most: all of it is in memory, too.
const STORE_BYTES_MAX: u64 = 1 << 30;
/// As [`STORE_BYTES_MAX`].
const STORE_KEYS_MAX: u64 = 1 << 24;

/// The table `store` of a driver.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct StoreTable {
    max_bytes: u64,
    max_keys: u64,
}

impl StoreTable {
    /// # Errors
    /// A number that is zero or too large.
    pub(crate) fn limits(&self) -> Result<StoreLimits, String> {
        Ok(StoreLimits {
            bytes_max: within("store.max-bytes", self.max_bytes, STORE_BYTES_MAX)?,
            keys_max: within("store.max-keys", self.max_keys, STORE_KEYS_MAX)?,
        })
    }
}

/// A number of the configuration, neither zero nor more than `most`.
fn within<T: TryFrom<u64>>(key: &str, value: u64, most: u64) -> Result<T, String> {
    let is_within = (1..=most).contains(&value);
    let value = T::try_from(value).ok().filter(|_| is_within);
    value.ok_or_else(|| format!("{key} must be from 1 to {most}"))
}
