//! When a driver's next instance comes: after a failure of an instance, or of the
//! store.

use super::{
    backoff::{Backoff, Restarts},
    deadline::{Deadline, Waiters},
    shutdown::{CurrentFactory, Shutdown},
    source::Source,
    start_error::StartError,
};
use crate::{
    Limits,
    commit::{
        commits::Commits,
        store::{commit, load, maintain},
    },
    health::Health,
    meter::Meter,
    serve::processor::{Effects, Processor},
};
use ipam_api::{AddressSpaces, DriverName};
use ipam_ledger::{Changes, StoreError, Version};
use std::{slice, sync::Arc, time::Instant};

/// Brings back what does not work, with pauses that grow, and tells operators how
/// the driver is.
pub(crate) struct Lifecycle {
    pub(crate) name: DriverName,
    pub(crate) spaces: AddressSpaces,
    pub(crate) limits: Limits,
    pub(crate) source: Source,
    pub(crate) current: Arc<CurrentFactory>,
    pub(crate) shutdown: Arc<Shutdown>,
    /// Who waits for the driver's thread and must not wait for a restart.
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) health: Arc<Health>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) restarts: Restarts,
    /// Some while the store fails: nothing is granted.
    pub(crate) store: Option<Backoff>,
}

impl Lifecycle {
    /// Whether the store fails.
    pub(crate) fn is_store_out(&self) -> bool {
        self.store.is_some()
    }

    /// Takes note of what happened to the instance. One that broke is not called
    /// again; the next one comes with [`Lifecycle::recover`].
    pub(crate) fn observe(&mut self, processor: &mut Processor, effects: Effects) {
        let Effects { calls, call_time, memory_bytes, violations, broken } = effects;
        self.meter.called(calls, call_time, memory_bytes);
        self.meter.violated(violations);
        let Some(reason) = broken else { return };
        self.meter.failed();
        let suspended = self.restarts.broke(Instant::now(), &self.limits);
        self.failed(&reason);
        processor.suspend(self.restarts.suspended_until());
        match suspended {
            None => {
                tracing::warn!(
                    driver = %self.name, reason,
                    "the driver failed, and a new instance is started",
                );
            }
            Some(pause) => {
                tracing::error!(
                    driver = %self.name, reason, retry_in = ?pause,
                    "the driver failed repeatedly and is suspended",
                );
            }
        }
    }

    /// Brings back what does not work: the store first, then the instance.
    /// `is_last` tries the store even during a pause, and starts nothing.
    pub(crate) fn recover(&mut self, processor: &mut Processor, commits: &Commits, is_last: bool) {
        if commits.pending.has_failed() && self.store.is_none() {
            self.store_failed(processor);
        }
        if let Some(backoff) = &self.store {
            if !is_last && backoff.left(Instant::now()).is_some() {
                return;
            }
            processor.defer_failed(commits.pending.drain());
            if let Err(error) = self.reload(processor, commits) {
                tracing::error!(
                    driver = %self.name, %error,
                    "nothing is granted until the ledger can be written",
                );
                if let Some(backoff) = &mut self.store {
                    let Limits { backoff_min, backoff_max, .. } = self.limits;
                    backoff.failed(Instant::now(), backoff_min, backoff_max);
                }
                return;
            }
            self.store = None;
        }
        let may_start = !is_last && !self.shutdown.is_begun() && !self.waiters.any();
        if may_start && !processor.is_serving() && self.restarts.are_due(Instant::now()) {
            self.restart(processor, commits);
        }
    }

    /// Reads the ledger as it is durable, and commits what was deferred: before
    /// anything is granted, so that a deferred release cannot hit a younger grant.
    fn reload(&mut self, processor: &mut Processor, commits: &Commits) -> Result<(), StoreError> {
        let mut store = commits.committer.store();
        // Room for one small record is not enough to continue: deferred maintenance
        // needs room as well.
        maintain(&mut **store, true)?;
        let durable = load(&mut **store, &self.name)?;
        let (state, records) = processor.rebased(durable);
        let changes = Changes { driver: self.name.clone(), records };
        // An empty transaction still shows whether the store can be written.
        let changes = if changes.records.is_empty() { &[][..] } else { slice::from_ref(&changes) };
        commit(&mut **store, changes)
            .map_err(|()| StoreError::new("the transaction did not commit"))?;
        drop(store);
        commits.pending.resume();
        processor.resume(state);
        self.record_version(processor);
        Ok(())
    }

