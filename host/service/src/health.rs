//! Whether a driver serves, and since when not; for operators.

use crate::{lock, meter::Meter, worker::now};
use ipam_ledger::Time;
use std::{sync::Mutex, time::Duration};

/// How one driver is. Written by its thread, read by whoever asks.
#[derive(Default)]
pub(crate) struct Health {
    inner: Mutex<Inner>,
    pub(crate) meter: Meter,
}

#[derive(Default)]
struct Inner {
    trouble: Option<Trouble>,
    last_failure: Option<(Time, String)>,
    restarts: u64,
}

/// Why a driver does not serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Since when.
    pub since: Time,
    /// What happened last; for the operator, never for a caller.
    pub reason: String,
    /// Until when it is left alone, because it failed again and again.
    pub paused_until: Option<Time>,
}

impl Health {
    pub(crate) fn failed(&self, reason: &str) {
        let mut inner = lock(&self.inner);
        inner.last_failure = Some((now(), reason.to_owned()));
        let since = inner.trouble.take().map_or_else(now, |trouble| trouble.since);
        inner.trouble = Some(Trouble { since, reason: reason.to_owned(), paused_until: None });
    }

    /// It is left alone for so long.
    pub(crate) fn paused(&self, pause: Duration) {
        let ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        if let Some(trouble) = &mut lock(&self.inner).trouble {
            trouble.paused_until = Some(Time(now().0.saturating_add(ms)));
        }
    }

    /// A new instance serves.
    pub(crate) fn serves(&self) {
        let mut inner = lock(&self.inner);
        inner.trouble = None;
        inner.restarts += 1;
    }

    /// What is wrong now, and how often a new instance was built.
    pub(crate) fn report(&self) -> (Option<Trouble>, u64) {
        let inner = lock(&self.inner);
        (inner.trouble.clone(), inner.restarts)
    }

    /// When it failed last, and how, whether it serves again or not.
    pub(crate) fn last_failure(&self) -> Option<(Time, String)> {
        lock(&self.inner).last_failure.clone()
    }
}
