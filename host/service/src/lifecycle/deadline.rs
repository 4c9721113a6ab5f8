//! When an instance that is being started must give up.

use super::{shutdown::Shutdown, start_error::StartError};
use crate::Limits;
use ipam_api::Factory;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// How many callers wait for a driver's thread and must not wait for a restart.
#[derive(Debug, Default)]
pub(crate) struct Waiters(AtomicUsize);

impl Waiters {
    /// Counts the caller while it waits in `wait`.
    pub(crate) fn count<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.0.fetch_add(1, Ordering::AcqRel);
        let waited = wait();
        self.0.fetch_sub(1, Ordering::AcqRel);
        waited
    }

    /// Whether anybody waits.
    pub(crate) fn any(&self) -> bool {
        self.0.load(Ordering::Acquire) > 0
    }
}

/// How long an instance may take to start, checked between two calls.
#[derive(Clone)]
pub(crate) struct Deadline {
    budget: Duration,
    /// Nothing if no clock reaches it.
    ends: Option<Instant>,
    shutdown: Arc<Shutdown>,
    /// Of the driver's own thread, which an upgrade may need.
    waiters: Option<Arc<Waiters>>,
}

impl Deadline {
    /// From now on, for what `factory` makes.
    pub(crate) fn new(factory: &dyn Factory, limits: &Limits, shutdown: &Arc<Shutdown>) -> Self {
        let budget = factory.replay_time().unwrap_or(limits.replay_time);
        let ends = Instant::now().checked_add(budget);
        Self { budget, ends, shutdown: shutdown.clone(), waiters: None }
    }

    /// Not later than `ends`, whatever its own budget is.
    pub(crate) fn by(mut self, ends: Option<Instant>) -> Self {
        self.ends = self.ends.into_iter().chain(ends).min();
        self
    }

    /// On the driver's own thread: gives up when somebody waits for it.
    pub(crate) fn unless_wanted(mut self, waiters: &Arc<Waiters>) -> Self {
        self.waiters = Some(waiters.clone());
        self
    }

    /// Whether the start may continue.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        if self.shutdown.is_begun() {
            return Err(StartError::ShuttingDown);
        }
        if self.waiters.as_ref().is_some_and(|waiters| waiters.any()) {
            return Err(StartError::Interrupted);
        }
        match self.ends {
            Some(ends) if Instant::now() >= ends => Err(StartError::TooSlow(self.budget)),
            _ => Ok(()),
        }
    }
}
