//! Work on a driver's thread that somebody waits for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

/// Why work on a driver's thread was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotDone {
    /// The thread is gone.
    Gone,
    /// The thread did not come to it in time, and never will.
    Late,
}

/// The right to do some work and answer with a `T`. Dropped, it says that the work
/// will not be done.
pub(crate) struct Ticket<T> {
    is_claimed: Arc<AtomicBool>,
    sender: mpsc::SyncSender<T>,
}

/// The other end of a [`Ticket`].
pub(crate) struct Waiting<T> {
    is_claimed: Arc<AtomicBool>,
    receiver: mpsc::Receiver<T>,
}

impl<T> Ticket<T> {
    pub(crate) fn new() -> (Self, Waiting<T>) {
        let is_claimed = Arc::new(AtomicBool::new(false));
        let (sender, receiver) = mpsc::sync_channel(1);
        (Self { is_claimed: is_claimed.clone(), sender }, Waiting { is_claimed, receiver })
    }

    /// Does the work and answers, unless who waited gave up before it began.
    pub(crate) fn run(self, work: impl FnOnce() -> T) {
        if !self.is_claimed.swap(true, Ordering::AcqRel) {
            // Perhaps nobody waits any more.
            drop(self.sender.send(work()));
        }
    }
}

impl<T> Waiting<T> {
    /// Waits until the work is done. Work that did not begin within `patience`
    /// never will; work that began is waited for. So the caller always knows.
    pub(crate) fn wait(self, patience: Duration) -> Result<T, NotDone> {
        match self.receiver.recv_timeout(patience) {
            Ok(done) => Ok(done),
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(NotDone::Gone),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                if self.is_claimed.swap(true, Ordering::AcqRel) {
                    self.receiver.recv().map_err(|_| NotDone::Gone)
                } else {
                    Err(NotDone::Late)
                }
            }
        }
    }

    /// Waits for no longer than `patience`, whether the work began or not.
    pub(crate) fn wait_at_most(self, patience: Duration) -> Result<T, NotDone> {
        self.receiver.recv_timeout(patience).map_err(|error| match error {
            mpsc::RecvTimeoutError::Disconnected => NotDone::Gone,
            mpsc::RecvTimeoutError::Timeout => NotDone::Late,
        })
    }
}
