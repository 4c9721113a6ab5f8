//! A new version of a driver, from its first instance to the swap.
//!
//! It is shown the ledger as it was at one moment, then every event since,
//! until few enough are left; then the driver's thread, between two requests,
//! waits for its commits, tells the rest, and swaps.

use crate::{
    UpgradeError,
    breaker::Breaker,
    ending::Pace,
    instance::Instance,
    lock,
    outage::Outage,
    queue::{NotDone, Queue},
    rebuild::{Source, Unfit, tell},
    worker::Worker,
};
use ipam_api::{AddressSpaces, DriverName, Stored};
use ipam_ledger::{Event, Record, Replay, State};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// Every event since a snapshot was taken.
pub(crate) struct Tail {
    inner: Mutex<Inner>,
    /// [`Limits::upgrade_events_max`](crate::Limits::upgrade_events_max).
    events_max: usize,
}

#[derive(Default)]
struct Inner {
    events: Vec<Record>,
    is_cut: bool,
}

impl Tail {
    fn new(events_max: usize) -> Self {
        Self { inner: Mutex::default(), events_max }
    }

    pub(crate) fn push(&self, event: Record) {
        let mut inner = lock(&self.inner);
        inner.is_cut |= inner.events.len() >= self.events_max;
        if !inner.is_cut {
            inner.events.push(event);
        }
    }

    /// What was told before may never have come to be.
    pub(crate) fn cut(&self) {
        lock(&self.inner).is_cut = true;
    }

    fn take(&self) -> Result<Vec<Record>, Hitch> {
        let mut inner = lock(&self.inner);
        if inner.is_cut {
            return Err(Hitch::Cut);
        }
        Ok(std::mem::take(&mut inner.events))
    }
}

/// What came between.
#[derive(Debug)]
pub(crate) enum Hitch {
    Unfit(Unfit),
    /// A commit failed meanwhile, or too much happened.
    Cut,
    /// The driver's thread is gone.
    Gone,
    /// The driver's thread had no time for it.
    Busy,
    /// More happens than it can follow.
    Behind,
}

impl From<NotDone> for Hitch {
    fn from(not_done: NotDone) -> Self {
        match not_done {
            NotDone::Gone => Self::Gone,
            NotDone::Late => Self::Busy,
        }
    }
}

impl From<Unfit> for Hitch {
    fn from(unfit: Unfit) -> Self {
        Self::Unfit(unfit)
    }
}

impl Hitch {
    pub(crate) fn of(self, name: &DriverName) -> UpgradeError {
        let name = name.clone();
        match self {
            Self::Unfit(unfit) => UpgradeError::Unfit { name, source: unfit.into() },
            Self::Cut => UpgradeError::Hitch { name, reason: "the ledger could not be followed" },
            Self::Gone => UpgradeError::Hitch { name, reason: "its thread is gone" },
            Self::Busy => UpgradeError::Hitch { name, reason: "it is busy with something else" },
            Self::Behind => {
                let reason = "the new version is too slow to follow what happens meanwhile";
                UpgradeError::Hitch { name, reason }
            }
        }
    }
}

/// A version that took over, and which one it took over from.
pub(crate) struct Taken {
    before: Source,
    /// What the version that took over calls itself.
    pub(crate) registers: DriverName,
    pub(crate) replayed: usize,
    pub(crate) followed: usize,
}

impl Taken {
    /// Puts the version before in service again.
    pub(crate) fn revert(self, queue: &Queue) {
        // Sooner or later, and before any other upgrade of it.
        drop(queue.soon(|worker| worker.revert(self.before)));
    }
}

/// A new version that is about to take over.
pub(crate) struct Candidate {
    source: Source,
    instance: Instance,
    /// What it was started with.
    stored: Arc<Stored>,
    tail: Arc<Tail>,
    rest: Vec<Record>,
    pace: Pace,
    /// [`Limits::operator_patience`](crate::Limits::operator_patience).
    patience: Duration,
    replayed: usize,
    followed: usize,
}

impl Candidate {
    /// Makes an instance and shows it the ledger, until it is at most
    /// `batch_max` events behind.
    pub(crate) fn prepare(
        source: Source,
        spaces: &AddressSpaces,
        queue: &Queue,
        batch_max: usize,
        (pace, patience): (Pace, Duration),
    ) -> Result<Self, Hitch> {
        let stored = queue.on_thread_now(patience, |worker| worker.state.stored().clone())?;
        let mut instance = source.make(&stored)?;
        if instance.default_address_spaces().map_err(Unfit::Ask)? != *spaces {
            return Err(Unfit::AddressSpaces.into());
        }
        let (state, tail) = queue.on_thread_now(patience, |worker| {
            let tail = Arc::new(Tail::new(worker.limits.upgrade_events_max));
            worker.tail = Some(tail.clone());
            (worker.state.clone(), tail)
        })?;
        let mut candidate = Self {
            source,
            instance,
            stored,
            tail,
            rest: Vec::new(),
            pace,
            patience,
            replayed: 0,
            followed: 0,
        };
        if let Err(hitch) = candidate.catch_up(&state, batch_max) {
            candidate.give_up(queue);
            return Err(hitch);
        }
        Ok(candidate)
    }

