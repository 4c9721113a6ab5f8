//! The past: its order, its bounds, and how large it makes the file.

use crate::{
    disk::{Disk, ENTRIES},
    script::{JOURNAL_BYTES, id, lease, pool},
};
use ipam_api::{Capability, Digest};
use ipam_ledger::{Audit, Changes, DurableStore, Event, Record, Retention, Store, Time, Version};
use std::ops::ControlFlow;

fn at(time: u64, driver: &str, event: Event) -> Changes {
    let cause = Audit { at: Time(time), ..Audit::default() };
    Changes { driver: driver.parse().unwrap(), records: vec![Record { cause, event }] }
}

fn told(number: u64) -> Event {
    Event::Told { number }
}

/// Time, driver and the digest's first byte of all that is kept.
fn kept(store: &mut DurableStore) -> Vec<(u64, String, Option<u8>)> {
    let mut kept = Vec::new();
    let view = store.view().unwrap();
    let mut visit = |past: ipam_ledger::Past<'_>| {
        let digest = past.digest.map(|digest| digest.0[0]);
        kept.push((past.record.cause.at.0, past.driver.to_string(), digest));
        ControlFlow::Continue(())
    };
    view.history(&mut visit).unwrap();
    kept
}

fn times(store: &mut DurableStore) -> Vec<u64> {
    kept(store).into_iter().map(|(time, ..)| time).collect()
}

fn open(disk: &Disk, retention: Retention) -> DurableStore {
    DurableStore::on(disk.clone(), retention, JOURNAL_BYTES).unwrap().0
}

#[test]
fn events_are_kept_in_order_with_the_version_that_served() {
    let version = |byte| {
        let capability = Capability { requires_mac_address: false, requires_request_replay: false };
        Event::VersionChanged(Version { digest: Some(Digest([byte; 32])), capability })
    };
    let disk = Disk::default();
    let mut store = open(&disk, Retention::default());
    store.commit(&[at(1, "b", told(1)), at(2, "a", version(7)), at(3, "a", told(1))]).unwrap();
    store.commit(&[at(4, "b", told(2))]).unwrap();
    store.maintain(true).unwrap();
    store.commit(&[at(5, "a", told(2)), at(6, "a", version(8)), at(7, "b", told(3))]).unwrap();
    let row = |time, driver: &str, digest| (time, driver.to_owned(), digest);
    let all = [
        row(1, "b", None),
        row(2, "a", Some(7)),
        row(3, "a", Some(7)),
        row(4, "b", None),
        row(5, "a", Some(7)),
        row(6, "a", Some(8)),
        row(7, "b", None),
    ];
    assert_eq!(kept(&mut store), all);
    let mut shown = 0;
    let mut two = |_: ipam_ledger::Past<'_>| {
        shown += 1;
        if shown == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    store.view().unwrap().history(&mut two).unwrap();
    assert_eq!(shown, 2, "whoever has enough is shown no more");
}

#[test]
fn more_events_than_a_block_holds_are_all_kept() {
    let disk = Disk::default();
    let mut store = open(&disk, Retention::default());
    let many: Vec<_> = (0..700).map(|time| at(time, "a", told(time))).collect();
    store.commit(&many).unwrap();
    drop(store);
    assert_eq!(times(&mut open(&disk, Retention::default())), (0..700).collect::<Vec<u64>>());
}

#[test]
fn what_is_older_than_the_newest_by_more_than_an_age_is_forgotten() {
    let disk = Disk::default();
    let mut store = open(&disk, Retention { max_bytes: u64::MAX, max_age_ms: 10 });
    for time in 1..=30 {
        store.commit(&[at(time, "a", told(time))]).unwrap();
        store.maintain(true).unwrap();
    }
    assert_eq!(times(&mut store), (20..=30).collect::<Vec<u64>>());
    // A clock that went back makes nothing younger.
    store.commit(&[at(5, "a", told(5))]).unwrap();
    assert_eq!(times(&mut store), [&(20..=30).collect::<Vec<u64>>()[..], &[5]].concat());
    store.commit(&[at(1000, "a", told(1))]).unwrap();
    assert_eq!(times(&mut store), [1000]);
}

