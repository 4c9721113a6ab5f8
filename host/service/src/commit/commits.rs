//! One driver's way to the committer.

use super::{
    committer::Committer,
    pending::{Pending, Staged},
};
use std::sync::Arc;

/// The committer, for the thread of one driver.
pub(crate) struct Commits {
    pub(crate) committer: Arc<Committer>,
    pub(crate) pending: Arc<Pending>,
}

impl Commits {
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
}
