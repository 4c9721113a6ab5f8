//! Brings back what does not work: the store, then the instance.

use crate::{
    committer::{commit, load, maintain},
    ending::Pace,
    outage::Outage,
    rebuild::{Source, Unfit},
    release::by_host,
    worker::Worker,
};
use ipam_ledger::{Changes, Event, Record, Release, StoreError, Version};
use std::{collections::VecDeque, time::Instant};

impl Worker {
    /// Brings back what does not work: the store first, then the instance.
    /// `is_last` tries even during a pause.
    pub(crate) fn recover(&mut self, is_last: bool) {
        if self.flight.has_failed() && self.store_outage.is_none() {
            self.store_fails();
        }
        if let Some(outage) = &self.store_outage {
            if !is_last && !outage.is_due() {
                return;
            }
            let failed = self.flight.settle();
            self.keep_failed(failed);
            if let Err(error) = self.read_again() {
                tracing::error!(
                    driver = %self.name, %error,
                    "nothing is granted until the ledger can be written",
                );
                if let Some(outage) = &mut self.store_outage {
                    outage.failed(&self.limits);
                }
                return;
            }
            self.store_outage = None;
        }
        let is_due = self.outage.is_due() && self.breaker.pause(Instant::now()).is_none();
        let may_come = !is_last && !self.ending.is_begun() && !self.queue.is_wanted();
        if self.instance.is_none() && is_due && may_come {
            self.rebuild();
        }
    }

    /// What is not served is tried once more next, whatever came before.
    pub(crate) fn forgive(&mut self) {
        self.breaker.reset();
        self.outage.over();
        if self.store_outage.is_some() {
            self.store_outage = Some(Outage::default());
        }
        // Nothing else may be waiting.
        self.queue.nudge();
    }

    /// Reads the ledger as it is durable, and commits what was kept: before
    /// anything is granted, so that nothing can be released that is younger
    /// than its release.
    fn read_again(&mut self) -> Result<(), StoreError> {
        let mut store = self.committer.store();
        // Room for one small record is none to go on with: all that is deferred
        // needs room as well.
        maintain(&mut **store, true)?;
        let mut state = load(&mut **store, &self.name)?;
        state.advance_to(self.state.generation());
        let mut records = Vec::new();
        let is_told = !self.source.capability.requires_request_replay;
        let mut owed: VecDeque<Release> = VecDeque::new();
        for (kept, cause) in &self.kept {
            for event in kept.events(&state) {
                state.apply(&event);
                owed.extend(event.receipt().map(|receipt| (receipt.pool_id, receipt.address)));
                records.push(Record { cause: *cause, event });
            }
        }
        owed.extend(self.kept_owed.iter().cloned());
        for release in owed.into_iter().filter(|_| is_told) {
            if state.owed().len() >= self.limits.releases_kept_max {
                self.will_not_hear(&release);
                continue;
            }
            let event = state.owe(release);
            state.apply(&event);
            records.push(Record { cause: by_host(), event });
        }
        let changes = Changes { driver: self.name.clone(), records };
        let transaction =
            if changes.records.is_empty() { &[][..] } else { std::slice::from_ref(&changes) };
        commit(&mut **store, transaction)
            .map_err(|()| StoreError::new("the transaction did not commit"))?;
        drop(store);
        self.flight.resume();
        self.state = state;
        self.kept.clear();
        self.kept_owed.clear();
        self.staged.clear();
        // What it was to hear of never came to be.
        self.tail.take().into_iter().for_each(|tail| tail.cut());
        self.note_version();
        Ok(())
    }

    /// Builds an instance from what is durable, never from what a commit in
    /// flight will change.
    fn rebuild(&mut self) {
        let failed = self.flight.settle();
        if self.flight.has_failed() {
            self.keep_failed(failed);
            self.store_fails();
            return self.recover(false);
        }
        let began = Instant::now();
        let pace = Pace::new(&*self.source.factory, &self.limits, &self.ending);
        let pace = pace.giving_way(&self.queue);
        match self.source.revive(&self.spaces, &self.state, &pace) {
            Ok(instance) => {
                self.instance = Some(instance);
                self.note_version();
                self.outage.over();
                self.health.serves();
                tracing::info!(driver = %self.name, "the driver serves again");
                self.deliver_owed();
            }
            // It is tried again when whoever wants the thread has had it.
            Err(Unfit::GaveWay | Unfit::Ending) => {}
            Err(unfit) => {
                self.is_unfit(&unfit);
                if matches!(unfit, Unfit::TooSlow(_)) {
                    // Releases waited meanwhile: they have as much time now.
                    self.outage.rest(began.elapsed());
                }
            }
        }
    }

    /// It is out of service, and tried again later.
    pub(crate) fn is_unfit(&mut self, unfit: &Unfit) {
        self.outage.failed(&self.limits);
        self.health.failed(&unfit.to_string());
        tracing::error!(driver = %self.name, %unfit, "the driver is not served");
    }

    /// From here on nothing is granted until the store works.
    pub(crate) fn store_fails(&mut self) {
        self.store_outage = Some(Outage::default());
        self.instance = None;
        self.health.failed("the ledger cannot be written");
    }

    /// Notes which version grants from now on, if it is another.
    pub(crate) fn note_version(&mut self) {
        let Source { factory, capability, .. } = &self.source;
        self.running.set(factory);
        let version = Version { digest: factory.digest(), capability: *capability };
        if self.state.version() != Some(version) {
            self.apply(by_host(), Event::VersionChanged(version));
        }
    }
}
