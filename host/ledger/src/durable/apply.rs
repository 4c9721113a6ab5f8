//! Events, applied to the tables as [`State::apply`](crate::State::apply)
//! applies them to a value. Whoever changes one changes the other.

use super::{
    error::DurableError,
    history, leases,
    tables::{
        DRIVERS, DriverRow, Extent, LeaseRow, OWED, OwedKey, OwedRow, POOLS, PoolKey, PoolRow,
        STORED, StoredKey, next,
    },
};
use crate::{Changes, Event, Lease, Pool, Session};
use ipam_api::{DriverName, PoolId, Writes};
use redb::{ReadableTable, Table, WriteTransaction};
use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

type Rows<'t, K> = Table<'t, K, &'static [u8]>;

/// The tables of one transaction.
pub(super) struct Writer<'t> {
    drivers: Rows<'t, &'static str>,
    pools: Rows<'t, PoolKey>,
    leases: leases::Writer<'t>,
    owed: Rows<'t, OwedKey>,
    stored: Rows<'t, StoredKey>,
    history: history::Writer<'t>,
    /// Rows of `drivers` that change, written last.
    changed: BTreeMap<DriverName, DriverRow>,
    driver_count: u64,
    /// A driver and a pool of it that leases can be of: the next lease is most
    /// likely of the same one, and need not look for it.
    leased_of: Option<(String, PoolId)>,
}

impl<'t> Writer<'t> {
    pub(super) fn new(
        transaction: &'t WriteTransaction,
        driver_count: u64,
        extent: &Extent,
    ) -> Result<Self, DurableError> {
        Ok(Self {
            drivers: transaction.open_table(DRIVERS.table())?,
            pools: transaction.open_table(POOLS.table())?,
            leases: leases::Writer::new(transaction)?,
            owed: transaction.open_table(OWED.table())?,
            stored: transaction.open_table(STORED.table())?,
            history: history::Writer::new(transaction, extent)?,
            changed: BTreeMap::new(),
            driver_count,
            leased_of: None,
        })
    }

    pub(super) fn apply(&mut self, changes: &Changes) -> Result<(), DurableError> {
        let Changes { driver, records } = changes;
        let mut row = match self.changed.remove(driver) {
            Some(row) => row,
            None => DRIVERS.get(&self.drivers, driver.as_str())?.unwrap_or_default(),
        };
        for record in records {
            self.apply_event(driver.as_str(), &mut row, &record.event)?;
            // What a driver writes for itself is nobody's past, and would push
            // that of others out.
            if matches!(record.event, Event::Stored(_)) {
                continue;
            }
            // The change of a version is the first event of the new one.
            self.history.push(driver, row.version.and_then(|version| version.digest), record)?;
        }
        self.changed.insert(driver.clone(), row);
        Ok(())
    }

    /// Writes what is left, and returns how many drivers there are, and the
    /// extent of the history.
    pub(super) fn finish(
        mut self,
        retention: history::Retention,
    ) -> Result<(u64, Extent), DurableError> {
        let counts = self.leases.finish()?;
        for (driver, row) in &mut self.changed {
            if let Some(counts) = counts.get(driver.as_str()) {
                row.leases = (row.leases + counts.added).saturating_sub(counts.removed);
            }
            let is_new = DRIVERS.put(&mut self.drivers, driver.as_str(), row)?;
            self.driver_count += u64::from(is_new);
        }
        Ok((self.driver_count, self.history.finish(retention)?))
    }

