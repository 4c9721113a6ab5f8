//! Another version takes over while the one before it serves.
//!
//! The new instance is shown the ledger as it was at one moment, then every
//! event since, until few enough are left; then the driver's thread, between
//! two requests, waits for its commits, tells the rest, and swaps. If the new
//! version disagrees anywhere, the old one goes on as if nothing had been.

use crate::{
    instance::Instance,
    lock,
    outage::Outage,
    rebuild::{Source, Unfit, tell},
    worker::Worker,
};
use ipam_api::{AddressSpaces, Digest, DriverName};
use ipam_ledger::{Event, Replay, State};
use std::sync::{Arc, Mutex, mpsc};

/// Every event since a snapshot was taken.
#[derive(Default)]
pub(crate) struct Tail(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    events: Vec<Event>,
    taken: usize,
    is_cut: bool,
}

/// Events that an upgrade may be behind by; then it is given up.
const TAIL_MAX: usize = 1 << 20;

impl Tail {
    pub(crate) fn push(&self, event: Event) {
        let mut inner = lock(&self.0);
        inner.is_cut |= inner.events.len() >= TAIL_MAX;
        if !inner.is_cut {
            inner.events.push(event);
        }
    }

    /// What was told before may never have come to be.
    pub(crate) fn cut(&self) {
        lock(&self.0).is_cut = true;
    }

    fn take(&self) -> Result<Vec<Event>, Hitch> {
        let mut inner = lock(&self.0);
        if inner.is_cut {
            return Err(Hitch::Cut);
        }
        inner.taken += inner.events.len();
        Ok(std::mem::take(&mut inner.events))
    }
}

/// Why an upgrade did not happen. The version before it serves on.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// No driver of that name is in service.
    #[error("no driver {0} is in service")]
    NoDriver(DriverName),
    /// A built-in driver comes with this program.
    #[error("driver {0} is built in: it changes with this program alone")]
    BuiltIn(DriverName),
    /// The new version does not start.
    #[error("the new version did not start: {0}")]
    Start(#[source] ipam_api::Failure),
    /// The new version registers something else.
    #[error("the new version registers {new}, the one in service {old}; insist to change that")]
    Registration {
        /// What serves now.
        old: String,
        /// What would.
        new: String,
    },
    /// The new version does not agree with the ledger.
    #[error("driver {name} stays as it is: the new version {source}")]
    Unfit {
        /// Which driver.
        name: DriverName,
        /// Where it disagrees.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The ledger could not be followed.
    #[error("driver {name} stays as it is: {reason}; try again")]
    Hitch {
        /// Which driver.
        name: DriverName,
        /// What came between.
        reason: &'static str,
    },
}

/// What an upgrade came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgraded {
    /// Which driver.
    pub name: DriverName,
    /// The version before.
    pub from: Option<Digest>,
    /// The version that serves now.
    pub to: Option<Digest>,
    /// Entries of the ledger that it was shown.
    pub replayed: usize,
    /// Events that it was told of since.
    pub followed: usize,
}

/// What came between.
#[derive(Debug)]
pub(crate) enum Hitch {
    Unfit(Unfit),
    /// A commit failed meanwhile, or too much happened.
    Cut,
    /// The driver's thread is gone.
    Gone,
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
        }
    }
}

/// A new version that is about to take over.
pub(crate) struct Candidate {
    source: Source,
    instance: Instance,
    tail: Arc<Tail>,
    rest: Vec<Event>,
    replayed: usize,
    followed: usize,
}

/// Runs work on a driver's thread and waits for what it returns.
pub(crate) fn on_thread<T: Send + 'static>(
    queue: &crate::queue::Queue,
    work: impl FnOnce(&mut Worker) -> T + Send + 'static,
) -> Option<T> {
    let (sender, receiver) = mpsc::sync_channel(1);
    // Whoever waits is there until it hears.
    let work = move |worker: &mut Worker| drop(sender.send(work(worker)));
    queue.put(crate::queue::Mail::Do(Box::new(work)));
    receiver.recv().ok()
}

impl Candidate {
    /// Makes an instance and shows it the ledger, until it is at most
    /// `batch_max` events behind.
    pub(crate) fn prepare(
        source: Source,
        spaces: &AddressSpaces,
        queue: &crate::queue::Queue,
        batch_max: usize,
    ) -> Result<Self, Hitch> {
        let mut instance = source.make()?;
        if instance.default_address_spaces().map_err(Unfit::Ask)? != *spaces {
            return Err(Unfit::AddressSpaces.into());
        }
        let (state, tail) = on_thread(queue, |worker| {
            let tail = Arc::<Tail>::default();
            worker.tail = Some(tail.clone());
            (worker.state.clone(), tail)
        })
        .ok_or(Hitch::Gone)?;
        let mut candidate =
            Self { source, instance, tail, rest: Vec::new(), replayed: 0, followed: 0 };
        if let Err(hitch) = candidate.catch_up(&state, batch_max) {
            candidate.give_up(queue);
            return Err(hitch);
        }
        Ok(candidate)
    }

    fn catch_up(&mut self, state: &State, batch_max: usize) -> Result<(), Hitch> {
        if self.source.capability.requires_request_replay {
            for entry in state.replay() {
                tell(&mut self.instance, &entry)?;
                self.replayed += 1;
            }
        }
        loop {
            self.rest = self.tail.take()?;
            if self.rest.len() <= batch_max {
                return Ok(());
            }
            self.follow()?;
        }
    }

    fn follow(&mut self) -> Result<(), Unfit> {
        for event in std::mem::take(&mut self.rest) {
            if self.source.capability.requires_request_replay {
                follow(&mut self.instance, &event)?;
                self.followed += 1;
            }
        }
        Ok(())
    }

    /// Nobody needs to hear of events any more.
    pub(crate) fn give_up(self, queue: &crate::queue::Queue) {
        on_thread(queue, |worker| worker.tail = None);
    }

    /// Takes over, on the driver's thread.
    pub(crate) fn take_over(self, queue: &crate::queue::Queue) -> Result<(usize, usize), Hitch> {
        on_thread(queue, move |worker| worker.swap(self)).ok_or(Hitch::Gone)?
    }
}

impl Worker {
    fn swap(&mut self, mut candidate: Candidate) -> Result<(usize, usize), Hitch> {
        self.tail = None;
        let failed = self.flight.settle();
        if self.flight.has_failed() {
            self.keep_failed(failed);
            self.store_fails();
            return Err(Hitch::Cut);
        }
        candidate.follow()?;
        candidate.rest = candidate.tail.take()?;
        candidate.follow()?;
        let Candidate { source, instance, replayed, followed, .. } = candidate;
        self.source = source;
        self.instance = Some(instance);
        self.outage = Outage::default();
        self.note_version();
        self.health.serves();
        self.deliver_owed();
        tracing::info!(driver = %self.name, replayed, followed, "another version serves");
        Ok((replayed, followed))
    }
}

/// Tells an instance what changed, as the driver before it was told.
fn follow(instance: &mut Instance, event: &Event) -> Result<(), Unfit> {
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
        | Event::Owed { .. }
        | Event::Told { .. }
        | Event::VersionChanged(_) => Ok(()),
    }
}
