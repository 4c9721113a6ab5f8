use super::{Comparison, Differences, Entry};
use ipam_api::{HeldRecord, RecordId};

pub(in crate::records) fn entry(prefix: &str, address: Option<&str>) -> Entry {
    Entry {
        address_space: "lab".to_owned(),
        prefix: prefix.parse().unwrap(),
        address: address.map(|address| address.parse().unwrap()),
        pool_id: prefix.try_into().unwrap(),
        comes_with_pool: false,
    }
}

pub(in crate::records) fn record(id: &str, pool: &str, address: Option<&str>) -> HeldRecord {
    HeldRecord {
        id: RecordId::try_from(id).unwrap(),
        address_space: "lab".to_owned(),
        pool: pool.parse().unwrap(),
        address: address.map(|address| address.parse().unwrap()),
        label: format!("number {id}"),
    }
}

const POOL: &str = "192.0.2.0/24";

/// Compares records with a ledger that does not change.
fn compared(entries: &[Entry], records: &[HeldRecord]) -> Differences {
    let mut comparison = Comparison::default();
    entries.iter().for_each(|entry| comparison.before(entry.clone()));
    records.iter().for_each(|record| comparison.record(record.clone()));
    entries.iter().for_each(|entry| comparison.after(entry.clone()));
    comparison.finish()
}

#[test]
fn what_is_on_both_sides_agrees() {
    let entries = [entry(POOL, None), entry(POOL, Some("192.0.2.1"))];
    let records = [record("1", POOL, None), record("2", POOL, Some("192.0.2.1"))];
    let same = Differences { entries: 2, records: 2, ..Differences::default() };
    assert_eq!(compared(&entries, &records), same);
}

#[test]
fn what_is_on_one_side_differs() {
    let entries = [entry(POOL, None), entry(POOL, Some("192.0.2.1"))];
    let records = [
        record("7", POOL, Some("192.0.2.9")),
        record("8", "198.51.100.0/24", None),
        record("9", "198.51.100.0/24", Some("198.51.100.1")),
    ];
    let found = compared(&entries, &records);
    assert_eq!(found.unlisted, entries);
    let leftover: Vec<_> =
        found.leftover.iter().map(|it| (it.record.id.as_str(), it.is_in_held_pool)).collect();
    assert_eq!(leftover, [("7", true), ("8", false), ("9", false)]);
    assert_eq!((found.differing.len(), found.duplicates.len()), (0, 0));
}

#[test]
fn what_is_recorded_under_another_prefix_is_no_leftover() {
    let entries = [entry(POOL, None), entry(POOL, Some("192.0.2.1"))];
    for pool in ["192.0.2.0/23", "192.0.2.0/25"] {
        let records = [record("1", pool, None), record("2", pool, Some("192.0.2.1"))];
        let found = compared(&entries, &records);
        let held: Vec<_> = found.differing.iter().map(|it| it.held.to_string()).collect();
        assert_eq!(held, [POOL, POOL], "{pool}");
        assert_eq!((found.leftover, found.unlisted), (vec![], vec![]), "{pool}");
    }
}

#[test]
fn what_is_listed_twice_is_one_and_what_is_there_twice_is_told() {
    let entries = [entry(POOL, None)];
    let records = [
        record("1", POOL, None),
        record("1", POOL, None),
        record("2", POOL, None),
        record("2", POOL, None),
        record("3", POOL, Some("192.0.2.9")),
        record("3", POOL, Some("192.0.2.9")),
    ];
    let found = compared(&entries, &records);
    assert_eq!(found.duplicates, [records[2].clone()]);
    assert_eq!((found.records, found.leftover.len()), (3, 1));
}

#[test]
fn what_comes_and_goes_meanwhile_is_no_difference() {
    let mut comparison = Comparison::default();
    comparison.before(entry(POOL, None));
    comparison.before(entry(POOL, Some("192.0.2.1")));
    comparison.record(record("1", POOL, None));
    // Granted after the ledger was read.
    comparison.record(record("2", POOL, Some("192.0.2.2")));
    comparison.after(entry(POOL, None));
    comparison.after(entry(POOL, Some("192.0.2.2")));
    // Granted after the records were listed.
    comparison.after(entry(POOL, Some("192.0.2.3")));
    let found = comparison.finish();
    let same = Differences { entries: 4, records: 2, ..Differences::default() };
    assert_eq!(found, same);
}

#[test]
fn a_gateway_that_came_with_its_pool_need_not_be_recorded() {
    let gateway = Entry { comes_with_pool: true, ..entry(POOL, Some("192.0.2.254")) };
    let pool = [record("1", POOL, None)];
    assert_eq!(compared(&[entry(POOL, None), gateway.clone()], &pool).unlisted, []);
    let with = [record("1", POOL, None), record("2", POOL, Some("192.0.2.254"))];
    assert_eq!(compared(&[entry(POOL, None), gateway], &with).leftover, []);
}

#[test]
fn another_space_is_another_place() {
    let elsewhere = HeldRecord { address_space: "b".into(), ..record("1", POOL, None) };
    let found = compared(&[entry(POOL, None)], &[elsewhere]);
    assert_eq!((found.leftover.len(), found.unlisted.len()), (1, 1));
}
