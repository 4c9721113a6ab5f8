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
    pub duplicates: Vec<HeldRecord>,
}

/// A comparison under way: first [`Comparison::before`], then
/// [`Comparison::record`], then [`Comparison::after`].
#[derive(Debug, Default)]
pub struct Comparison {
    spaces: BTreeMap<String, Subnets>,
    /// Records that nothing stood for when they came.
    unmatched: Vec<HeldRecord>,
    duplicates: Vec<HeldRecord>,
    entries: usize,
    /// A page may have again what an earlier one had.
    ids: HashSet<RecordId>,
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
        if self.ids.insert(record.id.clone())
            && let Some(record) = self.place(record)
        {
            self.unmatched.push(record);
        }
    }

    /// Notes what the ledger holds after the records were listed.
    pub fn after(&mut self, entry: Entry) {
        self.held(entry).is_after = true;
    }

    /// What differs.
    #[must_use]
    pub fn finish(mut self) -> Differences {
        let (mut leftover, mut differing) = (Vec::new(), Vec::new());
        for record in std::mem::take(&mut self.unmatched) {
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
            records: self.ids.len(),
            unlisted: self.unlisted(),
            leftover,
            differing,
            duplicates: self.duplicates,
        }
    }

    fn held(&mut self, entry: Entry) -> &mut Held {
        let Entry { address_space, prefix, address, pool_id, comes_with_pool } = entry;
        let subnet = self.spaces.entry(address_space).or_default().entry(prefix).or_default();
        let count = &mut self.entries;
        let new = || {
            *count += 1;
            Held {
                pool_id,
                comes_with_pool,
                is_before: false,
                is_after: false,
                record: None,
                differs: false,
            }
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
        match held.record {
            None => held.record = Some(record.id),
            Some(_) => self.duplicates.push(record),
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
            for net in around(record.pool.network()).take(usize::from(record.pool.prefix_len())) {
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
pub(super) mod tests;
