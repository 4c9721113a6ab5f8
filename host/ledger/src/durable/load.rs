//! One driver's part, read back from the tables.

use super::{
    error::DurableError,
    tables::{
        self, DRIVERS, DriverRow, Head, LEASES, META, OWED, POOLS, PoolRow, STORED, counted,
        damaged, next, octets,
    },
};
use crate::{Event, State};
use ipam_api::DriverName;
use redb::{ReadTransaction, ReadableTable};

/// The row of single facts.
pub(super) fn head(transaction: &ReadTransaction) -> Result<Head, DurableError> {
    tables::head(&transaction.open_table(META)?)
}

/// All drivers with their rows. There are few: all are read, so that one that
/// is gone is noticed.
pub(super) fn drivers(
    transaction: &ReadTransaction,
) -> Result<Vec<(DriverName, DriverRow)>, DurableError> {
    let table = transaction.open_table(DRIVERS.table())?;
    let drivers = DRIVERS.rows(table.iter()?, |name, row| {
        let parsed = name.parse().map_err(|_| damaged("drivers", &name, "is no driver's name"))?;
        Ok((parsed, row))
    })?;
    counted("drivers", "the ledger", drivers.len(), head(transaction)?.drivers)?;
    Ok(drivers)
}

/// One driver's part: what applying its events to nothing would give.
pub(super) fn state(
    transaction: &ReadTransaction,
    driver: &DriverName,
) -> Result<State, DurableError> {
    let rows = drivers(transaction)?;
    let Some((_, said)) = rows.iter().find(|(name, _)| name == driver) else {
        return Ok(State::default());
    };
    let mut state = State::default();
    state.advance_to(said.generation);
    if let Some(version) = said.version {
        state.apply(&Event::VersionChanged(version));
    }
    let (name, next) = (driver.as_str(), &*next(driver.as_str()));

    let table = transaction.open_table(POOLS.table())?;
    let found = POOLS.rows(table.range((name, "")..(next, ""))?, |key, row| {
        let PoolRow { pool, holds, claim } = row;
        if key.1 != pool.pool_id.as_str() || holds == 0 {
            return Err(damaged("pools", &key, "contradicts itself"));
        }
        state.restore_pool(&pool, holds, claim.map(|(before, _)| before.0));
        Ok(())
    })?;
    counted("pools", name, found.len(), said.pools)?;

    let table = transaction.open_table(LEASES.table())?;
    let own = (name, "", &[][..])..(next, "", &[][..]);
    let found = LEASES.rows(table.range(own)?, |key, row| {
        let address = octets(row.lease.ip());
        let is_its_own = (key.1, key.2) == (row.lease.pool_id.as_str(), &address[..]);
        if !is_its_own || !state.restore_lease(&row.lease, row.claimed_in.map(|before| before.0)) {
            return Err(damaged("leases", &key, "fits no pool"));
        }
        Ok(())
    })?;
    counted("leases", name, found.len(), said.leases)?;

    let table = transaction.open_table(OWED.table())?;
    let found = OWED.rows(table.range((name, 0)..(next, 0))?, |(_, number), row| {
        state.apply(&Event::Owed { number, pool_id: row.pool_id, address: row.address });
        Ok(())
    })?;
    counted("owed", name, found.len(), said.owed)?;

    let table = transaction.open_table(STORED.table())?;
    let stored = STORED.rows(table.range((name, "")..(next, ""))?, |(_, own), value| {
        Ok((own.to_owned(), value))
    })?;
    counted("store", name, stored.len(), said.stored)?;
    state.restore_stored(stored.into_iter().collect());
    Ok(state)
}
