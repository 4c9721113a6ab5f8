//! Whether a driver serves, and since when it does not; for operators.

use crate::{clock::now, sync::lock};
use ipam_ledger::Time;
use std::{sync::Mutex, time::Duration};

/// The health of one driver. Its thread writes it, anybody may read it.
#[derive(Default)]
pub(crate) struct Health {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    problem: Option<HealthProblem>,
    last_failure: Option<(Time, String)>,
    restarts: u64,
}

/// Why a driver does not serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthProblem {
    /// Since when it does not serve.
    pub since: Time,
    /// The last failure; for the operator, never for a caller.
    pub reason: String,
    /// Until when it is suspended, because it failed again and again.
    pub paused_until: Option<Time>,
}

impl Health {
    /// It does not serve, and is suspended for that long, if it is.
    pub(crate) fn failed(&self, reason: &str, suspended: Option<Duration>) {
        let until = |pause: Duration| {
            Time(now().0.saturating_add(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)))
        };
        let mut inner = lock(&self.inner);
        inner.last_failure = Some((now(), reason.to_owned()));
        let since = inner.problem.take().map_or_else(now, |problem| problem.since);
        let paused_until = suspended.map(until);
        inner.problem = Some(HealthProblem { since, reason: reason.to_owned(), paused_until });
    }

    /// A new instance serves.
    pub(crate) fn serves(&self) {
        let mut inner = lock(&self.inner);
        inner.problem = None;
        inner.restarts += 1;
    }

    /// Why it does not serve now, and how often an instance was started after the
    /// first.
    pub(crate) fn report(&self) -> (Option<HealthProblem>, u64) {
        let inner = lock(&self.inner);
        (inner.problem.clone(), inner.restarts)
    }

    /// When and why it failed last, whether it serves again or not.
    pub(crate) fn last_failure(&self) -> Option<(Time, String)> {
        lock(&self.inner).last_failure.clone()
    }
}
