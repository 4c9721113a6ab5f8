//! The committer: the only writer of the store.
//!
//! Group commit with a leader: a driver's thread commits what it staged when
//! nobody else is committing and nothing else waits for it. There is nobody to
//! share a sync with then, and two wake-ups would cost as much as the sync. Else
//! it hands over to the committer's thread, which commits what several drivers
//! staged in one transaction, and continues to serve. A volatile store is always
//! written by the drivers' threads: there is no sync to share.

use super::{
    pending::{Pending, Staged},
    store::{Closed, commit, maintain},
};
use crate::{Limits, panics::quietly, sync::lock};
use ipam_ledger::{Changes, Store};
use std::{
    io, mem,
    sync::{
        Arc, Mutex, MutexGuard, TryLockError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

enum Message {
    Staged(Arc<Pending>, Staged),
    /// Another thread committed.
    Committed,
    Stop,
}

/// What the committer's thread shares with others.
struct Shared {
    store: Mutex<Box<dyn Store>>,
    /// Whether another thread committed since the committer's last checked, so
    /// that the store is not idle.
    is_busy: AtomicBool,
}

/// The only writer of the store.
pub(crate) struct Committer {
    shared: Arc<Shared>,
    staged_batches_max: usize,
    /// To the committer's thread; nothing if the store is volatile.
    sender: Option<mpsc::Sender<Message>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Committer {
    pub(crate) fn new(store: Box<dyn Store>, limits: &Limits) -> io::Result<Self> {
        let is_volatile = store.is_volatile();
        let shared = Arc::new(Shared { store: Mutex::new(store), is_busy: AtomicBool::new(false) });
        let (sender, thread) = if is_volatile {
            (None, None)
        } else {
            let (sender, receiver) = mpsc::channel();
            let shared = shared.clone();
            let thread = thread::Builder::new().name("ipam-committer".into());
            let idle = limits.store_idle;
            (Some(sender), Some(thread.spawn(move || run(&shared, &receiver, idle))?))
        };
        let staged_batches_max = limits.staged_batches_max.max(1);
        Ok(Self { shared, staged_batches_max, sender, thread: Mutex::new(thread) })
    }

    /// The store, to read the ledger.
    pub(crate) fn store(&self) -> MutexGuard<'_, Box<dyn Store>> {
        lock(&self.shared.store)
    }

    /// Takes over a batch. Waits while too many batches of the same driver wait
    /// already.
    pub(crate) fn submit(&self, pending: &Arc<Pending>, mut staged: Staged) {
        if staged.is_empty() {
            return;
        }
        let Some(sender) = &self.sender else {
            let outcome = self.commit_inline(pending, &mut staged);
            return pending.complete(staged, outcome);
        };
        let mut in_flight = pending.wait_below(self.staged_batches_max);
        if staged.records.is_empty() && in_flight.batches == 0 && !in_flight.has_failed {
            drop(in_flight);
            return pending.complete(staged, Ok(()));
        }
        in_flight.batches += 1;
        drop(in_flight);
        let sent = sender.send(Message::Staged(pending.clone(), staged));
        if let Err(mpsc::SendError(Message::Staged(pending, staged))) = sent {
            pending.complete(staged, Err(()));
            pending.finish_one();
        }
    }

    /// The exclusive right to commit one batch on the calling thread: nothing if
    /// somebody else is committing, or a batch of this driver is under way, which
    /// must come first.
    pub(crate) fn try_lead<'a>(&'a self, pending: &Arc<Pending>) -> Option<CommitGuard<'a>> {
        self.sender.as_ref()?;
        let store = match self.shared.store.try_lock() {
            Ok(store) => store,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let mut in_flight = pending.inner();
        if in_flight.batches > 0 || in_flight.has_failed {
            return None;
        }
        in_flight.batches = 1;
        Some(CommitGuard { committer: self, store, pending: pending.clone() })
    }

    /// Tells the committer's thread of a commit on another thread, since it does the
    /// store's maintenance while drivers' threads serve. Waking it costs about as
    /// much as a short commit, so it is woken only if maintenance is due, and for
    /// the first commit after a pause: from then on it waits until the store is
    /// idle.
    fn committed(&self, is_due: bool) {
        let was_busy = self.shared.is_busy.swap(true, Ordering::AcqRel);
        if let Some(sender) = self.sender.as_ref().filter(|_| is_due || !was_busy) {
            // A thread that is gone has closed the store as well.
            drop(sender.send(Message::Committed));
        }
    }

    /// Commits what is under way, ends the thread and closes the store, even if
    /// somebody still has the service: the ledger records that it was closed.
    pub(crate) fn stop(&self) {
        let thread = lock(&self.thread).take();
        if let (Some(sender), Some(thread)) = (&self.sender, thread) {
            // A thread that is gone has nothing left to commit.
            drop(sender.send(Message::Stop));
            drop(thread.join());
        }
        let store = mem::replace(&mut *self.store(), Box::new(Closed));
        if let Err(reason) = quietly(|| drop(store)) {
            tracing::error!(reason, "the ledger was not closed");
        }
    }

    fn commit_inline(&self, pending: &Pending, staged: &mut Staged) -> Result<(), ()> {
        if staged.records.is_empty() {
            return if pending.has_failed() { Err(()) } else { Ok(()) };
        }
        commit_one(&mut **self.store(), pending, staged).map(|_| ())
    }
}

/// The exclusive right to commit one batch of one driver on the calling thread.
pub(crate) struct CommitGuard<'a> {
    committer: &'a Committer,
    store: MutexGuard<'a, Box<dyn Store>>,
    /// Counts one batch as under way, so that what is staged later waits for it.
    pending: Arc<Pending>,
}

