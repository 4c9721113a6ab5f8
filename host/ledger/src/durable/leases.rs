//! The leases that one transaction changes.
//!
//! What happens to the addresses of a pool is gathered and written in their
//! order: what was given back meanwhile is never written, and addresses that
//! follow each other, as most drivers grant them, go into the tree in one
//! piece. Each by itself, they were most of what a checkpoint costs.

use super::{
    error::DurableError,
    tables::{LEASES, LeaseKey, LeaseRow, octets},
};
use ipam_api::PoolId;
use redb::{CursorError, ReadableTable, Table, WriteTransaction};
use std::{collections::BTreeMap, mem, net::IpAddr, ops::Bound};

/// Addresses that follow each other go in one piece if they are as many:
/// beginning one costs as much as a few rows.
const RUN_MIN: usize = 8;

pub(super) struct Writer<'t> {
    table: Table<'t, LeaseKey, &'static [u8]>,
    /// Of the pool that was changed last: the next change is most likely of it.
    current: Option<(Of, Rows)>,
    /// Of all others.
    gathered: BTreeMap<Of, Rows>,
    counts: BTreeMap<String, Counts>,
}

/// How many rows of a driver came and went.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) added: u64,
    pub(super) removed: u64,
}

/// A driver and a pool of it.
type Of = (String, PoolId);
/// What each address of a pool is now; nothing if it is free.
type Rows = BTreeMap<IpAddr, Option<LeaseRow>>;
type Row = (IpAddr, Option<LeaseRow>);

impl<'t> Writer<'t> {
    pub(super) fn new(transaction: &'t WriteTransaction) -> Result<Self, DurableError> {
        let table = transaction.open_table(LEASES.table())?;
        Ok(Self { table, current: None, gathered: BTreeMap::new(), counts: BTreeMap::new() })
    }

    /// The address has a lease from now on, or none.
    pub(super) fn set(
        &mut self,
        driver: &str,
        pool_id: &PoolId,
        address: IpAddr,
        row: Option<LeaseRow>,
    ) {
        let is_current = |((of, id), _): &(Of, Rows)| of == driver && id == pool_id;
        if !self.current.as_ref().is_some_and(is_current) {
            self.gathered.extend(self.current.take());
            let of = (driver.to_owned(), pool_id.clone());
            let rows = self.gathered.remove(&of).unwrap_or_default();
            self.current = Some((of, rows));
        }
        if let Some((_, rows)) = &mut self.current {
            rows.insert(address, row);
        }
    }

    /// Whether there is such a lease, which is changed now.
    pub(super) fn change(
        &mut self,
        driver: &str,
        pool_id: &PoolId,
        address: IpAddr,
        change: impl FnOnce(&mut LeaseRow),
    ) -> Result<bool, DurableError> {
        self.flush()?;
        let address = octets(address);
        let key = (driver, pool_id.as_str(), &address[..]);
        let Some(mut row) = LEASES.get(&self.table, key)? else { return Ok(false) };
        change(&mut row);
        LEASES.put(&mut self.table, key, &row)?;
        Ok(true)
    }

    /// Removes all of a pool.
    pub(super) fn clear(&mut self, driver: &str, pool_id: &PoolId) -> Result<(), DurableError> {
        self.flush()?;
        let mut left = Vec::new();
        for row in self.table.range((driver, pool_id.as_str(), &[][..])..)? {
            let (key, _) = row?;
            let (of, under, address) = key.value();
            if (of, under) != (driver, pool_id.as_str()) {
                break;
            }
            left.push(address.to_vec());
        }
        for address in &left {
            self.table.remove((driver, pool_id.as_str(), &address[..]))?;
        }
        self.counts(driver).removed += left.len() as u64;
        Ok(())
    }

    /// Writes what is left.
    pub(super) fn finish(mut self) -> Result<BTreeMap<String, Counts>, DurableError> {
        self.flush()?;
        Ok(self.counts)
    }

    fn counts(&mut self, driver: &str) -> &mut Counts {
        self.counts.entry(driver.to_owned()).or_default()
    }

    /// Writes what was gathered, in the order of its keys.
    fn flush(&mut self) -> Result<(), DurableError> {
        self.gathered.extend(self.current.take());
        for ((driver, pool_id), rows) in mem::take(&mut self.gathered) {
            let rows: Vec<_> = rows.into_iter().collect();
            let (mut added, mut removed) = (0, 0);
            for run in rows.chunk_by(is_run) {
                let (written, others) = run.split_at(self.append(&driver, &pool_id, run)?);
                added += written.len() as u64;
                for (address, row) in others {
                    let address = octets(*address);
                    let key = (&*driver, pool_id.as_str(), &address[..]);
                    match row {
                        Some(row) => added += u64::from(LEASES.put(&mut self.table, key, row)?),
                        None => removed += u64::from(self.table.remove(key)?.is_some()),
                    }
                }
            }
            let counts = self.counts(&driver);
            counts.added += added;
            counts.removed += removed;
        }
        Ok(())
    }

    /// Writes what is worth being written in one piece, up to an address that
    /// is there already, and returns how many rows.
    fn append(
        &mut self,
        driver: &str,
        pool_id: &PoolId,
        run: &[Row],
    ) -> Result<usize, DurableError> {
        let Some((first, _)) = run.first().filter(|_| run.len() >= RUN_MIN) else { return Ok(0) };
        let first = octets(*first);
        let gap = Bound::Excluded((driver, pool_id.as_str(), &first[..]));
        let mut cursor = self.table.upper_bound_mut(gap)?;
        let mut written = 0;
        for (address, row) in run {
            let Some(row) = row else { break };
            let address = octets(*address);
            let key = (driver, pool_id.as_str(), &address[..]);
            match cursor.insert_before(key, &LEASES.seal(&key, row)?[..]) {
                Ok(()) => written += 1,
                Err(CursorError::UnorderedKey) => break,
                Err(error) => return Err(redb::Error::from(error).into()),
            }
        }
        cursor.close()?;
        Ok(written)
    }
}

/// Whether nothing can be between two rows, which are both to be written.
fn is_run(one: &Row, next: &Row) -> bool {
    one.1.is_some() && next.1.is_some() && successor(one.0) == Some(next.0)
}

pub(super) fn successor(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => address.to_bits().checked_add(1).map(|bits| IpAddr::V4(bits.into())),
        IpAddr::V6(address) => address.to_bits().checked_add(1).map(|bits| IpAddr::V6(bits.into())),
    }
}
