//! Makes durable what was staged, and answers.
//!
//! Group commit with a leader: a driver's thread commits what it staged when
//! nobody else is committing and nothing else waits for it, since there is nobody
//! to share a sync with then and two wake-ups would cost as much as it. Else it
//! hands over to one thread, which folds what several drivers staged into one
//! transaction, and goes on serving. A volatile store is always written by the
//! drivers' threads: there is no sync to share.

use crate::{
    Limits,
    handle::unavailable,
    instance::{guard, quietly},
    lock,
    queue::Queue,
};
use ipam_api::{DriverName, Failure, Reply, Served};
use ipam_ledger::{Changes, Record, State, Store, StoreError, View};
use std::{
    io, mem,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// What a driver's thread computed and nobody has heard of.
#[derive(Default)]
pub(crate) struct Staged {
    pub(crate) records: Vec<Record>,
    pub(crate) replies: Vec<(Reply, Result<Served, Failure>)>,
    /// Who is told what was seen, if all of it comes to be.
    pub(crate) looks: Vec<Box<dyn FnOnce() + Send>>,
}

impl Staged {
    fn is_empty(&self) -> bool {
        self.records.is_empty() && self.replies.is_empty() && self.looks.is_empty()
    }
}

/// What one driver has staged and is not yet durable.
pub(crate) struct Flight {
    driver: DriverName,
    queue: Arc<Queue>,
    inner: Mutex<InFlight>,
    landed: Condvar,
}

#[derive(Default)]
struct InFlight {
    batches: usize,
    /// Set by the first commit that fails. All that was staged after it rests
    /// on what never came to be, and fails as well, until the driver's thread
    /// has read the ledger again.
    has_failed: bool,
    failed: Vec<Record>,
}

impl Flight {
    pub(crate) fn new(driver: DriverName, queue: Arc<Queue>) -> Self {
        Self { driver, queue, inner: Mutex::default(), landed: Condvar::new() }
    }

    pub(crate) fn has_failed(&self) -> bool {
        lock(&self.inner).has_failed
    }

    /// Waits until nothing is in flight, and takes the records that failed.
    pub(crate) fn settle(&self) -> Vec<Record> {
        let mut inner = self.wait_below(1);
        mem::take(&mut inner.failed)
    }

    /// Waits until nothing is in flight.
    pub(crate) fn land_all(&self) {
        drop(self.wait_below(1));
    }

    /// Whether something is in flight.
    pub(crate) fn is_flying(&self) -> bool {
        lock(&self.inner).batches > 0
    }

    /// The ledger was read again: what is staged now rests on it.
    pub(crate) fn resume(&self) {
        lock(&self.inner).has_failed = false;
    }

    fn wait_below(&self, batches: usize) -> MutexGuard<'_, InFlight> {
        self.landed
            .wait_while(lock(&self.inner), |inner| inner.batches >= batches)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// One batch less is in flight.
    fn landed(&self) {
        let mut inner = lock(&self.inner);
        inner.batches -= 1;
        let has_failed = inner.has_failed;
        drop(inner);
        self.landed.notify_all();
        if has_failed {
            self.queue.nudge();
        }
    }

    /// Answers, or fails, what was staged.
    fn land(&self, staged: Staged, outcome: Result<(), ()>) {
        if outcome.is_err() {
            let mut inner = lock(&self.inner);
            inner.has_failed = true;
            inner.failed.extend(staged.records);
        }
        let looks = if outcome.is_ok() { staged.looks } else { Vec::new() };
        for (reply, answer) in staged.replies {
            self.answer(reply, outcome.map_or_else(|()| Err(ledger_failed()), |()| answer));
        }
        looks.into_iter().for_each(|say| say());
    }

    /// Answers one request.
    pub(crate) fn answer(&self, reply: Reply, answer: Result<Served, Failure>) {
        if let Err(reason) = quietly(|| reply(answer)) {
            tracing::error!(driver = %self.driver, reason, "an answer's receiver failed");
        }
    }
}

/// What everybody is told whose request the store lost.
pub(crate) fn ledger_failed() -> Failure {
    unavailable("the ledger cannot be written now")
}

enum Message {
    Staged(Arc<Flight>, Staged),
    /// Somebody else committed.
    Committed,
    Stop,
}

/// What the committer's thread shares with others.
struct Shared {
    store: Mutex<Box<dyn Store>>,
    /// Whether somebody else committed since the thread last looked, so that the
    /// store is not idle.
    is_busy: AtomicBool,
}

/// The one writer of the store.
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

    /// The store, for whoever reads the ledger again.
    pub(crate) fn store(&self) -> MutexGuard<'_, Box<dyn Store>> {
        lock(&self.shared.store)
    }

    /// Takes over what a driver's thread staged. Waits while too much of the
    /// same driver waits already.
    pub(crate) fn submit(&self, flight: &Arc<Flight>, mut staged: Staged) {
        if staged.is_empty() {
            return;
        }
        let Some(sender) = &self.sender else {
            let outcome = self.commit_inline(flight, &mut staged);
            return flight.land(staged, outcome);
        };
        let mut in_flight = flight.wait_below(self.staged_batches_max);
        if staged.records.is_empty() && in_flight.batches == 0 && !in_flight.has_failed {
            drop(in_flight);
            return flight.land(staged, Ok(()));
        }
        in_flight.batches += 1;
        drop(in_flight);
        let sent = sender.send(Message::Staged(flight.clone(), staged));
        if let Err(mpsc::SendError(Message::Staged(flight, staged))) = sent {
            flight.land(staged, Err(()));
            flight.landed();
        }
    }

    /// Leave to commit on the calling thread, if nobody else is committing and
    /// nothing of this driver is under way, which would have to come first.
    pub(crate) fn try_lead<'a>(&'a self, flight: &Arc<Flight>) -> Option<Lead<'a>> {
        self.sender.as_ref()?;
        let store = match self.shared.store.try_lock() {
            Ok(store) => store,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let mut in_flight = lock(&flight.inner);
        if in_flight.batches > 0 || in_flight.has_failed {
            return None;
        }
        in_flight.batches = 1;
        Some(Lead { committer: self, store, flight: flight.clone() })
    }

    /// Somebody else than the thread committed. Maintenance of the store stays the
    /// thread's, and a driver's thread can go on serving. Waking it costs about as
    /// much as a short commit, so it is woken if the store has asked for it, and
    /// for the first commit after a pause, from which on it waits for the next.
    fn committed(&self, is_due: bool) {
        let was_busy = self.shared.is_busy.swap(true, Ordering::AcqRel);
        if let Some(sender) = self.sender.as_ref().filter(|_| is_due || !was_busy) {
            // A thread that is gone has closed the store as well.
            drop(sender.send(Message::Committed));
        }
    }

    /// Commits what is under way, ends the thread and closes the store, whoever
    /// still has the service: an orderly end leaves a ledger that says so.
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

    fn commit_inline(&self, flight: &Flight, staged: &mut Staged) -> Result<(), ()> {
        if staged.records.is_empty() {
            return if flight.has_failed() { Err(()) } else { Ok(()) };
        }
        commit_one(&mut **self.store(), flight, staged).map(|_| ())
    }
}

