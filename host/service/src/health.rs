//! Whether a driver serves, and since when not; for operators.

use crate::{lock, worker::now};
use ipam_ledger::Time;
use std::sync::Mutex;

/// How one driver is. Written by its thread, read by whoever asks.
#[derive(Default)]
pub(crate) struct Health(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    trouble: Option<Trouble>,
    restarts: u64,
}

/// Why a driver does not serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Since when.
    pub since: Time,
    /// What happened last; for the operator, never for a caller.
    pub reason: String,
}

impl Health {
    pub(crate) fn failed(&self, reason: &str) {
        let mut inner = lock(&self.0);
        let since = inner.trouble.take().map_or_else(now, |trouble| trouble.since);
        inner.trouble = Some(Trouble { since, reason: reason.to_owned() });
    }

    /// A new instance serves.
    pub(crate) fn serves(&self) {
        let mut inner = lock(&self.0);
        inner.trouble = None;
        inner.restarts += 1;
    }

    /// What is wrong now, and how often a new instance was built.
    pub(crate) fn report(&self) -> (Option<Trouble>, u64) {
        let inner = lock(&self.0);
        (inner.trouble.clone(), inner.restarts)
    }
}