    fn catch_up(&mut self, state: &State, batch_max: usize) -> Result<(), Hitch> {
        if self.source.capability.requires_request_replay {
            for entry in state.replay() {
                self.pace.check()?;
                tell(&mut self.instance, &entry)?;
                self.replayed += 1;
            }
        }
        loop {
            self.rest = self.tail.take()?;
            if self.rest.len() <= batch_max {
                return Ok(());
            }
            let pace = self.pace.clone();
            self.follow(|| Ok(pace.check()?))?;
        }
    }

    fn follow(&mut self, may_go_on: impl Fn() -> Result<(), Hitch>) -> Result<(), Hitch> {
        for event in std::mem::take(&mut self.rest) {
            if self.source.capability.requires_request_replay {
                may_go_on()?;
                follow(&mut self.instance, &event)?;
                self.followed += 1;
            }
        }
        Ok(())
    }

    /// Nobody needs to hear of events any more.
    pub(crate) fn give_up(self, queue: &Queue) {
        drop(queue.soon(|worker| worker.tail = None));
    }

    /// Takes over, on the driver's thread.
    pub(crate) fn take_over(self, queue: &Queue) -> Result<Taken, Hitch> {
        queue.on_thread_now(self.patience, move |worker| worker.swap(self))?
    }
}

impl Worker {
    fn swap(&mut self, mut candidate: Candidate) -> Result<Taken, Hitch> {
        self.tail = None;
        let failed = self.flight.settle();
        if self.flight.has_failed() {
            self.keep_failed(failed);
            self.store_fails();
            return Err(Hitch::Cut);
        }
        let began = Instant::now();
        let limit = self.limits.swap_time;
        let in_time = || if began.elapsed() < limit { Ok(()) } else { Err(Hitch::Behind) };
        candidate.follow(in_time)?;
        candidate.rest = candidate.tail.take()?;
        candidate.follow(in_time)?;
        let Candidate { source, mut instance, stored, replayed, followed, .. } = candidate;
        let pace = Pace::new(&*source.factory, &self.limits, &self.ending);
        if stored != *self.state.stored() {
            // It may remember what it read: as after any failure, whoever comes
            // starts with what is stored. It agreed with the ledger already.
            drop(instance);
            instance = source.revive(&self.spaces, &self.state, &pace)?;
        }
        let registers = source.registers.clone();
        let before = std::mem::replace(&mut self.source, source);
        self.instance = Some(instance);
        self.outage = Outage::default();
        self.breaker = Breaker::default();
        self.note_version();
        self.health.serves();
        self.deliver_owed();
        tracing::info!(driver = %self.name, replayed, followed, "another version serves");
        Ok(Taken { before, registers, replayed, followed })
    }

    /// Goes back to the version before, as after any failure: a new instance
    /// learns the ledger.
    fn revert(&mut self, before: Source) {
        self.source = before;
        self.instance = None;
        self.outage = Outage::default();
        self.breaker = Breaker::default();
        self.note_version();
        self.recover(false);
    }
}

/// Tells an instance what changed, as the driver before it was told.
fn follow(instance: &mut Instance, Record { cause, event }: &Record) -> Result<(), Unfit> {
    instance.at(cause.at);
    let refused = |entry: String| move |failure| Unfit::Refused { entry, failure };
    match event {
        Event::PoolGranted(pool) => tell(instance, &Replay::of_pool(pool)),
        Event::AddressLeased(lease) => tell(instance, &Replay::of_lease(lease)),
        Event::PoolReleased(pool) => instance
            .release_pool(&pool.pool_id)
            .map_err(refused(format!("the release of pool {:?}", pool.pool_id))),
        Event::AddressReleased(lease) => instance
            .release_address(&lease.pool_id, lease.ip())
            .map_err(refused(format!("the release of {}", lease.address))),
        // Holds, claims and the host's own books are nothing a driver sees.
        Event::PoolHeld { .. }
        | Event::HoldDropped { .. }
        | Event::AddressClaimed { .. }
        | Event::PoolClaimed { .. }
        | Event::LeaseClaimed { .. }
        | Event::Unclaimed { .. }
        | Event::Owed { .. }
        | Event::Told { .. }
        | Event::VersionChanged(_)
        | Event::Stored(_) => Ok(()),
    }
}