/// The store, for one commit of one driver on the calling thread.
pub(crate) struct Lead<'a> {
    committer: &'a Committer,
    store: MutexGuard<'a, Box<dyn Store>>,
    /// Counts one batch as in flight, so that what comes later follows.
    flight: Arc<Flight>,
}

impl Lead<'_> {
    /// Commits what was staged, and answers.
    pub(crate) fn commit(mut self, mut staged: Staged) {
        let outcome = commit_one(&mut **self.store, &self.flight, &mut staged);
        drop(self.store);
        self.flight.land(staged, outcome.map(|_| ()));
        self.flight.landed();
        self.committer.committed(outcome == Ok(true));
    }
}

/// What is there after the end.
struct Closed;

impl Closed {
    fn refuse<T>() -> Result<T, StoreError> {
        Err(StoreError::new("the service has ended"))
    }
}

impl Store for Closed {
    fn load(&mut self, _: &DriverName) -> Result<State, StoreError> {
        Self::refuse()
    }

    fn commit(&mut self, _: &[Changes]) -> Result<bool, StoreError> {
        Self::refuse()
    }

    fn view(&mut self) -> Result<Box<dyn View>, StoreError> {
        Self::refuse()
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
                maintain_or_tell(store, true);
                continue;
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
        };
        is_maintained = false;
        let mut batches = Vec::new();
        for message in std::iter::once(first).chain(receiver.try_iter()) {
            match message {
                Message::Staged(flight, staged) => batches.push((flight, staged)),
                Message::Committed => {}
                Message::Stop => is_stopped = true,
            }
        }
        commit_together(store, batches);
        maintain_or_tell(store, false);
    }
}

