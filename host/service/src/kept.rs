//! What is kept while the store fails: releases, as they were decided.
//!
//! Nobody repeats a release. What was decided is kept, and not what it made of
//! the ledger: a pool that is released is one entry, whatever is leased in it
//! and however many holds it has.

use crate::worker::Worker;
use ipam_api::{PoolId, Receipt};
use ipam_ledger::{Audit, Event, Record, State};
use std::collections::BTreeSet;

/// One decision that the store lost or could not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kept {
    /// A pool with all its holds and leases.
    Pool(Receipt),
    /// One hold of a pool, or an address.
    One(Receipt),
}

impl Kept {
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

    /// What it changes of the ledger as it is durable: nothing of what is gone,
    /// or never came to be.
    pub(crate) fn events(&self, state: &State) -> Vec<Event> {
        match self {
            // Nothing was granted since: whatever is newer fell with it.
            Self::Pool(receipt) => state.take_back(receipt, u64::MAX),
            Self::One(receipt) => state.undo(receipt),
        }
    }
}

/// The decisions among these events, in order. What goes with its pool is
/// not one of its own; what was claimed before is released as it was before the
/// claim, which the store lost with the release.
pub(crate) fn decided<T>(events: Vec<(T, Event)>) -> Vec<(T, Kept)> {
    let mut gone: BTreeSet<PoolId> = BTreeSet::new();
    let mut all = Vec::new();
    for (with, event) in events.into_iter().rev() {
        if let Some((claimed, before)) = claim(&event) {
            let of_it = |(_, kept): &&mut (T, Kept)| *kept.receipt() == claimed;
            all.iter_mut()
                .filter(of_it)
                .for_each(|(_, kept)| kept.receipt_mut().generation = before);
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
        all.extend(Kept::of(&event).map(|kept| (with, kept)));
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

impl Worker {
    /// Keeps releases that cannot be written now. Returns false if there was not
    /// room for all of them.
    pub(crate) fn keep_decided(&mut self, events: Vec<Event>, cause: Audit) -> bool {
        let events = events.into_iter().map(|event| ((), event)).collect();
        decided(events).into_iter().fold(true, |all, ((), kept)| self.keep(kept, cause) && all)
    }

    /// Keeps what a failed commit was to release; what it was to grant was
    /// never granted, and the driver must forget it.
    pub(crate) fn keep_failed(&mut self, failed: Vec<Record>) {
        self.undo_failed(&failed);
        for Record { event, .. } in &failed {
            match (event.receipt(), event) {
                (Some(_), event) if event.is_release() => {}
                // The driver never heard of it.
                (Some(_), Event::PoolClaimed { .. } | Event::LeaseClaimed { .. }) => {}
                (Some(Receipt { pool_id, address, .. }), _) => self.keep_owed((pool_id, address)),
                (None, Event::Owed { pool_id, address, .. }) => {
                    self.keep_owed((pool_id.clone(), *address));
                }
                // What was told once is told twice; the version is noted again.
                (None, _) => {}
            }
        }
        let events = failed.into_iter().map(|Record { cause, event }| (cause, event)).collect();
        for (cause, kept) in decided(events) {
            self.keep(kept, cause);
        }
    }

    /// Takes out of the state what a failed commit was to grant, so that
    /// operators see what is durable until the ledger is read again.
    fn undo_failed(&mut self, failed: &[Record]) {
        for Record { event, .. } in failed.iter().rev().filter(|it| !it.event.is_release()) {
            let undone = event.receipt().map(|receipt| self.state.undo(&receipt));
            undone.iter().flatten().for_each(|event| self.state.apply(event));
        }
    }

    /// Keeps one release. Returns false if there was no room.
    pub(crate) fn keep(&mut self, kept: Kept, cause: Audit) -> bool {
        if self.kept.len() >= self.limits.releases_kept_max {
            let receipt = kept.receipt();
            tracing::error!(
                driver = %self.name, pool_id = ?receipt.pool_id.as_str(), address = ?receipt.address,
                "a release is lost: too many are kept",
            );
            return false;
        }
        self.kept.push_back((kept, cause));
        true
    }
}
