//! One driver's part, read back from the tables.

use super::{
    error::DurableError,
    tables::{
        DRIVERS, DriverRow, HEAD_KEY, Head, LEASES, META, META_HEAD, OWED, POOLS, PoolRow, STORED,
        damaged, miscounted, octets,
    },
};
use crate::{Event, State};
use ipam_api::{DriverName, Stored};
use redb::{ReadTransaction, ReadableTable};

/// The row of single facts.
pub(super) fn head(transaction: &ReadTransaction) -> Result<Head, DurableError> {
    let meta = transaction.open_table(META)?;
    META_HEAD.get(&meta, HEAD_KEY)?.ok_or_else(|| damaged("meta", &HEAD_KEY, "is missing"))
}

/// All drivers with their rows. There are few: all are read, so that one that
/// is gone is noticed.
pub(super) fn drivers(
    transaction: &ReadTransaction,
) -> Result<Vec<(DriverName, DriverRow)>, DurableError> {
    let table = transaction.open_table(DRIVERS.table())?;
    let mut drivers = Vec::new();
    for row in table.iter()? {
        let (key, value) = row?;
        let row = DRIVERS.row(&key, &value)?;
        let name = key.value();
        let name = name.parse().map_err(|_| damaged("drivers", &name, "is no driver's name"))?;
        drivers.push((name, row));
    }
    let (found, said) = (drivers.len() as u64, head(transaction)?.drivers);
    if found != said {
        return Err(miscounted("drivers", "the ledger", found, said));
    }
    Ok(drivers)
}

/// One driver's part: what applying its events to nothing would give.
pub(super) fn state(
    transaction: &ReadTransaction,
    driver: &DriverName,
) -> Result<State, DurableError> {
    let rows = drivers(transaction)?;
    let Some((_, row)) = rows.iter().find(|(name, _)| name == driver) else {
        return Ok(State::default());
    };
    let mut state = State::default();
    state.advance_to(row.generation);
    if let Some(version) = row.version {
        state.apply(&Event::VersionChanged(version));
    }
    pools(transaction, driver, row, &mut state)?;
    leases(transaction, driver, row, &mut state)?;
    owed(transaction, driver, row, &mut state)?;
    stored(transaction, driver, row, &mut state)?;
    Ok(state)
}

fn pools(
    transaction: &ReadTransaction,
    driver: &DriverName,
    said: &DriverRow,
    state: &mut State,
) -> Result<(), DurableError> {
    let mut found = 0;
    for row in transaction.open_table(POOLS.table())?.range((driver.as_str(), "")..)? {
        let (key, value) = row?;
        if key.value().0 != driver.as_str() {
            break;
        }
        let PoolRow { pool, holds, claim } = POOLS.row(&key, &value)?;
        if key.value().1 != pool.pool_id.as_str() || holds == 0 {
            return Err(damaged("pools", &key.value(), "contradicts itself"));
        }
        state.restore_pool(&pool, holds, claim.map(|(before, _)| before.0));
        found += 1;
    }
    if found != said.pools {
        return Err(miscounted("pools", driver.as_str(), found, said.pools));
    }
    Ok(())
}

fn leases(
    transaction: &ReadTransaction,
    driver: &DriverName,
    said: &DriverRow,
    state: &mut State,
) -> Result<(), DurableError> {
    let mut found = 0;
    let table = transaction.open_table(LEASES.table())?;
    for row in table.range((driver.as_str(), "", &[][..])..)? {
        let (key, value) = row?;
        let (of, pool_id, address) = key.value();
        if of != driver.as_str() {
            break;
        }
        let row = LEASES.row(&key, &value)?;
        let is_its_own =
            (pool_id, address) == (row.lease.pool_id.as_str(), &octets(row.lease.ip())[..]);
        if !is_its_own || !state.restore_lease(&row.lease, row.claimed_in.map(|before| before.0)) {
            return Err(damaged("leases", &key.value(), "fits no pool"));
        }
        found += 1;
    }
    if found != said.leases {
        return Err(miscounted("leases", driver.as_str(), found, said.leases));
    }
    Ok(())
}

fn owed(
    transaction: &ReadTransaction,
    driver: &DriverName,
    said: &DriverRow,
    state: &mut State,
) -> Result<(), DurableError> {
    let mut found = 0;
    let name = driver.as_str();
    for row in transaction.open_table(OWED.table())?.range((name, 0)..=(name, u64::MAX))? {
        let (key, value) = row?;
        let row = OWED.row(&key, &value)?;
        let (_, number) = key.value();
        state.apply(&Event::Owed { number, pool_id: row.pool_id, address: row.address });
        found += 1;
    }
    if found != said.owed {
        return Err(miscounted("owed", name, found, said.owed));
    }
    Ok(())
}

fn stored(
    transaction: &ReadTransaction,
    driver: &DriverName,
    said: &DriverRow,
    state: &mut State,
) -> Result<(), DurableError> {
    let mut stored = Stored::new();
    let name = driver.as_str();
    for row in transaction.open_table(STORED.table())?.range((name, "")..)? {
        let (key, value) = row?;
        let (of, own) = key.value();
        if of != name {
            break;
        }
        stored.insert(own.to_owned(), STORED.row(&key, &value)?);
    }
    let found = stored.len() as u64;
    if found != said.stored {
        return Err(miscounted("store", name, found, said.stored));
    }
    state.restore_stored(stored);
    Ok(())
}
