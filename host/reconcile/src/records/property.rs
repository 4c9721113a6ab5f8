//! Whatever ledger and system of record hold, and whatever changes between two readings,
//! what is found and given back is what a plain reading of the rules says.
//!
//! Few spaces, pools, hosts and ids, so that records share places and pools overlap all
//! the time.

use super::{Comparison, Entry, Outcome, give_back, run::tests::Script};
use crate::{
    Options,
    reconcile::tests::{Slept, now},
};
use ipam_api::{HeldRecord, IpNet, RecordId};
use proptest::{collection::vec, option, prelude::*, sample::select};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

const SPACES: [&str; 2] = ["local", "global"];
const POOLS: [&str; 5] =
    ["192.0.2.0/24", "192.0.2.0/25", "192.0.2.0/23", "198.51.100.0/24", "fd52::/64"];
const HOSTS: [&str; 4] = ["192.0.2.1", "192.0.2.200", "198.51.100.1", "fd52::1"];

type Place = (String, IpNet, Option<IpAddr>);

fn place() -> impl Strategy<Value = Place> {
    let pool = select(&POOLS[..]).prop_map(|text| text.parse::<IpNet>().unwrap());
    let host = option::of(select(&HOSTS[..]).prop_map(|text| text.parse::<IpAddr>().unwrap()));
    (select(&SPACES[..]), pool, host).prop_map(|(space, pool, host)| {
        (space.to_owned(), pool, host.filter(|host| pool.contains(host)))
    })
}

fn entry() -> impl Strategy<Value = Entry> {
    (place(), prop::bool::weighted(0.1)).prop_map(|((address_space, prefix, address), gateway)| {
        let pool_id = format!("{address_space}/{prefix}").as_str().try_into().unwrap();
        let comes_with_pool = gateway && address.is_some();
        Entry { address_space, prefix, address, pool_id, comes_with_pool }
    })
}

fn record() -> impl Strategy<Value = HeldRecord> {
    (0..8_u8, place()).prop_map(|(id, (address_space, pool, address))| HeldRecord {
        id: RecordId::try_from(id.to_string().as_str()).unwrap(),
        address_space,
        pool,
        address,
        label: String::new(),
    })
}

/// An id stands for one thing in one list, which may have it more than once.
fn records() -> impl Strategy<Value = Vec<HeldRecord>> {
    (vec(record(), 0..8), vec(any::<prop::sample::Index>(), 0..3)).prop_map(|(all, again)| {
        let mut ids = BTreeSet::new();
        let mut all: Vec<_> =
            all.into_iter().filter(|record| ids.insert(record.id.clone())).collect();
        let again: Vec<_> =
            again.iter().filter(|_| !all.is_empty()).map(|at| at.get(&all).clone()).collect();
        all.extend(again);
        all
    })
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    vec(entry(), 0..8)
}

fn of_entry(entry: &Entry) -> Place {
    (entry.address_space.clone(), entry.prefix, entry.address)
}

fn of_record(record: &HeldRecord) -> Place {
    (record.address_space.clone(), record.pool, record.address)
}

/// Whether the ledger's place is the record's address, or a pool that overlaps its pool.
fn may_be(held: &Place, record: &HeldRecord) -> bool {
    held.0 == record.address_space
        && held.2 == record.address
        && (record.address.is_some()
            || held.1.contains(&record.pool)
            || record.pool.contains(&held.1))
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    unlisted: BTreeSet<Place>,
    /// With whether each is in a pool that is held.
    leftover: BTreeMap<RecordId, bool>,
    differing: BTreeSet<RecordId>,
    /// The places that are recorded more than once, and how often more.
    duplicates: BTreeMap<Place, usize>,
}

