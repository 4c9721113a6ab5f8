//! Every operation fails, once or for a while, and the ledger goes on.
//!
//! Afterwards the power fails as well: what the system remembers and never
//! wrote is gone then.

use crate::{
    disk::{Disk, Failure},
    script::{States, apply, found, one_more, open, past, script},
};
use ipam_ledger::{Changes, DurableStore, Store};

/// More events than this make the journal grow.
const EVENTS_MAX: usize = 100;

/// Commits the script, perhaps without what makes the journal grow, and
/// returns what was acknowledged.
fn run(store: &mut DurableStore, grows: bool) -> (States, usize) {
    let (mut states, mut events) = (States::new(), 0);
    let is_small =
        |transaction: &Vec<Changes>| transaction.iter().all(|it| it.records.len() < EVENTS_MAX);
    let script = script(12).into_iter().filter(|transaction| grows || is_small(transaction));
    for (number, transaction) in script.enumerate() {
        if number % 6 == 5 {
            // If it fails, the journal still has everything.
            drop(store.maintain(true));
        }
        if store.commit(&transaction).is_ok() {
            apply(&mut states, &transaction);
            events += past(&transaction);
            // The same.
            drop(store.maintain(false));
        }
    }
    (states, events)
}

fn operations(grows: bool) -> usize {
    let disk = Disk::default();
    run(&mut open(&disk).unwrap().0, grows);
    let count = disk.0.lock().unwrap().count;
    assert!(count > 100, "only {count} operations");
    count
}

fn fail_everywhere(count: usize, is_full: bool) {
    // What grows are three operations in a row; the others need no look each.
    for from in (0..operations(is_full)).step_by(if is_full { 3 } else { 1 }) {
        let disk = Disk::default();
        disk.0.lock().unwrap().failure = Some(Failure { from, count, is_full });
        let place = format!("{count} operations from {from} on");
        let mut acknowledged = (States::new(), 0);
        if let Ok((mut store, _)) = open(&disk) {
            acknowledged = run(&mut store, is_full);
            // It works again, whatever failed and however often.
            disk.0.lock().unwrap().failure = None;
            let one_more = one_more();
            store.commit(&one_more).unwrap_or_else(|error| panic!("{place}: {error}"));
            apply(&mut acknowledged.0, &one_more);
            acknowledged.1 += 1;
            if from % 2 == 0 {
                let found = found(&mut store).unwrap_or_else(|error| panic!("{place}: {error}"));
                assert!(found == acknowledged, "{place}, in the same process: {found:?}");
            }
            // Whoever is killed closes nothing.
            std::mem::forget(store);
        }
        let files = disk.0.lock().unwrap().files.clone().map(|file| file.synced);
        disk.0.lock().unwrap().failure = None;
        for files in [files, disk.written()] {
            let disk = Disk::with(files);
            let (mut store, _) = open(&disk).unwrap_or_else(|error| panic!("{place}: {error}"));
            let found = found(&mut store).unwrap_or_else(|error| panic!("{place}: {error}"));
            assert!(found == acknowledged, "{place}: {found:?}");
        }
    }
}

#[test]
fn an_operation_that_fails_once_fails_what_rests_on_it_and_nothing_else() {
    fail_everywhere(1, false);
}

#[test]
fn a_disk_that_fails_for_a_while_is_used_again() {
    fail_everywhere(9, false);
}

#[test]
fn a_full_disk_fails_commits_and_loses_nothing() {
    fail_everywhere(usize::MAX / 2, true);
}

#[test]
fn commits_go_on_while_the_entries_cannot_be_written() {
    let disk = Disk::default();
    let (mut store, _) = open(&disk).unwrap();
    let script = script(12);
    store.commit(&script[0]).unwrap();
    let from = disk.0.lock().unwrap().count;
    // All that `maintain` tries fails; nothing else is tried.
    disk.0.lock().unwrap().failure = Some(Failure { from, count: 1000, is_full: false });
    assert!(store.maintain(true).is_err());
    disk.0.lock().unwrap().failure = None;
    // Nothing is begun before a checkpoint has succeeded, nor asked for.
    assert!(!store.commit(&script[1]).unwrap());
    let count = disk.0.lock().unwrap().count;
    store.maintain(false).unwrap();
    assert_eq!(disk.0.lock().unwrap().count, count);
    store.maintain(true).unwrap();
    assert_eq!(found(&mut store).unwrap().1, 3);
}

/// The record may be whole, in the system's memory: nobody wrote over it.
#[test]
fn a_commit_that_failed_is_not_found_by_whoever_opens_the_ledger_next() {
    for operation in 0..2 {
        for number in 0..6 {
            let disk = Disk::default();
            let (mut store, _) = open(&disk).unwrap();
            let mut acknowledged = (States::new(), 0);
            let script = script(3);
            for transaction in &script[..number] {
                store.commit(transaction).unwrap();
                apply(&mut acknowledged.0, transaction);
                acknowledged.1 += past(transaction);
            }
            let from = disk.0.lock().unwrap().count + operation;
            disk.0.lock().unwrap().failure = Some(Failure { from, count: 1, is_full: false });
            assert!(store.commit(&script[number]).is_err());
            std::mem::forget(store);
            let found = found(&mut open(&Disk::with(disk.written())).unwrap().0).unwrap();
            assert!(found == acknowledged, "{operation} of transaction {number}: {found:?}");
        }
    }
}