impl CommitGuard<'_> {
    /// Commits what was staged, and answers.
    pub(crate) fn commit(mut self, mut staged: Staged) {
        let outcome = commit_one(&mut **self.store, &self.pending, &mut staged);
        drop(self.store);
        self.pending.complete(staged, outcome.map(|_| ()));
        self.pending.finish_one();
        self.committer.committed(outcome == Ok(true));
    }
}

/// The committer's thread.
fn run(shared: &Shared, receiver: &mpsc::Receiver<Message>, idle: Duration) {
    let Shared { store, is_busy } = shared;
    let mut is_stopped = false;
    let mut is_maintained = true;
    while !is_stopped {
        let first = if is_maintained {
            receiver.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected)
        } else {
            receiver.recv_timeout(idle)
        };
        let first = match first {
            Ok(first) => first,
            Err(mpsc::RecvTimeoutError::Timeout) if is_busy.swap(false, Ordering::AcqRel) => {
                continue;
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                is_maintained = true;
                maintain_or_log(store, true);
                continue;
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
        };
        is_maintained = false;
        let mut batches = Vec::new();
        for message in std::iter::once(first).chain(receiver.try_iter()) {
            match message {
                Message::Staged(pending, staged) => batches.push((pending, staged)),
                Message::Committed => {}
                Message::Stop => is_stopped = true,
            }
        }
        commit_together(store, batches);
        maintain_or_log(store, false);
    }
}

/// Commits all batches in one transaction, except for those that follow a failed
/// commit of the same driver.
fn commit_together(store: &Mutex<Box<dyn Store>>, batches: Vec<(Arc<Pending>, Staged)>) {
    // Also for a batch without changes: it may rest on a commit of another thread,
    // and whether that failed is known when the store is free.
    let mut store = lock(store);
    let (mut sound, doomed): (Vec<_>, Vec<_>) =
        batches.into_iter().partition(|(pending, _)| !pending.has_failed());
    let changes: Vec<Changes> = sound
        .iter_mut()
        .filter(|(_, staged)| !staged.records.is_empty())
        .map(|(pending, staged)| Changes {
            driver: pending.driver.clone(),
            records: mem::take(&mut staged.records),
        })
        .collect();
    let outcome =
        if changes.is_empty() { Ok(()) } else { commit(&mut **store, &changes).map(|_| ()) };
    drop(store);
    if outcome.is_err() {
        // Each driver defers what must not be lost.
        let mut changes = changes.into_iter().peekable();
        for (pending, staged) in &mut sound {
            if let Some(own) = changes.next_if(|own| own.driver == pending.driver) {
                staged.records = own.records;
            }
        }
    }
    let outcomes = sound.into_iter().map(|batch| (batch, outcome));
    for ((pending, staged), outcome) in outcomes.chain(doomed.into_iter().map(|b| (b, Err(())))) {
        pending.complete(staged, outcome);
        pending.finish_one();
    }
}

/// Commits what one driver staged, and returns whether maintenance is due.
fn commit_one(store: &mut dyn Store, pending: &Pending, staged: &mut Staged) -> Result<bool, ()> {
    let records = mem::take(&mut staged.records);
    let changes = Changes { driver: pending.driver.clone(), records };
    let outcome = commit(store, std::slice::from_ref(&changes));
    staged.records = changes.records;
    if outcome.is_err() {
        // Before the store is free: the next batch may rest on this one.
        pending.inner().has_failed = true;
    }
    outcome
}

/// Lets the store do its deferred maintenance, and logs a failure.
fn maintain_or_log(store: &Mutex<Box<dyn Store>>, idle: bool) {
    if let Err(error) = maintain(&mut **lock(store), idle) {
        tracing::error!(%error, "maintenance of the ledger failed");
    }
}
