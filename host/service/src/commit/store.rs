//! The store, which may panic, and what replaces it when the service has ended.

use crate::panics::guard;
use ipam_api::DriverName;
use ipam_ledger::{Changes, State, Store, StoreError, View};

/// Runs the store; a panic is a failure of it.
fn guarded<T>(run: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    guard(|| Ok(run())).unwrap_or_else(|panic| Err(StoreError::new(panic.to_string())))
}

/// Lets the store do its deferred maintenance: all of it if it is idle.
pub(crate) fn maintain(store: &mut dyn Store, idle: bool) -> Result<(), StoreError> {
    guarded(|| store.maintain(idle))
}

/// Reads one driver's part of the ledger.
pub(crate) fn load(store: &mut dyn Store, driver: &DriverName) -> Result<State, StoreError> {
    guarded(|| store.load(driver))
}

/// Commits a transaction, and logs a failure. Returns whether maintenance is due.
pub(crate) fn commit(store: &mut dyn Store, changes: &[Changes]) -> Result<bool, ()> {
    guarded(|| store.commit(changes)).map_err(|error| {
        tracing::error!(error = %error, "the ledger cannot be written");
    })
}

/// The store after the service's end.
pub(super) struct Closed;

impl Closed {
    fn refuse<T>() -> Result<T, StoreError> {
        Err(StoreError::new("the service has ended"))
    }
}

impl Store for Closed {
    fn load(&mut self, _: &DriverName) -> Result<State, StoreError> {
        Self::refuse()
    }

    fn commit(&mut self, _: &[Changes]) -> Result<bool, StoreError> {
        Self::refuse()
    }

    fn view(&mut self) -> Result<Box<dyn View>, StoreError> {
        Self::refuse()
    }
}
