//! A system of record, as small as one can be: pools and addresses by number.

use ipam_api::{Failure, HeldRecord, IpNet, RecordId, RecordPage};
use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
};

/// What a fake driver's grants are recorded in.
#[derive(Default)]
pub(crate) struct System {
    pub(crate) records: BTreeMap<u64, (IpNet, Option<IpAddr>)>,
    last: u64,
    /// What the next pages are instead.
    pub(crate) pages: VecDeque<Result<RecordPage, Failure>>,
}

impl System {
    /// Records a grant. What is there already was left behind, and is taken over.
    pub(crate) fn make(&mut self, pool: IpNet, address: Option<IpAddr>) -> u64 {
        if let Some(known) = self.find(pool, address) {
            return known;
        }
        self.last += 1;
        self.records.insert(self.last, (pool, address));
        self.last
    }

    pub(crate) fn find(&self, pool: IpNet, address: Option<IpAddr>) -> Option<u64> {
        let mut all = self.records.iter();
        all.find(|(_, record)| **record == (pool, address)).map(|(id, _)| *id)
    }

    pub(crate) fn delete(&mut self, pool: IpNet, address: Option<IpAddr>) {
        self.records.retain(|_, record| *record != (pool, address));
    }

    /// A pool goes with all that is recorded in it, as `records.wit` says.
    pub(crate) fn delete_pool(&mut self, pool: IpNet) {
        self.records.retain(|_, record| record.0 != pool);
    }

    /// The cursor is the last number of the page before.
    pub(crate) fn list(&mut self, cursor: Option<&str>, limit: u32) -> Result<RecordPage, Failure> {
        if let Some(page) = self.pages.pop_front() {
            return page;
        }
        let last = cursor.map_or(0, |cursor| cursor.parse().unwrap());
        let listed = self.records.range(last + 1..).take(limit as usize);
        let records: Vec<_> = listed.map(|(id, record)| held(*id, *record)).collect();
        let is_last = records.len() < limit as usize;
        let next = records.last().filter(|_| !is_last).map(|record| record.id.to_string());
        Ok(RecordPage { records, next })
    }

    pub(crate) fn remove(&mut self, record: &HeldRecord) -> Result<bool, Failure> {
        let id = record.id.as_str().parse().unwrap();
        let is_this = self.records.get(&id) == Some(&(record.pool, record.address));
        Ok(is_this && self.records.remove(&id).is_some())
    }
}

/// A record as it is listed.
pub(crate) fn held(id: u64, (pool, address): (IpNet, Option<IpAddr>)) -> HeldRecord {
    HeldRecord {
        id: RecordId::try_from(id.to_string().as_str()).unwrap(),
        address_space: "local".to_owned(),
        pool,
        address,
        label: format!("number {id}"),
    }
}
