//! Where events become durable: the seam between the ledger and its storage.

use crate::{Record, State};
use ipam_api::{Digest, DriverName};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, error::Error, ops::ControlFlow, path::Path};

/// What one transaction changes in one driver's part of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Whose part.
    #[serde(with = "crate::plain::driver")]
    pub driver: DriverName,
    /// In the order in which they were applied, never empty.
    pub records: Vec<Record>,
}

/// The store failed; for the operator, with its chain of sources.
#[derive(Debug, thiserror::Error)]
#[error("the ledger's store failed: {0}")]
pub struct StoreError(#[source] Box<dyn Error + Send + Sync>);

impl StoreError {
    /// A failure of the storage.
    #[must_use]
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

/// Durable state. It has one writer; callers bring their own lock.
pub trait Store: Send {
    /// Reads one driver's part, as of the last commit that succeeded. A driver
    /// that nothing is stored of has an empty part.
    ///
    /// # Errors
    /// When the storage cannot be read, or holds what cannot be.
    fn load(&mut self, driver: &DriverName) -> Result<State, StoreError>;

    /// Makes all of `changes` durable, or none. There may be several of one
    /// driver; they follow each other. An empty transaction changes nothing
    /// and succeeds only if one that changed something could succeed.
    ///
    /// Returns whether [`Store::maintain`] should be called soon: most commits
    /// need none, and whoever would call it may have to be woken.
    ///
    /// # Errors
    /// When nothing of it is durable.
    fn commit(&mut self, changes: &[Changes]) -> Result<bool, StoreError>;

    /// What is durable now, for readers that take their time: later commits do
    /// not change what it shows, and need not wait for it.
    ///
    /// # Errors
    /// When the storage cannot be read.
    fn view(&mut self) -> Result<Box<dyn View>, StoreError>;

    /// A small text that was noted under a name, such as who made a driver's
    /// part. A store that notes nothing has none.
    ///
    /// # Errors
    /// When the storage cannot be read.
    fn note(&mut self, _name: &str) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    /// Notes a small text under a name, in place of what was noted there.
    ///
    /// # Errors
    /// When the storage cannot be written. Whether it is noted is unknown then.
    fn set_note(&mut self, _name: &str, _text: &str) -> Result<(), StoreError> {
        Ok(())
    }

    /// Runs deferred maintenance, so that a later commit need not wait for it.
    /// Called when no caller waits for an answer: after commits, for the part
    /// that is due, and with `idle` for all of it, when nothing has been
    /// committed for a while or before the ledger is read again.
    ///
    /// # Errors
    /// When the storage cannot be read or written. Nothing is lost.
    fn maintain(&mut self, _idle: bool) -> Result<(), StoreError> {
        Ok(())
    }

    /// Whether a commit costs nothing worth waiting for, because nothing
    /// survives the process anyway.
    fn is_volatile(&self) -> bool {
        false
    }
}

/// One event of the past: whose, by which version of it, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past<'a> {
    /// Whose part of the ledger changed.
    pub driver: &'a DriverName,
    /// Of the version that served then.
    pub digest: Option<Digest>,
    /// What changed, when, and on whose account.
    pub record: &'a Record,
}

/// A snapshot: what was durable at one moment.
pub trait View: Send {
    /// All drivers that something is stored of.
    ///
    /// # Errors
    /// When the storage cannot be read, or holds what cannot be.
    fn drivers(&self) -> Result<Vec<DriverName>, StoreError>;

    /// One driver's part, as [`Store::load`] reads it.
    ///
    /// # Errors
    /// When the storage cannot be read, or holds what cannot be.
    fn load(&self, driver: &DriverName) -> Result<State, StoreError>;

    /// Shows the events that are kept, oldest first, until `visit` has enough.
    ///
    /// # Errors
    /// When the storage cannot be read, or holds what cannot be.
    fn history(&self, visit: &mut dyn FnMut(Past<'_>) -> ControlFlow<()>)
    -> Result<(), StoreError>;

    /// Writes all of it into a new file, which opens as a ledger.
    ///
    /// # Errors
    /// When the file is there already or cannot be written.
    fn backup(&self, to: &Path) -> Result<(), StoreError>;
}

/// The ledger of a process: it never fails, and ends with it. It keeps no
/// history.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    parts: BTreeMap<DriverName, State>,
    notes: BTreeMap<String, String>,
}

impl Store for MemoryStore {
    fn load(&mut self, driver: &DriverName) -> Result<State, StoreError> {
        View::load(self, driver)
    }

    fn commit(&mut self, changes: &[Changes]) -> Result<bool, StoreError> {
        for Changes { driver, records } in changes {
            if !self.parts.contains_key(driver) {
                self.parts.insert(driver.clone(), State::default());
            }
            if let Some(part) = self.parts.get_mut(driver) {
                records.iter().for_each(|record| part.apply(&record.event));
            }
        }
        Ok(false)
    }

    fn view(&mut self) -> Result<Box<dyn View>, StoreError> {
        Ok(Box::new(self.clone()))
    }

    fn note(&mut self, name: &str) -> Result<Option<String>, StoreError> {
        Ok(self.notes.get(name).cloned())
    }

    fn set_note(&mut self, name: &str, text: &str) -> Result<(), StoreError> {
        self.notes.insert(name.to_owned(), text.to_owned());
        Ok(())
    }

    fn is_volatile(&self) -> bool {
        true
    }
}

impl View for MemoryStore {
    fn drivers(&self) -> Result<Vec<DriverName>, StoreError> {
        Ok(self.parts.keys().cloned().collect())
    }

    fn load(&self, driver: &DriverName) -> Result<State, StoreError> {
        Ok(self.parts.get(driver).cloned().unwrap_or_default())
    }

    fn history(&self, _: &mut dyn FnMut(Past<'_>) -> ControlFlow<()>) -> Result<(), StoreError> {
        Ok(())
    }

    fn backup(&self, _: &Path) -> Result<(), StoreError> {
        Err(StoreError::new("this ledger lives in memory: there is nothing to keep"))
    }
}
