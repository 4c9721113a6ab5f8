//! What the processor does while the store fails: it grants nothing, and defers
//! releases until the ledger can be written.

use super::{
    deferred::{DeferredRelease, decided},
    processor::{Processor, RequestContext, by_host},
};
use crate::{
    clock::now,
    error::{ledger_failed, not_as_seen, unavailable},
};
use ipam_api::{Error, Failure, Receipt, Request};
use ipam_ledger::{Actor, Audit, Event, Record, Release, State};
use std::collections::VecDeque;

impl Processor {
    /// How many releases wait for the store.
    pub(crate) fn deferred_len(&self) -> usize {
        self.deferred.releases.len() + self.deferred.notifications.len()
    }

    /// Serves one request while the store fails: grants nothing, and defers a
    /// release, because Docker never repeats one. Returns what the caller is told.
    pub(crate) fn defer(&mut self, request: &Request, context: RequestContext) -> Failure {
        self.note_session(context);
        let released: Result<Vec<Event>, Error> = match request {
            Request::ReleasePool(pool_id) => {
                self.state.release_pool(pool_id, &self.caller(context))
            }
            Request::ReleaseAddress(pool_id, address) => self
                .state
                .release_address(pool_id, *address)
                .map(|event| event.into_iter().collect()),
            Request::TakeBack { receipt, as_of } => Ok(self.state.take_back(receipt, *as_of)),
            Request::Pool(_) | Request::Address(_) | Request::Status(_) | Request::Records(_) => {
                return ledger_failed();
            }
        };
        match released {
            Ok(released) if !released.is_empty() => {
                released.iter().for_each(|event| self.state.apply(event));
                if !self.defer_decided(released, context.audit) {
                    return ledger_failed();
                }
                unavailable("the ledger cannot be written now; the release is kept until it can be")
            }
            Ok(_) if matches!(request, Request::TakeBack { .. }) => not_as_seen().into(),
            Ok(_) => ledger_failed(),
            Err(refusal) => refusal.into(),
        }
    }

    /// Takes back what an answer granted that could not be delivered, while the
    /// store fails.
    pub(crate) fn defer_undo(&mut self, receipt: Receipt) {
        let audit = Audit { at: now(), by: Actor::Undelivered };
        let events = self.state.undo(&receipt);
        events.iter().for_each(|event| self.state.apply(event));
        self.defer_release(DeferredRelease::One(receipt), audit);
    }

    /// Defers the releases of a failed commit. What it was to grant was never
    /// granted, and the driver must forget it.
    pub(crate) fn defer_failed(&mut self, failed: Vec<Record>) {
        self.undo_failed(&failed);
        for Record { event, .. } in &failed {
            match (event.receipt(), event) {
                (Some(_), event) if event.is_release() => {}
                // The driver was not asked about a claim.
                (Some(_), Event::PoolClaimed { .. } | Event::LeaseClaimed { .. }) => {}
                (Some(Receipt { pool_id, address, .. }), _) => {
                    self.defer_notification((pool_id, address));
                }
                (None, Event::Owed { pool_id, address, .. }) => {
                    self.defer_notification((pool_id.clone(), *address));
                }
                // The driver is notified a second time; the version is recorded
                // again.
                (None, _) => {}
            }
        }
        let events = failed.into_iter().map(|Record { cause, event }| (cause, event)).collect();
        for (audit, release) in decided(events) {
            self.defer_release(release, audit);
        }
    }

    /// The ledger as it was read again, with everything that was deferred; and
    /// the records that make that durable.
    pub(crate) fn rebased(&self, mut durable: State) -> (State, Vec<Record>) {
        durable.advance_to(self.state.generation());
        let mut records = Vec::new();
        let mut pending: VecDeque<Release> = VecDeque::new();
        for (release, audit) in &self.deferred.releases {
            for event in release.events(&durable) {
                durable.apply(&event);
                pending.extend(event.receipt().map(|receipt| (receipt.pool_id, receipt.address)));
                records.push(Record { cause: *audit, event });
            }
        }
        pending.extend(self.deferred.notifications.iter().cloned());
        for release in pending.into_iter().filter(|_| !self.settings.uses_replay) {
            if durable.owed().len() >= self.settings.limits.releases_kept_max {
                self.lose_notification(&release);
                continue;
            }
            let event = durable.owe(release);
            durable.apply(&event);
            records.push(Record { cause: by_host(), event });
        }
        (durable, records)
    }

    /// Defers what the ledger decided. Returns false if there was no room for all
    /// of it.
    fn defer_decided(&mut self, events: Vec<Event>, audit: Audit) -> bool {
        let events = events.into_iter().map(|event| ((), event)).collect();
        let deferred = decided(events);
        deferred
            .into_iter()
            .fold(true, |all, ((), release)| self.defer_release(release, audit) && all)
    }

    /// Removes from the state what a failed commit was to grant, so that operators
    /// see what is durable until the ledger is read again.
    fn undo_failed(&mut self, failed: &[Record]) {
        for Record { event, .. } in failed.iter().rev().filter(|it| !it.event.is_release()) {
            let undone = event.receipt().map(|receipt| self.state.undo(&receipt));
            undone.iter().flatten().for_each(|event| self.state.apply(event));
        }
    }

    /// Defers one release. Returns false if there was no room.
    fn defer_release(&mut self, release: DeferredRelease, audit: Audit) -> bool {
        if self.deferred.releases.len() >= self.settings.limits.releases_kept_max {
            let receipt = release.receipt();
            tracing::error!(
                driver = %self.settings.name, pool_id = ?receipt.pool_id.as_str(),
                address = receipt.address.map(display),
                "a release is lost: too many are kept",
            );
            return false;
        }
        self.deferred.releases.push_back((release, audit));
        true
    }

    fn defer_notification(&mut self, release: Release) {
        if self.settings.uses_replay {
            return;
        }
        if self.deferred.notifications.len() >= self.settings.limits.releases_kept_max {
            return self.lose_notification(&release);
        }
        self.deferred.notifications.push_back(release);
    }
}
