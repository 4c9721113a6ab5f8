//! The entries as redb's tables. `FORMAT.md` is the specification.

use crate::{Changes, Event, Lease, Pool, Record, Release, Session, State, StoreError, Version};
use ipam_api::{DriverName, PoolId};
use redb::{Key, ReadableTable, Table, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{net::IpAddr, sync::Arc};

/// What this program reads and writes.
pub(crate) const FORMAT: u64 = 1;

pub(crate) const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
pub(crate) const DRIVERS: TableDefinition<&str, &[u8]> = TableDefinition::new("drivers");
pub(crate) const POOLS: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("pools");
pub(crate) const LEASES: TableDefinition<(&str, &str, &[u8]), &[u8]> =
    TableDefinition::new("leases");
pub(crate) const OWED: TableDefinition<(&str, u64), &[u8]> = TableDefinition::new("owed");
pub(crate) const HISTORY: TableDefinition<u64, &[u8]> = TableDefinition::new("history");

/// Keys of [`META`].
pub(crate) const META_FORMAT: &str = "format";
pub(crate) const META_APPLIED: &str = "applied";
pub(crate) const META_HISTORY_BYTES: &str = "history-bytes";

#[derive(Default, Serialize, Deserialize)]
pub(crate) struct DriverEntry {
    pub(crate) generation: u64,
    pub(crate) version: Option<Version>,
    /// How many entries there must be: a file that is damaged where no record
    /// is may still lose some.
    pub(crate) pools: u64,
    pub(crate) leases: u64,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct PoolEntry {
    pub(crate) pool: Arc<Pool>,
    pub(crate) holds: u64,
    pub(crate) claim: Option<(Session, u64)>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct LeaseEntry {
    pub(crate) lease: Arc<Lease>,
    pub(crate) claimed_in: Option<Session>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct OwedEntry {
    #[serde(with = "crate::plain::pool_id")]
    pub(crate) pool_id: PoolId,
    pub(crate) address: Option<IpAddr>,
}

/// Some events of one driver while one version served.
#[derive(Serialize, Deserialize)]
pub(crate) struct Block {
    #[serde(with = "crate::plain::driver")]
    pub(crate) driver: DriverName,
    #[serde(with = "crate::plain::digest")]
    pub(crate) digest: Option<ipam_api::Digest>,
    pub(crate) records: Vec<Record>,
}

pub(crate) fn failed(error: impl Into<redb::Error>) -> StoreError {
    StoreError::new(error.into())
}

/// A value with a checksum of its own, which covers its key as well.
pub(crate) fn seal(key: &[u8], value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    let mut bytes = postcard::to_allocvec(value).map_err(StoreError::new)?;
    let checksum = checksum(key, &bytes);
    bytes.extend(checksum.to_le_bytes());
    Ok(bytes)
}

/// # Errors
/// Which record is damaged.
pub(crate) fn unseal<T: DeserializeOwned>(
    table: &str,
    key: &[u8],
    bytes: &[u8],
) -> Result<T, StoreError> {
    let damaged = || {
        let key = key.escape_ascii();
        StoreError::new(format!("record {key} of table {table} is damaged; restore a backup"))
    };
    let (payload, sum) = bytes.split_last_chunk::<4>().ok_or_else(damaged)?;
    if checksum(key, payload) != u32::from_le_bytes(*sum) {
        return Err(damaged());
    }
    postcard::from_bytes(payload).map_err(|_| damaged())
}

fn checksum(key: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(payload);
    hasher.finalize()
}

pub(crate) fn ip_bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// The tables of one transaction that writes.
pub(crate) struct Tables<'t> {
    drivers: Table<'t, &'static str, &'static [u8]>,
    pools: Table<'t, (&'static str, &'static str), &'static [u8]>,
    leases: Table<'t, (&'static str, &'static str, &'static [u8]), &'static [u8]>,
    owed: Table<'t, (&'static str, u64), &'static [u8]>,
}

impl<'t> Tables<'t> {
    pub(crate) fn open(transaction: &'t WriteTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            drivers: transaction.open_table(DRIVERS).map_err(failed)?,
            pools: transaction.open_table(POOLS).map_err(failed)?,
            leases: transaction.open_table(LEASES).map_err(failed)?,
            owed: transaction.open_table(OWED).map_err(failed)?,
        })
    }

    /// Applies the events of one driver, and returns what served in them.
    pub(crate) fn apply(&mut self, changes: &Changes) -> Result<Option<Version>, StoreError> {
        let name = changes.driver.as_str();
        let mut driver: DriverEntry = read(&self.drivers, "drivers", name)?.unwrap_or_default();
        let before = driver.version;
        for Record { event, .. } in &changes.records {
            let generation = event.receipt().map_or(0, |receipt| receipt.generation);
            driver.generation = driver.generation.max(generation);
            self.apply_one(name, event, &mut driver)?;
        }
        write(&mut self.drivers, name, &driver)?;
        Ok(driver.version.or(before))
    }

    fn apply_one(
        &mut self,
        name: &str,
        event: &Event,
        driver: &mut DriverEntry,
    ) -> Result<(), StoreError> {
        match event {
            Event::PoolGranted(pool) => {
                let entry = PoolEntry { pool: pool.clone(), holds: 1, claim: None };
                let is_new = write(&mut self.pools, (name, pool.pool_id.as_str()), &entry)?;
                driver.pools += u64::from(is_new);
            }
            Event::PoolHeld { pool_id, generation, claim } => {
                self.change_pool(name, pool_id, |entry| {
                    entry.holds += 1;
                    if let Some(session) = *claim {
                        entry.claim = Some((session, *generation));
                    }
                })?;
            }
            Event::HoldDropped { pool_id, undoes_claim, .. } => {
                self.change_pool(name, pool_id, |entry| {
                    entry.holds = entry.holds.saturating_sub(1).max(1);
                    if *undoes_claim {
                        entry.claim = None;
                    }
                })?;
            }
            Event::PoolReleased(pool) => {
                let removed = self.pools.remove((name, pool.pool_id.as_str())).map_err(failed)?;
                driver.pools = driver.pools.saturating_sub(u64::from(removed.is_some()));
            }
            Event::AddressLeased(lease) => {
                let address = ip_bytes(lease.ip());
                let entry = LeaseEntry { lease: lease.clone(), claimed_in: None };
                let key = (name, lease.pool_id.as_str(), &address[..]);
                driver.leases += u64::from(write(&mut self.leases, key, &entry)?);
            }
            Event::AddressClaimed { pool_id, address, session } => {
                let address = ip_bytes(*address);
                let key = (name, pool_id.as_str(), &address[..]);
                let Some(mut entry) = read::<LeaseEntry, _, _>(&self.leases, "leases", key)? else {
                    return Ok(());
                };
                entry.claimed_in = Some(*session);
                write(&mut self.leases, key, &entry)?;
            }
            Event::AddressReleased(lease) => {
                let address = ip_bytes(lease.ip());
                let key = (name, lease.pool_id.as_str(), &address[..]);
                let removed = self.leases.remove(key).map_err(failed)?;
                driver.leases = driver.leases.saturating_sub(u64::from(removed.is_some()));
            }
            Event::Owed { number, pool_id, address } => {
                let entry = OwedEntry { pool_id: pool_id.clone(), address: *address };
                write(&mut self.owed, (name, *number), &entry)?;
            }
            Event::Told { number } => {
                self.owed.remove((name, *number)).map_err(failed)?;
            }
            Event::VersionChanged(version) => driver.version = Some(*version),
        }
        Ok(())
    }

    fn change_pool(
        &mut self,
        name: &str,
        pool_id: &PoolId,
        change: impl FnOnce(&mut PoolEntry),
    ) -> Result<(), StoreError> {
        let key = (name, pool_id.as_str());
        let Some(mut entry) = read::<PoolEntry, _, _>(&self.pools, "pools", key)? else {
            return Ok(());
        };
        change(&mut entry);
        write(&mut self.pools, key, &entry).map(drop)
    }
}

