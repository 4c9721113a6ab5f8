//! What one driver has staged and is not durable yet.

use crate::{error::ledger_failed, panics::quietly, sync::lock};
use ipam_api::{DriverName, Failure, Reply, Served};
use ipam_ledger::Record;
use std::{
    mem,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    task::Waker,
};

/// A batch: the changes of a driver, and the answers that rest on them.
#[derive(Default)]
pub(crate) struct Staged {
    pub(crate) records: Vec<Record>,
    pub(crate) replies: Vec<(Reply, Result<Served, Failure>)>,
    /// Answers to who inspected the state: sent if the batch becomes durable, else
    /// dropped.
    pub(crate) inspections: Vec<Box<dyn FnOnce() + Send>>,
}

impl Staged {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.replies.is_empty() && self.inspections.is_empty()
    }
}

/// The batches of one driver whose commit is under way.
pub(crate) struct Pending {
    pub(super) driver: DriverName,
    /// Wakes the driver's thread when a commit has failed.
    waker: Waker,
    inner: Mutex<Inner>,
    finished: Condvar,
}

#[derive(Default)]
pub(super) struct Inner {
    pub(super) batches: usize,
    /// Set by the first commit that fails. Whatever was staged after it rests on
    /// changes that never became durable, and fails as well, until the driver's
    /// thread has read the ledger again.
    pub(super) has_failed: bool,
    /// The records of the batches that failed, in order.
    failed: Vec<Record>,
}

impl Pending {
    pub(crate) fn new(driver: DriverName, waker: Waker) -> Self {
        Self { driver, waker, inner: Mutex::default(), finished: Condvar::new() }
    }

    /// Whether a commit failed since [`Pending::resume`].
    pub(crate) fn has_failed(&self) -> bool {
        self.inner().has_failed
    }

    /// Whether a commit is under way.
    pub(crate) fn any(&self) -> bool {
        self.inner().batches > 0
    }

    /// Waits until no commit is under way.
    pub(crate) fn wait(&self) {
        drop(self.wait_below(1));
    }

    /// Waits until no commit is under way, and takes the records that failed.
    pub(crate) fn drain(&self) -> Vec<Record> {
        mem::take(&mut self.wait_below(1).failed)
    }

    /// The ledger was read again: what is staged from now on rests on that.
    pub(crate) fn resume(&self) {
        self.inner().has_failed = false;
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    /// Waits until fewer than `batches` are under way.
    pub(super) fn wait_below(&self, batches: usize) -> MutexGuard<'_, Inner> {
        self.finished
            .wait_while(self.inner(), |inner| inner.batches >= batches)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// One batch less is under way.
    pub(super) fn finish_one(&self) {
        let mut inner = self.inner();
        inner.batches -= 1;
        let has_failed = inner.has_failed;
        drop(inner);
        self.finished.notify_all();
        if has_failed {
            self.waker.wake_by_ref();
        }
    }

    /// Answers what was staged, or fails it.
    pub(super) fn complete(&self, staged: Staged, outcome: Result<(), ()>) {
        if outcome.is_err() {
            let mut inner = self.inner();
            inner.has_failed = true;
            inner.failed.extend(staged.records);
        }
        let inspections = if outcome.is_ok() { staged.inspections } else { Vec::new() };
        for (reply, answer) in staged.replies {
            self.answer(reply, outcome.map_or_else(|()| Err(ledger_failed()), |()| answer));
        }
        inspections.into_iter().for_each(|answer| answer());
    }

    /// Answers one request.
    pub(crate) fn answer(&self, reply: Reply, answer: Result<Served, Failure>) {
        if let Err(reason) = quietly(|| reply(answer)) {
            tracing::error!(driver = %self.driver, reason, "the receiver of an answer panicked");
        }
    }
}
