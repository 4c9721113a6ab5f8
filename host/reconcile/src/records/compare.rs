//! Compares the ledger with the records of a driver's system of record.
//!
//! In: what the ledger holds before the records are listed, the records, and what it
//! holds after that. Out: [`Differences`]. It is pure: no I/O and no clock.
//!
//! The ledger is read on both sides of the list, because grants and releases go on
//! meanwhile: what was granted before a record was listed is in the second reading, or
//! was in the first.

use ipam_api::{HeldRecord, IpNet, PoolId, RecordId};
use std::{
    collections::{BTreeMap, HashSet},
    net::IpAddr,
};

/// A pool or an address that the ledger holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entry {
    /// The driver's name for its address space.
    pub address_space: String,
    /// The pool, or the pool of the address.
    pub prefix: IpNet,
    /// The address; nothing for the pool itself.
    pub address: Option<IpAddr>,
    /// The driver's name for the pool.
    pub pool_id: PoolId,
    /// Whether it is the gateway that the driver named with the pool. A system of record
    /// need not have it.
    pub comes_with_pool: bool,
}

/// A record that nothing in the ledger stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The record.
    pub record: HeldRecord,
    /// Whether it is an address of a pool that the ledger holds.
    pub is_in_held_pool: bool,
}

/// A record that the ledger has in another pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differing {
    /// The record.
    pub record: HeldRecord,
    /// The ledger's pool: of the same address, or one that overlaps.
    pub held: IpNet,
}

/// Where ledger and system of record differ.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences {
    /// Entries of the ledger, at either reading.
    pub entries: usize,
    /// Records.
    pub records: usize,
    /// Entries that the ledger held at both readings, and that no record stands for.
    /// What others recorded is not listed, so the driver must be asked for each.
    pub unlisted: Vec<Entry>,
    /// Records that nothing in the ledger stands for.
    pub leftover: Vec<Leftover>,
    /// Records that the ledger has in another pool.
    pub differing: Vec<Differing>,
    /// Records of something that another record stands for already.
    pub doubled: Vec<HeldRecord>,
}

/// A comparison under way: first [`Comparison::before`], then
/// [`Comparison::record`], then [`Comparison::after`].
#[derive(Debug, Default)]
pub struct Comparison {
    spaces: BTreeMap<String, Subnets>,
    /// Records that nothing stood for when they came.
    strangers: Vec<HeldRecord>,
    doubled: Vec<HeldRecord>,
    entries: usize,
    records: usize,
}

type Subnets = BTreeMap<IpNet, Subnet>;

#[derive(Debug, Default)]
struct Subnet {
    pool: Option<Held>,
    addresses: BTreeMap<IpAddr, Held>,
}

/// What the ledger holds, and what stands for it.
#[derive(Debug)]
struct Held {
    pool_id: PoolId,
    comes_with_pool: bool,
    is_before: bool,
    is_after: bool,
    record: Option<RecordId>,
    /// Whether a record has it in another pool.
    differs: bool,
}

impl Comparison {
    /// Notes what the ledger holds before the records are listed.
    pub fn before(&mut self, entry: Entry) {
        self.held(entry).is_before = true;
    }

    /// Notes a record.
    pub fn record(&mut self, record: HeldRecord) {
        self.records += 1;
        if let Some(stranger) = self.place(record) {
            self.strangers.push(stranger);
        }
    }

    /// Notes what the ledger holds after the records were listed.
    pub fn after(&mut self, entry: Entry) {
        self.held(entry).is_after = true;
    }

    /// What differs.
    #[must_use]
    pub fn finish(mut self) -> Differences {
        let mut seen = HashSet::new();
        let (mut leftover, mut differing) = (Vec::new(), Vec::new());
        for record in std::mem::take(&mut self.strangers) {
            // A page may have again what an earlier one had.
            if !seen.insert(record.id.clone()) {
                self.records -= 1;
                continue;
            }
            let Some(record) = self.place(record) else { continue };
            let subnets = self.spaces.entry(record.address_space.clone()).or_default();
            match elsewhere(subnets, &record) {
                Some(held) => differing.push(Differing { record, held }),
                None => {
                    let is_in_held_pool = record.address.is_some_and(|address| {
                        around(address).any(|net| subnets.get(&net).is_some_and(has_pool))
                    });
                    leftover.push(Leftover { record, is_in_held_pool });
                }
            }
        }
        Differences {
            entries: self.entries,
            records: self.records,
            unlisted: self.unlisted(),
            leftover,
            differing,
            doubled: self.doubled,
        }
    }

