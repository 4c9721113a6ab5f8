//! Looks at ledger and system of record, and gives back what only the latter has.
//!
//! In: one driver's [`DriverClient`] and a clock, each behind a trait. Out: [`Checked`] or
//! [`GivenBack`]. What must hold: a look that failed gives back nothing; what is given
//! back was left over in two looks with a grace period between, and the driver's thread
//! decides once more.

use super::{
    compare::{Comparison, Differences, Entry, Leftover},
    report::{Checked, GivenBack, Refused},
};
use crate::{Clock, Options};
use ipam_api::{HeldRecord, with_causes};
use std::{collections::HashSet, error, time::Duration};

/// Entries of one driver that its system of record is asked for one by one.
pub const LOOK_UPS_MAX: usize = 1_000;
/// Records of one driver that are given back in one run.
pub const REMOVALS_MAX: usize = 1_000;

/// What came of the removal of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was removed.
    Removed,
    /// The system did not have it any more, or not as it was listed.
    Gone,
    /// It stays: the ledger holds it by now.
    Held,
    /// It stays: the driver or its system refuses, for this reason.
    Refused(String),
}

/// One driver's part of the ledger, and its system of record.
pub trait DriverClient {
    /// Why they cannot be read or changed, for the operator.
    type Error: error::Error + Send + Sync + 'static;

    /// Tells of everything that the ledger holds.
    ///
    /// # Errors
    /// When that cannot be read completely.
    fn entries(&mut self, each: &mut dyn FnMut(Entry)) -> Result<(), Self::Error>;

    /// Tells of everything that the system of record holds in this host's name.
    ///
    /// # Errors
    /// When that cannot be read completely.
    fn records(&mut self, each: &mut dyn FnMut(HeldRecord)) -> Result<(), Self::Error>;

    /// Whether the system of record has it, whoever made it there; nothing if the ledger
    /// does not hold it any more.
    ///
    /// # Errors
    /// When that is not known.
    fn has(&mut self, entry: &Entry) -> Result<Option<bool>, Self::Error>;

    /// Removes a record, unless the ledger holds what it may stand for.
    ///
    /// # Errors
    /// When the removal failed, or it is not known whether it did.
    fn remove(&mut self, record: &HeldRecord) -> Result<Outcome, Self::Error>;
}

/// What happens, as it happens, for the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// Both sides were read.
    Looked {
        /// Entries of the ledger.
        entries: usize,
        /// Records.
        records: usize,
        /// Records that nothing in the ledger stands for.
        leftover: usize,
    },
    /// The grace period begins.
    Waiting {
        /// How long it is.
        grace: Duration,
    },
    /// A record was removed.
    Removed(&'a HeldRecord),
    /// A record was gone, or the ledger held it, when it was to be removed.
    Settled(&'a HeldRecord),
}

fn look<B: DriverClient>(client: &mut B) -> Result<Differences, B::Error> {
    let mut comparison = Comparison::default();
    client.entries(&mut |entry| comparison.before(entry))?;
    client.records(&mut |record| comparison.record(record))?;
    client.entries(&mut |entry| comparison.after(entry))?;
    Ok(comparison.finish())
}

/// Compares both sides once, and changes nothing.
///
/// # Errors
/// When one of them cannot be read completely.
pub fn check<B: DriverClient>(client: &mut B) -> Result<Checked, B::Error> {
    let found = look(client)?;
    let mut checked = Checked {
        entries: found.entries,
        records: found.records,
        leftover: found.leftover.into_iter().map(|leftover| leftover.record).collect(),
        differing: found.differing,
        duplicates: found.duplicates,
        ..Checked::default()
    };
    let mut unlisted = found.unlisted.into_iter();
    for entry in unlisted.by_ref().take(LOOK_UPS_MAX) {
        if client.has(&entry)? == Some(false) {
            checked.missing.push(entry);
        }
    }
    checked.not_looked_for = unlisted.len();
    Ok(checked)
}

/// Gives back what only the system of record has, both now and after the grace period:
/// addresses of pools that the ledger holds; all else only if the options say that the
/// ledger is the only one whose host has this name there.
///
/// The first removal that fails ends it. The report says why, and what is left.
///
/// # Errors
/// When one side cannot be read completely. Nothing was changed then.
pub async fn give_back<B: DriverClient>(
    client: &mut B,
    clock: &mut impl Clock,
    options: &Options,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<GivenBack, B::Error> {
    let mut report = GivenBack { dry_run: options.dry_run, ..GivenBack::default() };
    let first = look(client)?;
    progress(looked(&first));
    if first.leftover.is_empty() {
        return Ok(report);
    }
    progress(Progress::Waiting { grace: options.grace });
    clock.sleep(options.grace).await;
    let second = look(client)?;
    progress(looked(&second));

    let mut to_remove = Vec::new();
    for Leftover { record, is_in_held_pool } in confirmed(first, second, &mut report) {
        if is_in_held_pool || options.exclusive {
            to_remove.push(record);
        } else {
            report.kept.push(record);
        }
    }
    // A pool goes after what is in it.
    to_remove.sort_by_key(|record| record.address.is_none());
    if to_remove.len() > REMOVALS_MAX {
        report.postponed = to_remove.split_off(REMOVALS_MAX);
    }
    if options.dry_run {
        report.would_remove = to_remove;
    } else {
        remove(client, to_remove, &mut report, progress);
    }
    Ok(report)
}

fn looked(found: &Differences) -> Progress<'static> {
    let Differences { entries, records, .. } = *found;
    Progress::Looked { entries, records, leftover: found.leftover.len() }
}

/// What is left over in both looks, as the second has it.
fn confirmed(first: Differences, second: Differences, report: &mut GivenBack) -> Vec<Leftover> {
    let place = |record: &HeldRecord| {
        (record.id.clone(), record.address_space.clone(), record.pool, record.address)
    };
    let before: HashSet<_> = first.leftover.iter().map(|it| place(&it.record)).collect();
    let again: Vec<_> =
        second.leftover.into_iter().filter(|it| before.contains(&place(&it.record))).collect();
    let now: HashSet<_> = again.iter().map(|it| place(&it.record)).collect();
    let settled = first.leftover.into_iter().map(|it| it.record);
    report.settled.extend(settled.filter(|record| !now.contains(&place(record))));
    again
}

fn remove<B: DriverClient>(
    client: &mut B,
    to_remove: Vec<HeldRecord>,
    report: &mut GivenBack,
    progress: &mut dyn FnMut(Progress<'_>),
) {
    let mut waiting = to_remove.into_iter();
    while let Some(record) = waiting.next() {
        match client.remove(&record) {
            Ok(Outcome::Removed) => {
                progress(Progress::Removed(&record));
                report.removed.push(record);
            }
            Ok(Outcome::Gone | Outcome::Held) => {
                progress(Progress::Settled(&record));
                report.settled.push(record);
            }
            Ok(Outcome::Refused(reason)) => report.refused.push(Refused { record, reason }),
            Err(error) => {
                report.failure = Some(with_causes(&error));
                report.left.push(record);
                report.left.extend(waiting);
                return;
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
