//! Releases that wait in memory because the store fails.
//!
//! Nobody repeats a release. The decision is kept, and not the changes it made:
//! a released pool is one entry, whatever is leased in it and however many holds
//! it has.

use ipam_api::{PoolId, Receipt};
use ipam_ledger::{Audit, Event, Release, State};
use std::collections::{BTreeSet, VecDeque};

/// One decision that the store lost or could not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DeferredRelease {
    /// A pool with all its holds and leases.
    Pool(Receipt),
    /// One hold of a pool, or an address.
    One(Receipt),
}

impl DeferredRelease {
    /// What an event decided, if it is a release.
    fn of(event: &Event) -> Option<Self> {
        let receipt = event.receipt()?;
        if matches!(event, Event::PoolReleased(_)) {
            return Some(Self::Pool(receipt));
        }
        event.is_release().then_some(Self::One(receipt))
    }

    fn receipt_mut(&mut self) -> &mut Receipt {
        match self {
            Self::Pool(receipt) | Self::One(receipt) => receipt,
        }
    }

    pub(crate) fn receipt(&self) -> &Receipt {
        match self {
            Self::Pool(receipt) | Self::One(receipt) => receipt,
        }
    }

    /// What it changes in the durable ledger: nothing that is gone already, or
    /// never became durable.
    pub(crate) fn events(&self, state: &State) -> Vec<Event> {
        match self {
            // Nothing was granted since, so whatever is newer belongs to it.
            Self::Pool(receipt) => state.take_back(receipt, u64::MAX),
            Self::One(receipt) => state.undo(receipt),
        }
    }
}

/// The decisions among these events, in order. A lease that is released with its
/// pool is not a decision of its own. What was claimed before its release is
/// released as it was before the claim, because the store lost both.
pub(crate) fn decided<T>(events: Vec<(T, Event)>) -> Vec<(T, DeferredRelease)> {
    let mut gone: BTreeSet<PoolId> = BTreeSet::new();
    let mut all = Vec::new();
    for (with, event) in events.into_iter().rev() {
        if let Some((claimed, before)) = claim(&event) {
            let of_it = |(_, deferred): &&mut (T, DeferredRelease)| *deferred.receipt() == claimed;
            all.iter_mut()
                .filter(of_it)
                .for_each(|(_, deferred)| deferred.receipt_mut().generation = before);
        }
        if let Event::PoolReleased(pool) = &event {
            gone.insert(pool.pool_id.clone());
        } else if let Event::PoolGranted(pool) = &event {
            gone.remove(&pool.pool_id);
        } else if let Event::AddressReleased(lease) = &event
            && gone.contains(&lease.pool_id)
        {
            continue;
        } else if let Event::HoldDropped { pool_id, .. } = &event
            && gone.contains(pool_id)
        {
            continue;
        }
        all.extend(DeferredRelease::of(&event).map(|deferred| (with, deferred)));
    }
    all.reverse();
    all
}

/// What a claim made, and the generation before it.
fn claim(event: &Event) -> Option<(Receipt, u64)> {
    let (Event::PoolClaimed { before, .. } | Event::LeaseClaimed { before, .. }) = event else {
        return None;
    };
    event.receipt().map(|receipt| (receipt, *before))
}

/// What waits for the store, in order.
#[derive(Default)]
pub(super) struct Deferred {
    /// Releases and undos.
    pub(super) releases: VecDeque<(DeferredRelease, Audit)>,
    /// Pending releases of the driver that are to be recorded.
    pub(super) notifications: VecDeque<Release>,
}

impl Deferred {
    pub(super) fn clear(&mut self) {
        self.releases.clear();
        self.notifications.clear();
    }
}