    fn apply_event(
        &mut self,
        driver: &str,
        row: &mut DriverRow,
        event: &Event,
    ) -> Result<(), DurableError> {
        match event {
            Event::PoolGranted(pool) => {
                row.generation = row.generation.max(pool.generation);
                let key = (driver, pool.pool_id.as_str());
                let stored = PoolRow { pool: pool.clone(), holds: 1, claim: None };
                row.pools += u64::from(POOLS.put(&mut self.pools, key, &stored)?);
                self.leased_of = None;
            }
            Event::PoolHeld { pool_id, generation, claim } => {
                row.generation = row.generation.max(*generation);
                self.change_pool(driver, pool_id, |pool| {
                    pool.holds += 1;
                    pool.claim = claim.map(|session| (session, *generation)).or(pool.claim);
                })?;
            }
            Event::HoldDropped { pool_id, undoes_claim, .. } => {
                self.change_pool(driver, pool_id, |pool| {
                    pool.holds = pool.holds.saturating_sub(1).max(1);
                    pool.claim = pool.claim.filter(|_| !undoes_claim);
                })?;
            }
            Event::PoolReleased(pool) => {
                let key = (driver, pool.pool_id.as_str());
                let was_there = self.pools.remove(key)?.is_some();
                self.leased_of = None;
                row.pools = row.pools.saturating_sub(u64::from(was_there));
                self.leases.clear(driver, &pool.pool_id)?;
            }
            Event::AddressLeased(lease) => {
                row.generation = row.generation.max(lease.generation);
                self.lease_out(driver, lease, None)?;
            }
            Event::LeaseClaimed { lease, before } => {
                row.generation = row.generation.max(lease.generation);
                self.lease_out(driver, lease, Some(Session(*before)))?;
            }
            Event::PoolClaimed { pool, before } => {
                row.generation = row.generation.max(pool.generation);
                self.change_pool(driver, &pool.pool_id, |row| {
                    row.pool = pool.clone();
                    row.claim = Some((Session(*before), pool.generation));
                })?;
            }
            Event::Unclaimed { pool_id, address: None, generation, before } => {
                self.change_pool(driver, pool_id, |row| {
                    if row.pool.generation == *generation {
                        Arc::make_mut(&mut row.pool).generation = *before;
                        row.claim = None;
                    }
                })?;
            }
            Event::Unclaimed { pool_id, address: Some(address), generation, before } => {
                self.leases.change(driver, pool_id, *address, |row| {
                    if row.lease.generation == *generation {
                        Arc::make_mut(&mut row.lease).generation = *before;
                        row.claimed_in = None;
                    }
                })?;
            }
            Event::AddressClaimed { pool_id, address, session } => {
                self.claim(driver, pool_id, *address, *session)?;
            }
            Event::AddressReleased(lease) => {
                self.leases.set(driver, &lease.pool_id, lease.ip(), None);
            }
            Event::Owed { number, pool_id, address } => {
                let stored = OwedRow { pool_id: pool_id.clone(), address: *address };
                row.owed += u64::from(OWED.put(&mut self.owed, (driver, *number), &stored)?);
            }
            Event::Told { number } => {
                let was_there = self.owed.remove((driver, *number))?.is_some();
                row.owed = row.owed.saturating_sub(u64::from(was_there));
            }
            Event::VersionChanged(version) => row.version = Some(*version),
            Event::Stored(writes) => self.write(driver, row, writes)?,
        }
        Ok(())
    }

    fn write(
        &mut self,
        driver: &str,
        row: &mut DriverRow,
        writes: &Writes,
    ) -> Result<(), DurableError> {
        for (key, value) in writes {
            let key = (driver, key.as_str());
            match value {
                Some(value) => {
                    row.stored += u64::from(STORED.put(&mut self.stored, key, value)?);
                }
                None => {
                    let was_there = self.stored.remove(key)?.is_some();
                    row.stored = row.stored.saturating_sub(u64::from(was_there));
                }
            }
        }
        Ok(())
    }

    fn change_pool(
        &mut self,
        driver: &str,
        pool_id: &PoolId,
        change: impl FnOnce(&mut PoolRow),
    ) -> Result<(), DurableError> {
        let key = (driver, pool_id.as_str());
        if let Some(mut pool) = POOLS.get(&self.pools, key)? {
            change(&mut pool);
            POOLS.put(&mut self.pools, key, &pool)?;
        }
        Ok(())
    }

    /// Stores a lease, if there is a pool that it can be of.
    fn lease_out(
        &mut self,
        driver: &str,
        lease: &Arc<Lease>,
        claimed_in: Option<Session>,
    ) -> Result<(), DurableError> {
        let is_known = |(of, id): &(String, PoolId)| of == driver && *id == lease.pool_id;
        if !self.leased_of.as_ref().is_some_and(is_known) {
            let pool = POOLS.get(&self.pools, (driver, lease.pool_id.as_str()))?;
            if pool.is_none_or(|row| row.pool.is_no_pool()) {
                return Ok(());
            }
            self.leased_of = Some((driver.to_owned(), lease.pool_id.clone()));
        }
        let stored = LeaseRow { lease: lease.clone(), claimed_in };
        self.leases.set(driver, &lease.pool_id, lease.ip(), Some(stored));
        Ok(())
    }

    /// The lease may have been taken under another id of the same prefix.
    fn claim(
        &mut self,
        driver: &str,
        pool_id: &PoolId,
        address: IpAddr,
        session: Session,
    ) -> Result<(), DurableError> {
        let Some(named) = POOLS.get(&self.pools, (driver, pool_id.as_str()))? else {
            return Ok(());
        };
        let claim = |row: &mut LeaseRow| row.claimed_in = Some(session);
        if self.leases.change(driver, pool_id, address, claim)? {
            return Ok(());
        }
        let own = (driver, "")..(&*next(driver), "");
        let pools = POOLS.rows(self.pools.range(own)?, |_, row| Ok(row.pool))?;
        let is_same = |pool: &&Arc<Pool>| {
            (&pool.address_space, pool.prefix) == (&named.pool.address_space, named.pool.prefix)
        };
        for other in pools.iter().filter(is_same) {
            if self.leases.change(driver, &other.pool_id, address, claim)? {
                break;
            }
        }
        Ok(())
    }
}