    /// Starts an instance from what is durable, never from what a commit under way
    /// will change.
    fn restart(&mut self, processor: &mut Processor, commits: &Commits) {
        if !self.drain(processor, commits) {
            return self.recover(processor, commits, false);
        }
        let began = Instant::now();
        let deadline = Deadline::new(&*self.source.factory, &self.limits, &self.shutdown);
        let deadline = deadline.unless_wanted(&self.waiters);
        match self.source.start_replayed(&self.spaces, processor.state(), &deadline) {
            Ok(instance) => {
                processor.install(instance);
                self.record_version(processor);
                self.restarts.started();
                self.health.serves();
                tracing::info!(driver = %self.name, "the driver serves again");
                self.notify_pending(processor);
            }
            // It is tried again when whoever waits for the thread is done.
            Err(StartError::Interrupted | StartError::ShuttingDown) => {}
            Err(error) => {
                self.start_failed(&error);
                if matches!(error, StartError::TooSlow(_)) {
                    // Releases waited as long: they get as much time now.
                    self.restarts.delay_start(Instant::now(), began.elapsed());
                }
            }
        }
    }

    /// The driver is out of service, and started again later.
    pub(crate) fn start_failed(&mut self, error: &StartError) {
        self.restarts.start_failed(Instant::now(), &self.limits);
        self.failed(&error.to_string());
        tracing::error!(driver = %self.name, %error, "the driver does not serve");
    }

    /// Waits for the commits under way. Returns false if one failed: then nothing
    /// is granted until the store works.
    pub(crate) fn drain(&mut self, processor: &mut Processor, commits: &Commits) -> bool {
        let failed = commits.pending.drain();
        let has_failed = commits.pending.has_failed();
        if has_failed {
            processor.defer_failed(failed);
            self.store_failed(processor);
        }
        !has_failed
    }

    fn store_failed(&mut self, processor: &mut Processor) {
        self.store = Some(Backoff::default());
        processor.remove_instance();
        self.failed("the ledger cannot be written");
    }

    /// Tells operators that the driver does not serve, and until when it is
    /// suspended, if it is.
    fn failed(&self, reason: &str) {
        self.health.failed(reason, self.restarts.suspended_for(Instant::now()));
    }

    /// Notifies the instance of pending releases, for a while.
    pub(crate) fn notify_pending(&mut self, processor: &mut Processor) {
        if !processor.can_notify() {
            return;
        }
        let (outcome, effects) = processor.notify_pending(self.limits.owed_time);
        self.observe(processor, effects);
        if let Err(failure) = outcome {
            self.restarts.start_failed(Instant::now(), &self.limits);
            self.failed(&format!("cannot take a release: {failure}"));
            tracing::error!(
                driver = %self.name, %failure,
                "the driver does not serve: it cannot take a release",
            );
        }
    }

    /// Records which version serves from now on, if it is another.
    pub(crate) fn record_version(&mut self, processor: &mut Processor) {
        let Source { factory, capability, .. } = &self.source;
        self.current.set(factory);
        processor.record_version(Version { digest: factory.digest(), capability: *capability });
    }

    /// Lets the store and the driver be tried once more now, whatever failed
    /// before.
    pub(crate) fn reset(&mut self, processor: &mut Processor) {
        self.forgive(processor);
        if self.store.is_some() {
            self.store = Some(Backoff::default());
        }
    }

    /// Forgets what failed of the driver.
    pub(crate) fn forgive(&mut self, processor: &mut Processor) {
        self.restarts.reset();
        processor.suspend(None);
    }
}
