//! From older formats to the present one, in one transaction.
//!
//! Format 1 is what the ledger held before events carried a cause: entries
//! without `granted`, nothing owed, no history. In format 2 no driver had a
//! store.

use super::{
    entries::make_tables,
    error::DurableError,
    tables::{
        self, DRIVERS, DriverRow, FORMAT, FORMAT_KEY, HEAD_KEY, LEASES, LeaseKey, LeaseRow, META,
        META_FORMAT, META_HEAD, POOLS, PoolKey, PoolRow, Sealed, StoredClaim,
    },
};
use crate::{Actor, Asked, Audit, Lease, Pool, Session, Time, Version};
use ipam_api::{IpNet, Options, PoolId};
use redb::{ReadableTable, WriteTransaction};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What entries of format 1 are said to have been granted by: nobody knows
/// when, and it was the host that wrote it down.
pub(super) const UNKNOWN: Audit = Audit { at: Time(0), by: Actor::Host };

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Pool1 {
    #[serde(with = "crate::plain::pool_id")]
    pub(super) pool_id: PoolId,
    pub(super) address_space: String,
    pub(super) prefix: IpNet,
    pub(super) sub_pool: Option<IpNet>,
    pub(super) asked: Asked,
    pub(super) options: Options,
    pub(super) data: Options,
    pub(super) generation: u64,
    pub(super) created_in: Option<Session>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PoolRow1 {
    pub(super) pool: Pool1,
    pub(super) holds: u64,
    pub(super) claim: StoredClaim,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Lease1 {
    #[serde(with = "crate::plain::pool_id")]
    pub(super) pool_id: PoolId,
    pub(super) address: IpNet,
    pub(super) asked: Asked,
    pub(super) options: Options,
    pub(super) data: Options,
    pub(super) generation: u64,
    pub(super) created_in: Option<Session>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct LeaseRow1 {
    pub(super) lease: Lease1,
    pub(super) claimed_in: Option<Session>,
}

/// That of format 1, too.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct DriverRow2 {
    pub(super) generation: u64,
    pub(super) version: Option<Version>,
    pub(super) pools: u64,
    pub(super) leases: u64,
    pub(super) owed: u64,
}

pub(super) const DRIVERS_2: Sealed<&'static str, DriverRow2> = Sealed::new("drivers");
pub(super) const POOLS_1: Sealed<PoolKey, PoolRow1> = Sealed::new("pools");
pub(super) const LEASES_1: Sealed<LeaseKey, LeaseRow1> = Sealed::new("leases");

/// Rewrites the rows that changed, and adds the tables that there were not.
pub(super) fn from(format: u32, transaction: &WriteTransaction) -> Result<(), DurableError> {
    let head = tables::head(&transaction.open_table(META)?)?;
    if format == 1 {
        migrate_pools(transaction)?;
        migrate_leases(transaction)?;
    }
    migrate_drivers(transaction)?;
    make_tables(transaction)?;
    let mut meta = transaction.open_table(META)?;
    META_HEAD.put(&mut meta, HEAD_KEY, &head)?;
    META_FORMAT.put(&mut meta, FORMAT_KEY, &FORMAT)?;
    Ok(())
}

fn migrate_drivers(transaction: &WriteTransaction) -> Result<(), DurableError> {
    let mut table = transaction.open_table(DRIVERS_2.table())?;
    let rows = DRIVERS_2.rows(table.iter()?, |driver, row| Ok((driver.to_owned(), row)))?;
    for (driver, old) in rows {
        let DriverRow2 { generation, version, pools, leases, owed } = old;
        let row = DriverRow { generation, version, pools, leases, owed, stored: 0 };
        DRIVERS.put(&mut table, &driver, &row)?;
    }
    Ok(())
}

fn migrate_pools(transaction: &WriteTransaction) -> Result<(), DurableError> {
    let mut table = transaction.open_table(POOLS_1.table())?;
    let rows = POOLS_1.rows(table.iter()?, |(driver, _), row| Ok((driver.to_owned(), row)))?;
    for (driver, PoolRow1 { pool: old, holds, claim }) in rows {
        let pool = Arc::new(Pool {
            pool_id: old.pool_id,
            address_space: old.address_space,
            prefix: old.prefix,
            sub_pool: old.sub_pool,
            asked: old.asked,
            options: old.options,
            data: old.data,
            generation: old.generation,
            created_in: old.created_in,
            granted: UNKNOWN,
        });
        let row = PoolRow { pool, holds, claim };
        POOLS.put(&mut table, (&driver, row.pool.pool_id.as_str()), &row)?;
    }
    Ok(())
}

fn migrate_leases(transaction: &WriteTransaction) -> Result<(), DurableError> {
    let mut table = transaction.open_table(LEASES_1.table())?;
    let rows = LEASES_1.rows(table.iter()?, |(driver, _, address), row| {
        Ok((driver.to_owned(), address.to_vec(), row))
    })?;
    for (driver, address, LeaseRow1 { lease: old, claimed_in }) in rows {
        let lease = Arc::new(Lease {
            pool_id: old.pool_id,
            address: old.address,
            asked: old.asked,
            options: old.options,
            data: old.data,
            generation: old.generation,
            created_in: old.created_in,
            granted: UNKNOWN,
        });
        let row = LeaseRow { lease, claimed_in };
        LEASES.put(&mut table, (&driver, row.lease.pool_id.as_str(), &address), &row)?;
    }
    Ok(())
}