const HOUR: u64 = 60 * 60 * 1000;
const YEAR: u64 = 365 * 24 * HOUR;

#[test]
fn one_clock_that_is_wrong_ages_nothing_but_itself() {
    let keep = Retention { max_bytes: u64::MAX, max_age_ms: 50 * HOUR };
    for wrong in [100 * YEAR, 49 * YEAR, 0] {
        let disk = Disk::default();
        let mut store = open(&disk, keep);
        let mut commit = |time: u64| {
            // Blocks of one event: each is looked at by itself.
            let driver = if (time / HOUR).is_multiple_of(2) { "a" } else { "b" };
            store.commit(&[at(time, driver, told(1))]).unwrap();
            store.maintain(true).unwrap();
            times(&mut store)
        };
        let hours = |from, to| (from..=to).map(|hour| 50 * YEAR + hour * HOUR);
        hours(1, 40).for_each(|time| drop(commit(time)));
        let kept = commit(wrong);
        assert_eq!(kept[..40], hours(1, 40).collect::<Vec<u64>>(), "{wrong}");
        // Later all that is old goes, the wrong one among it.
        let kept = hours(41, 140).map(&mut commit).last().unwrap();
        assert_eq!(kept, hours(90, 140).collect::<Vec<u64>>(), "{wrong}");
    }
}

#[test]
fn a_clock_that_goes_on_after_years_is_believed_when_most_agree() {
    let disk = Disk::default();
    let keep = Retention { max_bytes: u64::MAX, max_age_ms: 50 * HOUR };
    let mut store = open(&disk, keep);
    for (from, count) in [(10 * YEAR, 40), (12 * YEAR, 40)] {
        for hour in 0..count {
            store.commit(&[at(from + hour, "a", told(1))]).unwrap();
            store.maintain(true).unwrap();
        }
    }
    assert_eq!(times(&mut store), (12 * YEAR..12 * YEAR + 40).collect::<Vec<u64>>());
}

#[test]
fn what_is_more_than_a_size_is_forgotten_oldest_first() {
    let disk = Disk::default();
    let mut store = open(&disk, Retention::default());
    for time in 1..=30 {
        store.commit(&[at(time, "a", told(time))]).unwrap();
        store.maintain(true).unwrap();
    }
    drop(store);
    // Each of them takes about twenty bytes.
    let mut store = open(&disk, Retention { max_bytes: 200, max_age_ms: u64::MAX });
    store.commit(&[at(31, "a", told(31))]).unwrap();
    let left = times(&mut store);
    assert!((5..15).contains(&left.len()) && left.last() == Some(&31), "{left:?}");
    drop(store);
    assert_eq!(times(&mut open(&disk, Retention::default())), left);
    let mut store = open(&disk, Retention { max_bytes: 0, max_age_ms: 0 });
    store.commit(&[at(32, "a", told(32))]).unwrap();
    assert!(times(&mut store).is_empty());
}

#[test]
fn the_file_grows_with_what_is_held_and_not_with_what_happens() {
    let disk = Disk::default();
    let mut store = open(&disk, Retention { max_bytes: 100_000, max_age_ms: u64::MAX });
    store.commit(&[at(1, "lab", Event::PoolGranted(pool("a", None, 1)))]).unwrap();
    let mut lengths = Vec::new();
    for round in 0..60 {
        let (taken, given): (Vec<Changes>, Vec<Changes>) = (1..=200)
            .map(|host| {
                let lease = lease("a", host);
                let taken = at(round, "lab", Event::AddressLeased(lease.clone()));
                (taken, at(round, "lab", Event::AddressReleased(lease)))
            })
            .unzip();
        store.commit(&taken).unwrap();
        store.commit(&given).unwrap();
        store.maintain(true).unwrap();
        lengths.push(disk.0.lock().unwrap().files[ENTRIES].written.len());
    }
    assert_eq!(lengths[30..].iter().max(), lengths[..30].iter().max(), "{lengths:?}");
    let state = store.load(&"lab".parse().unwrap()).unwrap();
    assert_eq!((state.leases().count(), state.generation()), (0, 300));
    assert_eq!(state.lease_count(&id("a")), 0);
}
