//! Compares a driver with the ledger.

use super::{inspect::NotNow, registry::Service};
use crate::{
    clock::now,
    front::{
        message::{Control, Snapshot},
        ticket::NotDone,
    },
    lifecycle::{deadline::Deadline, replay::replay_into},
};
use ipam_api::DriverName;
use ipam_ledger::Time;
use std::time::Instant;

/// Whether a driver agrees with the ledger.
#[derive(Debug, Clone, Default)]
pub struct CheckReport {
    /// Entries that were replayed into a new instance.
    pub entries: usize,
    /// Where a new instance, or the one that serves, differs from the ledger; at most
    /// [`CheckReport::DIFFERENCES_MAX`].
    pub differences: Vec<String>,
    /// Why less was compared than could be.
    pub notes: Vec<String>,
}

impl CheckReport {
    /// How many differences are reported.
    pub const DIFFERENCES_MAX: usize = 100;

    fn differs(&mut self, difference: String) {
        if self.differences.len() < Self::DIFFERENCES_MAX {
            self.differences.push(difference);
        }
    }
}

impl Service {
    /// Compares a driver with the ledger and changes nothing: all that is held is
    /// replayed into a new instance, which must then have the same status of each
    /// pool as the instance that serves. Nothing if there is no such driver.
    #[must_use]
    pub fn check(&self, name: &DriverName) -> Option<CheckReport> {
        let handle = self.registered_driver(name)?;
        // The answers of both may depend on the time.
        let at = now();
        let patience = self.limits().operator_patience;
        let snapshot = handle.queue.call(patience, |ticket| Control::Snapshot(at, ticket));
        let snapshot = match snapshot {
            Ok(snapshot) => snapshot,
            Err(NotDone::Gone) => return None,
            Err(NotDone::Late) => {
                let notes = vec![NotNow.to_string()];
                return Some(CheckReport { notes, ..CheckReport::default() });
            }
        };
        let factory = &*snapshot.source.factory;
        let ends = Instant::now().checked_add(patience);
        let deadline = Deadline::new(factory, self.limits(), &self.shutdown).by(ends);
        Some(compare(&snapshot, at, &deadline))
    }
}

fn compare(snapshot: &Snapshot, at: Time, deadline: &Deadline) -> CheckReport {
    let Snapshot { state, source, statuses } = snapshot;
    let mut report = CheckReport::default();
    if !source.capability.requires_request_replay {
        report.notes.push(
            "the driver keeps its state elsewhere, so the ledger cannot be replayed into it"
                .to_owned(),
        );
        return report;
    }
    let mut fresh = match source.start(state.stored()) {
        Ok(fresh) => fresh,
        Err(error) => {
            report.differs(error.to_string());
            return report;
        }
    };
    for entry in state.replay() {
        if let Err(error) = deadline.check() {
            report.notes.push(format!("the comparison is incomplete: {error}"));
            return report;
        }
        report.entries += 1;
        if let Err(error) = replay_into(&mut fresh, &entry) {
            report.differs(error.to_string());
            if report.differences.len() == CheckReport::DIFFERENCES_MAX {
                return report;
            }
        }
    }
    fresh.set_time(at);
    let mut has_status = false;
    for (pool_id, serving) in statuses {
        let Some(serving) = serving else { continue };
        if let Err(error) = deadline.check() {
            report.notes.push(format!("the comparison is incomplete: {error}"));
            return report;
        }
        has_status = true;
        match fresh.pool_status(pool_id) {
            Ok(Some(found)) if found == *serving => {}
            Ok(found) => report.differs(format!(
                "pool {pool_id:?}: a new instance has {}, the one in service {serving}",
                found.map_or("nothing".to_owned(), |found| found.to_string()),
            )),
            Err(failure) => report.differs(format!("pool {pool_id:?}: {failure}")),
        }
    }
    if !has_status && !statuses.is_empty() {
        report
            .notes
            .push("the driver has no status, so only a new instance was compared".to_owned());
    }
    report
}