/// One transaction for all that waits, but for what follows a failed commit
/// of the same driver.
fn commit_together(store: &Mutex<Box<dyn Store>>, batches: Vec<(Arc<Flight>, Staged)>) {
    // Also for what changes nothing: it may rest on what somebody else commits
    // at this moment, and whether that failed is known when the store is free.
    let mut store = lock(store);
    let (mut sound, doomed): (Vec<_>, Vec<_>) =
        batches.into_iter().partition(|(flight, _)| !flight.has_failed());
    let changes: Vec<Changes> = sound
        .iter_mut()
        .filter(|(_, staged)| !staged.records.is_empty())
        .map(|(flight, staged)| Changes {
            driver: flight.driver.clone(),
            records: mem::take(&mut staged.records),
        })
        .collect();
    let outcome =
        if changes.is_empty() { Ok(()) } else { commit(&mut **store, &changes).map(|_| ()) };
    drop(store);
    if outcome.is_err() {
        // Each gets back what it had, to keep what must not be lost.
        let mut changes = changes.into_iter().peekable();
        for (flight, staged) in &mut sound {
            if let Some(own) = changes.next_if(|own| own.driver == flight.driver) {
                staged.records = own.records;
            }
        }
    }
    let landings = sound.into_iter().map(|batch| (batch, outcome));
    for ((flight, staged), outcome) in landings.chain(doomed.into_iter().map(|b| (b, Err(())))) {
        flight.land(staged, outcome);
        flight.landed();
    }
}

/// Commits what one driver staged, and returns whether maintenance is due.
fn commit_one(store: &mut dyn Store, flight: &Flight, staged: &mut Staged) -> Result<bool, ()> {
    let records = mem::take(&mut staged.records);
    let changes = Changes { driver: flight.driver.clone(), records };
    let outcome = commit(store, std::slice::from_ref(&changes));
    staged.records = changes.records;
    if outcome.is_err() {
        // Before the next has the store: it may rest on this.
        lock(&flight.inner).has_failed = true;
    }
    outcome
}

/// Has the store do what is better done when nobody waits.
fn maintain_or_tell(store: &Mutex<Box<dyn Store>>, idle: bool) {
    if let Err(error) = maintain(&mut **lock(store), idle) {
        tracing::error!(%error, "maintenance of the ledger failed");
    }
}

/// A panicking store is a failing one.
fn guarded<T>(run: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    guard(|| Ok(run())).unwrap_or_else(|panic| Err(StoreError::new(panic.to_string())))
}

/// Has the store do what it left for later.
pub(crate) fn maintain(store: &mut dyn Store, idle: bool) -> Result<(), StoreError> {
    guarded(|| store.maintain(idle))
}

/// Reads one driver's part.
pub(crate) fn load(store: &mut dyn Store, driver: &DriverName) -> Result<State, StoreError> {
    guarded(|| store.load(driver))
}

/// Commits, and tells the operator when that fails. Returns whether maintenance
/// is due.
pub(crate) fn commit(store: &mut dyn Store, changes: &[Changes]) -> Result<bool, ()> {
    guarded(|| store.commit(changes)).map_err(|error| {
        tracing::error!(error = %error, "the ledger cannot be written");
    })
}