/// Whether nothing was there before.
fn write<'k, K: Key>(
    table: &mut Table<'_, K, &'static [u8]>,
    key: K::SelfType<'k>,
    value: &impl Serialize,
) -> Result<bool, StoreError> {
    let sealed = seal(K::as_bytes(&key).as_ref(), value)?;
    Ok(table.insert(key, &sealed[..]).map_err(failed)?.is_none())
}

fn read<'k, T: DeserializeOwned, K: Key + 'static, R: ReadableTable<K, &'static [u8]>>(
    table: &R,
    name: &str,
    key: K::SelfType<'k>,
) -> Result<Option<T>, StoreError> {
    let bytes = K::as_bytes(&key).as_ref().to_vec();
    let found = table.get(key).map_err(failed)?;
    found.map(|value| unseal(name, &bytes, value.value())).transpose()
}

/// One driver's part, from the tables of a transaction.
pub(crate) fn load(
    transaction: &redb::ReadTransaction,
    driver: &DriverName,
) -> Result<State, StoreError> {
    let name = driver.as_str();
    let mut state = State::default();
    let drivers = transaction.open_table(DRIVERS).map_err(failed)?;
    let Some(entry) = read::<DriverEntry, _, _>(&drivers, "drivers", name)? else {
        return Ok(state);
    };
    let pools = transaction.open_table(POOLS).map_err(failed)?;
    for row in pools.range((name, "")..).map_err(failed)? {
        let (key, value) = row.map_err(failed)?;
        if key.value().0 != name {
            break;
        }
        let PoolEntry { pool, holds, claim } = entry_of("pools", &key, value.value())?;
        state.restore_pool(&pool, holds, claim);
    }
    let leases = transaction.open_table(LEASES).map_err(failed)?;
    for row in leases.range((name, "", &[][..])..).map_err(failed)? {
        let (key, value) = row.map_err(failed)?;
        if key.value().0 != name {
            break;
        }
        let LeaseEntry { lease, claimed_in } = entry_of("leases", &key, value.value())?;
        state.restore_lease(&lease, claimed_in);
    }
    let owed = transaction.open_table(OWED).map_err(failed)?;
    for row in owed.range((name, 0)..=(name, u64::MAX)).map_err(failed)? {
        let (key, value) = row.map_err(failed)?;
        let OwedEntry { pool_id, address } = entry_of("owed", &key, value.value())?;
        let release: Release = (pool_id, address);
        state.apply(&Event::Owed { number: key.value().1, pool_id: release.0, address: release.1 });
    }
    let (pools, leases) = (state.pools().count() as u64, state.lease_total() as u64);
    if (pools, leases) != (entry.pools, entry.leases) {
        return Err(StoreError::new(format!(
            "the entries of driver {name} are damaged: {pools} of {} pools and {leases} of {} \
             leases were found; restore a backup",
            entry.pools, entry.leases,
        )));
    }
    state.advance_to(entry.generation);
    if let Some(version) = entry.version {
        state.apply(&Event::VersionChanged(version));
    }
    Ok(state)
}

fn entry_of<T: DeserializeOwned, K: Key>(
    table: &str,
    key: &redb::AccessGuard<'_, K>,
    value: &[u8],
) -> Result<T, StoreError> {
    unseal(table, K::as_bytes(&key.value()).as_ref(), value)
}
