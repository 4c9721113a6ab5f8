//! The service's end, and what else sets a time to a stranger's code.

use crate::{Limits, lock, queue::Queue, rebuild::Unfit};
use ipam_api::Factory;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

/// How far the service's end has come. It never goes back.
#[derive(Debug, Default)]
pub(crate) struct Ending(AtomicU8);

impl Ending {
    /// Nothing comes alive any more; what serves goes on.
    const NOTHING_NEW: u8 = 1;
    /// Nothing is granted any more either.
    const NO_GRANTS: u8 = 2;

    pub(crate) fn nothing_new(&self) {
        self.0.fetch_max(Self::NOTHING_NEW, Ordering::AcqRel);
    }

    pub(crate) fn no_grants(&self) {
        self.0.fetch_max(Self::NO_GRANTS, Ordering::AcqRel);
    }

    pub(crate) fn is_begun(&self) -> bool {
        self.0.load(Ordering::Acquire) >= Self::NOTHING_NEW
    }

    pub(crate) fn grants_nothing(&self) -> bool {
        self.0.load(Ordering::Acquire) >= Self::NO_GRANTS
    }
}

/// Which factory made what serves now, for whoever has to stop it.
pub(crate) struct Running(Mutex<Arc<dyn Factory>>);

impl Running {
    pub(crate) fn new(factory: &Arc<dyn Factory>) -> Self {
        Self(Mutex::new(factory.clone()))
    }

    pub(crate) fn set(&self, factory: &Arc<dyn Factory>) {
        *lock(&self.0) = factory.clone();
    }

    pub(crate) fn get(&self) -> Arc<dyn Factory> {
        lock(&self.0).clone()
    }
}

/// How long an instance may take to come alive, looked at between two calls.
#[derive(Clone)]
pub(crate) struct Pace {
    budget: Duration,
    /// Nothing if no clock reaches it.
    ends: Option<Instant>,
    ending: Arc<Ending>,
    /// Of the driver whose thread this is: somebody may want it more urgently.
    queue: Option<Arc<Queue>>,
}

impl Pace {
    /// From now on, for what `factory` makes.
    pub(crate) fn new(factory: &dyn Factory, limits: &Limits, ending: &Arc<Ending>) -> Self {
        let budget = factory.replay_time().unwrap_or(limits.replay_time);
        let ends = Instant::now().checked_add(budget);
        Self { budget, ends, ending: ending.clone(), queue: None }
    }

    /// No longer than until then, whatever its own budget is.
    pub(crate) fn by(mut self, ends: Option<Instant>) -> Self {
        self.ends = self.ends.into_iter().chain(ends).min();
        self
    }

    /// On the driver's own thread, which gives way to an upgrade.
    pub(crate) fn giving_way(mut self, queue: &Arc<Queue>) -> Self {
        self.queue = Some(queue.clone());
        self
    }

    /// Whether the next entry may be shown.
    pub(crate) fn check(&self) -> Result<(), Unfit> {
        if self.ending.is_begun() {
            return Err(Unfit::Ending);
        }
        if self.queue.as_ref().is_some_and(|queue| queue.is_wanted()) {
            return Err(Unfit::GaveWay);
        }
        match self.ends {
            Some(ends) if Instant::now() >= ends => Err(Unfit::TooSlow(self.budget)),
            _ => Ok(()),
        }
    }
}