/// The rules, read plainly.
fn naive(before: &[Entry], listed: &[HeldRecord], after: &[Entry]) -> Found {
    let places = |entries: &[Entry]| entries.iter().map(of_entry).collect::<BTreeSet<Place>>();
    let (first, last) = (places(before), places(after));
    let ever: BTreeSet<_> = first.union(&last).cloned().collect();
    let distinct: BTreeMap<_, _> =
        listed.iter().map(|record| (record.id.clone(), record)).collect();
    let mut found = Found::default();
    let mut explained = BTreeSet::new();
    let mut times: BTreeMap<Place, usize> = BTreeMap::new();
    for (id, record) in &distinct {
        let place = of_record(record);
        if ever.contains(&place) {
            *times.entry(place.clone()).or_default() += 1;
            explained.insert(place);
            continue;
        }
        let others: Vec<_> = ever.iter().filter(|held| may_be(held, record)).cloned().collect();
        if others.is_empty() {
            let is_in_held_pool = record.address.is_some_and(|address| {
                ever.iter().any(|(space, pool, host)| {
                    *space == record.address_space && host.is_none() && pool.contains(&address)
                })
            });
            found.leftover.insert(id.clone(), is_in_held_pool);
        } else {
            found.differing.insert(id.clone());
            explained.extend(others);
        }
    }
    found.duplicates =
        times.into_iter().filter(|(_, n)| *n > 1).map(|(at, n)| (at, n - 1)).collect();
    // The first that told of an entry says whether it came with a pool.
    let mut told = BTreeMap::new();
    for entry in before.iter().chain(after) {
        told.entry(of_entry(entry)).or_insert(entry.comes_with_pool);
    }
    let unlisted = first.intersection(&last).filter(|place| !explained.contains(*place));
    found.unlisted = unlisted.filter(|place| !told[*place]).cloned().collect();
    found
}

fn compared(before: &[Entry], listed: &[HeldRecord], after: &[Entry]) -> Found {
    let mut comparison = Comparison::default();
    before.iter().for_each(|entry| comparison.before(entry.clone()));
    listed.iter().for_each(|record| comparison.record(record.clone()));
    after.iter().for_each(|entry| comparison.after(entry.clone()));
    let differences = comparison.finish();
    let mut found = Found::default();
    found.unlisted.extend(differences.unlisted.iter().map(of_entry));
    for it in &differences.leftover {
        found.leftover.insert(it.record.id.clone(), it.is_in_held_pool);
    }
    found.differing.extend(differences.differing.iter().map(|it| it.record.id.clone()));
    for record in &differences.duplicates {
        *found.duplicates.entry(of_record(record)).or_default() += 1;
    }
    found
}

proptest! {
    #[test]
    fn what_differs_is_what_the_rules_say(
        before in entries(), listed in records(), after in entries(),
    ) {
        prop_assert_eq!(compared(&before, &listed, &after), naive(&before, &listed, &after));
    }

    #[test]
    fn what_is_given_back_was_left_over_twice(
        looks in (entries(), records(), entries(), entries(), records(), entries()),
        exclusive: bool,
        dry_run: bool,
    ) {
        let (a, b, c, d, e, f) = looks;
        let (first, second) = (naive(&a, &b, &c), naive(&d, &e, &f));
        let of = |list: &[HeldRecord], id: &RecordId| {
            list.iter().find(|record| record.id == *id).map(of_record)
        };
        let twice = second.leftover.iter().filter(|(id, is_in_held_pool)| {
            first.leftover.contains_key(*id) && of(&b, id) == of(&e, id)
                && (exclusive || **is_in_held_pool)
        });
        let want: BTreeSet<String> = twice.map(|(id, _)| id.to_string()).collect();
        let mut script = Script::default();
        script.entries.extend([a, c, d, f].map(Ok));
        script.records.extend([b, e].map(Ok));
        script.outcomes.push_back(Ok(Outcome::Removed));
        let options = Options { exclusive, dry_run, ..Options::default() };
        let report =
            now(give_back(&mut script, &mut Slept::default(), &options, &mut |_| ())).unwrap();
        let ids = |records: &[HeldRecord]| -> BTreeSet<String> {
            records.iter().map(|record| record.id.to_string()).collect()
        };
        let (did, would) = (ids(&report.removed), ids(&report.would_remove));
        let nothing = BTreeSet::new();
        prop_assert_eq!(&did, if dry_run { &nothing } else { &want });
        prop_assert_eq!(&would, if dry_run { &want } else { &nothing });
        let removed: BTreeSet<String> = script.removed.into_iter().collect();
        prop_assert_eq!(removed, did);
    }
}
