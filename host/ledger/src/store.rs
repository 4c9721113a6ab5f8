//! Where events become durable: the seam between the ledger and its medium.

use crate::{Event, State};
use ipam_api::DriverName;
use std::{collections::BTreeMap, error::Error};

/// What one transaction changes in one driver's part of the ledger.
#[derive(Debug, Clone)]
pub struct Changes {
    /// Whose part.
    pub driver: DriverName,
    /// In the order in which they were applied, never empty.
    pub events: Vec<Event>,
}

/// The store failed; for the operator, with its chain of sources.
#[derive(Debug, thiserror::Error)]
#[error("the ledger's store failed: {0}")]
pub struct StoreError(#[source] Box<dyn Error + Send + Sync>);

impl StoreError {
    /// A failure of the medium.
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
    /// When the medium cannot be read, or holds what cannot be.
    fn load(&mut self, driver: &DriverName) -> Result<State, StoreError>;

    /// Makes all of `changes` durable, or none. There may be several of one
    /// driver; they follow each other. An empty transaction changes nothing
    /// and succeeds only if one that changed something could succeed.
    ///
    /// # Errors
    /// When nothing of it is durable.
    fn commit(&mut self, changes: &[Changes]) -> Result<(), StoreError>;

    /// Whether a commit costs nothing worth waiting for, because nothing
    /// survives the process anyway.
    fn is_volatile(&self) -> bool {
        false
    }
}

/// The ledger of a process: it never fails, and ends with it.
#[derive(Debug, Default)]
pub struct MemoryStore {
    parts: BTreeMap<DriverName, State>,
}

impl Store for MemoryStore {
    fn load(&mut self, driver: &DriverName) -> Result<State, StoreError> {
        Ok(self.parts.get(driver).cloned().unwrap_or_default())
    }

    fn commit(&mut self, changes: &[Changes]) -> Result<(), StoreError> {
        for Changes { driver, events } in changes {
            if !self.parts.contains_key(driver) {
                self.parts.insert(driver.clone(), State::default());
            }
            if let Some(part) = self.parts.get_mut(driver) {
                events.iter().for_each(|event| part.apply(event));
            }
        }
        Ok(())
    }

    fn is_volatile(&self) -> bool {
        true
    }
}
