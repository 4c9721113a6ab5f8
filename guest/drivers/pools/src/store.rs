//! The store of a driver: the host's, or a test's.

use alloc::{string::String, vec::Vec};
use ipam_driver::{Error, store};

/// Keys asked for at once.
const PAGE: u32 = 1000;

/// What `ipam_driver::store` is; that module says what each function does.
#[expect(clippy::missing_errors_doc, reason = "as in `ipam_driver::store`")]
pub trait Store {
    /// The value of `key`, or nothing.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error>;
    /// Sets `key` to `value`.
    fn set(&mut self, key: &str, value: &[u8]) -> Result<(), Error>;
    /// Removes `key`, if it is there.
    fn delete(&mut self, key: &str) -> Result<(), Error>;
    /// At most `limit` keys that come after `after`, in ascending byte order.
    fn list_keys(&self, after: Option<&str>, limit: u32) -> Result<Vec<String>, Error>;
}

/// The host's.
#[derive(Debug, Clone, Copy, Default)]
pub struct HostStore;

impl Store for HostStore {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        store::get(key)
    }

    fn set(&mut self, key: &str, value: &[u8]) -> Result<(), Error> {
        store::set(key, value)
    }

    fn delete(&mut self, key: &str) -> Result<(), Error> {
        store::delete(key)
    }

    fn list_keys(&self, after: Option<&str>, limit: u32) -> Result<Vec<String>, Error> {
        store::list_keys("", after, limit)
    }
}

/// Shows everything that is stored, in order of keys.
///
/// # Errors
/// What the store refuses.
pub fn read_all(store: &impl Store, mut each: impl FnMut(&str, &[u8])) -> Result<(), Error> {
    let mut after: Option<String> = None;
    loop {
        let mut keys = store.list_keys(after.as_deref(), PAGE)?;
        for key in &keys {
            if let Some(value) = store.get(key)? {
                each(key, &value);
            }
        }
        after = keys.pop();
        if after.is_none() {
            return Ok(());
        }
    }
}

#[cfg(not(target_family = "wasm"))]
pub use memory::Memory;

#[cfg(not(target_family = "wasm"))]
mod memory {
    use super::Store;
    use alloc::{collections::BTreeMap, string::String, vec::Vec};
    use core::ops::Bound::{Excluded, Unbounded};
    use ipam_driver::{Error, Kind};

    /// A store for tests, with the limits that a host's grant has.
    #[derive(Debug, Clone)]
    pub struct Memory {
        entries: BTreeMap<String, Vec<u8>>,
        bytes: usize,
        bytes_max: usize,
        keys_max: usize,
        /// How often something was set or deleted.
        pub writes: usize,
    }

    impl Memory {
        /// An empty store of that size.
        #[must_use]
        pub fn new(bytes_max: usize, keys_max: usize) -> Self {
            Self { entries: BTreeMap::new(), bytes: 0, bytes_max, keys_max, writes: 0 }
        }

        /// What is stored.
        #[must_use]
        pub fn entries(&self) -> &BTreeMap<String, Vec<u8>> {
            &self.entries
        }

        /// Gives it another size, as an operator may.
        pub fn resize(&mut self, bytes_max: usize, keys_max: usize) {
            (self.bytes_max, self.keys_max) = (bytes_max, keys_max);
        }

        fn size(&self, key: &str) -> usize {
            self.entries.get(key).map_or(0, |value| key.len() + value.len())
        }
    }

    impl Store for Memory {
        fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
            Ok(self.entries.get(key).cloned())
        }

        fn set(&mut self, key: &str, value: &[u8]) -> Result<(), Error> {
            self.writes += 1;
            let bytes = self.bytes - self.size(key) + key.len() + value.len();
            let keys = self.entries.len() + usize::from(!self.entries.contains_key(key));
            if bytes > self.bytes_max || keys > self.keys_max {
                return Err(Error::other(Kind::Unavailable, "the store is full"));
            }
            self.bytes = bytes;
            self.entries.insert(key.into(), value.into());
            Ok(())
        }

        fn delete(&mut self, key: &str) -> Result<(), Error> {
            self.writes += 1;
            self.bytes -= self.size(key);
            self.entries.remove(key);
            Ok(())
        }

        fn list_keys(&self, after: Option<&str>, limit: u32) -> Result<Vec<String>, Error> {
            let from = after.map_or(Unbounded, Excluded);
            let keys = self.entries.range::<str, _>((from, Unbounded)).map(|(key, _)| key);
            Ok(keys.take(limit as usize).cloned().collect())
        }
    }
}
