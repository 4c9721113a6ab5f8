//! One driver's way to the committer.

use super::{
    committer::Committer,
    pending::{Pending, Staged},
};
use ipam_api::{Failure, Reply, Served};
use ipam_ledger::{Record, Store};
use std::sync::{Arc, MutexGuard};

/// The committer, for the thread of one driver.
pub(crate) struct Commits {
    committer: Arc<Committer>,
    pending: Arc<Pending>,
}

impl Commits {
    pub(crate) fn new(committer: Arc<Committer>, pending: Arc<Pending>) -> Self {
        Self { committer, pending }
    }

    /// Hands a batch over to the committer. Waits while too many batches of this
    /// driver wait already.
    pub(crate) fn submit(&self, staged: Staged) {
        self.committer.submit(&self.pending, staged);
    }

    /// Commits a batch on the calling thread if nobody else is committing, which
    /// saves two wake-ups; else hands it over.
    pub(crate) fn lead_or_submit(&self, staged: Staged) {
        match self.committer.try_lead(&self.pending) {
            Some(guard) => guard.commit(staged),
            None => self.submit(staged),
        }
    }

    /// Answers a request that rests on nothing that is under way.
    pub(crate) fn answer(&self, reply: Reply, answer: Result<Served, Failure>) {
        self.pending.answer(reply, answer);
    }

    /// Whether a commit failed since [`Commits::resume`].
    pub(crate) fn has_failed(&self) -> bool {
        self.pending.has_failed()
    }

    /// Waits until no commit is under way.
    pub(crate) fn wait(&self) {
        self.pending.wait();
    }

    /// Waits until no commit is under way, and takes the records that failed.
    pub(crate) fn drain(&self) -> Vec<Record> {
        self.pending.drain()
    }

    /// The store, to read the ledger again.
    pub(crate) fn store(&self) -> MutexGuard<'_, Box<dyn Store>> {
        self.committer.store()
    }

    /// The ledger was read again: what is staged from now on rests on that.
    pub(crate) fn resume(&self) {
        self.pending.resume();
    }
}