    fn held(&mut self, entry: Entry) -> &mut Held {
        let Entry { address_space, prefix, address, pool_id, comes_with_pool } = entry;
        let subnet = self.spaces.entry(address_space).or_default().entry(prefix).or_default();
        let new = || Held {
            pool_id,
            comes_with_pool,
            is_before: false,
            is_after: false,
            record: None,
            differs: false,
        };
        let count = &mut self.entries;
        let new = || {
            *count += 1;
            new()
        };
        match address {
            Some(address) => subnet.addresses.entry(address).or_insert_with(new),
            None => subnet.pool.get_or_insert_with(new),
        }
    }

    /// Finds what the record stands for. Gives it back if there is nothing.
    fn place(&mut self, record: HeldRecord) -> Option<HeldRecord> {
        let subnets = self.spaces.get_mut(&record.address_space);
        let subnet = subnets.and_then(|subnets| subnets.get_mut(&record.pool));
        let held = subnet.and_then(|subnet| match &record.address {
            Some(address) => subnet.addresses.get_mut(address),
            None => subnet.pool.as_mut(),
        });
        let Some(held) = held else { return Some(record) };
        match &held.record {
            None => held.record = Some(record.id),
            Some(id) if *id == record.id => self.records -= 1,
            Some(_) if self.doubled.iter().any(|other| other.id == record.id) => self.records -= 1,
            Some(_) => self.doubled.push(record),
        }
        None
    }

    fn unlisted(&self) -> Vec<Entry> {
        let all = self.spaces.iter().flat_map(|(space, subnets)| {
            subnets.iter().flat_map(move |(prefix, subnet)| {
                let pool = subnet.pool.iter().map(|held| (None, held));
                let addresses = subnet.addresses.iter().map(|(ip, held)| (Some(*ip), held));
                pool.chain(addresses).map(move |(address, held)| (space, *prefix, address, held))
            })
        });
        let is_unlisted =
            |held: &Held| held.is_before && held.is_after && held.record.is_none() && !held.differs;
        all.filter(|(.., held)| is_unlisted(held) && !held.comes_with_pool)
            .map(|(space, prefix, address, held)| Entry {
                address_space: space.clone(),
                prefix,
                address,
                pool_id: held.pool_id.clone(),
                comes_with_pool: held.comes_with_pool,
            })
            .collect()
    }
}

/// A pool of the ledger in which the record's address is held, or that overlaps the
/// record's pool. Notes there that it is recorded in another way.
fn elsewhere(subnets: &mut Subnets, record: &HeldRecord) -> Option<IpNet> {
    let mut found = None;
    let mut note = |net: IpNet, held: &mut Held| {
        held.differs = true;
        found.get_or_insert(net);
    };
    match record.address {
        Some(address) => {
            for net in around(address) {
                let subnet = subnets.get_mut(&net);
                if let Some(held) = subnet.and_then(|subnet| subnet.addresses.get_mut(&address)) {
                    note(net, held);
                }
            }
        }
        None => {
            let wider = around(record.pool.network());
            let wider: Vec<_> = wider.take(usize::from(record.pool.prefix_len())).collect();
            for net in wider {
                if let Some(held) = subnets.get_mut(&net).and_then(|subnet| subnet.pool.as_mut()) {
                    note(net, held);
                }
            }
            for (net, subnet) in subnets.range_mut(record.pool..) {
                if !record.pool.contains(&net.network()) {
                    break;
                }
                if let Some(held) = &mut subnet.pool {
                    note(*net, held);
                }
            }
        }
    }
    found
}

fn has_pool(subnet: &Subnet) -> bool {
    subnet.pool.is_some()
}

/// All prefixes that an address is in, the widest first.
fn around(address: IpAddr) -> impl Iterator<Item = IpNet> {
    let whole = IpNet::from(address);
    (0..=whole.max_prefix_len())
        .filter_map(move |length| IpNet::new(address, length).ok())
        .map(|net| net.trunc())
}

#[cfg(test)]
pub(super) mod tests {
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
        assert_eq!((found.differing.len(), found.doubled.len()), (0, 0));
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
        assert_eq!(found.doubled, [records[2].clone()]);
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
}
