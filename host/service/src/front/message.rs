//! What a driver's thread is sent.

use super::ticket::Ticket;
use crate::{
    lifecycle::{
        new_version::{NewVersion, Swapped, UpgradeInterrupted},
        source::Source,
    },
    serve::{processor::RequestContext, tail::EventTail},
};
use ipam_api::{Digest, PoolId, PoolStatus, Receipt, Reply, Request, Stored};
use ipam_ledger::{State, Time};
use std::sync::Arc;

/// What a driver's thread does next.
pub(crate) enum Message {
    Request(Job),
    /// Takes back what an answer granted that could not be delivered.
    Undo(Receipt),
    Inspect(Inspect),
    Control(Control),
}

/// A request and where its answer goes.
pub(crate) struct Job {
    pub(crate) request: Request,
    pub(crate) context: RequestContext,
    pub(crate) reply: Reply,
}

/// Looks at the state, and returns how to answer. The answer is sent when what was
/// seen is durable, and never if that fails.
pub(crate) type Inspect = Box<dyn FnOnce(&State) -> Box<dyn FnOnce() + Send> + Send>;

/// Work on the driver itself, between two requests.
pub(crate) enum Control {
    /// Counts what is held.
    Count(Ticket<Held>),
    /// Copies the ledger, and the instance's view of it at that time.
    Snapshot(Time, Ticket<Snapshot>),
    /// Lets what failed be tried once more now.
    Reset(Ticket<()>),
    /// What a new version is started with.
    Stored(Ticket<Arc<Stored>>),
    /// Copies the ledger, and every event from then on.
    Follow(Ticket<(State, Arc<EventTail>)>),
    /// Ends [`Control::Follow`].
    Unfollow,
    /// Lets a new version take over.
    Swap(Box<NewVersion>, Ticket<Result<Swapped, UpgradeInterrupted>>),
    /// Puts the version before a swap in service again.
    Revert(Box<Source>),
}

/// What is held of a driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Which version serves, if it comes from a file.
    pub digest: Option<Digest>,
    /// Pools.
    pub pools: usize,
    /// Leases, and gateways that came with their pools.
    pub leases: usize,
    /// Pending releases: the driver was not notified of them yet.
    pub owed: usize,
}

/// The ledger, and what the instance that serves says about it.
pub(crate) struct Snapshot {
    pub(crate) state: State,
    pub(crate) source: Source,
    /// The status of each pool, if the instance has one.
    pub(crate) statuses: Vec<(PoolId, Option<PoolStatus>)>,
}
