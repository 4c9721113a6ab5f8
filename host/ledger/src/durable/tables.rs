//! What the tables of the file of entries hold, and the seal on each value.
//!
//! `FORMAT.md` is the specification; the order of fields here is the layout.

use super::error::DurableError;
use crate::{Lease, Pool, Record, Session, Version};
use ipam_api::{Digest, DriverName, PoolId};
use redb::{AccessGuard, Key, Range, ReadableTable, Table, TableDefinition, Value};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{fmt, marker::PhantomData, net::IpAddr, sync::Arc};

/// What this program writes.
pub(super) const FORMAT: u32 = 3;

/// The last claim of a pool: the generation before, and that of the claim. In
/// early days the first was a session.
pub(super) type StoredClaim = Option<(Session, u64)>;

/// The one row that every transaction changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// The number of the last transaction of the journal that is in here.
    pub(super) applied: u64,
    /// Whether the journal may hold more.
    pub(super) is_open: bool,
    /// Rows of [`DRIVERS`].
    pub(super) drivers: u64,
    /// Notes in [`META`].
    pub(super) notes: u64,
    pub(super) history: Extent,
}

/// What [`HISTORY`] holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Extent {
    /// The number of the first event that is kept; `next` if none is.
    pub(super) first: u64,
    /// How many events there ever were.
    pub(super) next: u64,
    /// Of all keys and values.
    pub(super) bytes: u64,
    /// The largest time that an event ever had.
    pub(super) newest_ms: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DriverRow {
    /// The largest that was ever granted.
    pub(super) generation: u64,
    pub(super) version: Option<Version>,
    /// Rows of the driver in the other tables: a row that is gone is noticed.
    pub(super) pools: u64,
    pub(super) leases: u64,
    pub(super) owed: u64,
    pub(super) stored: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PoolRow {
    pub(super) pool: Arc<Pool>,
    pub(super) holds: u64,
    pub(super) claim: StoredClaim,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct LeaseRow {
    pub(super) lease: Arc<Lease>,
    /// The generation before its last claim; in early days, the session that
    /// claimed it.
    pub(super) claimed_in: Option<Session>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct OwedRow {
    #[serde(with = "crate::plain::pool_id")]
    pub(super) pool_id: PoolId,
    pub(super) address: Option<IpAddr>,
}

/// Events that followed each other, of one driver in one version.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Block {
    #[serde(with = "crate::plain::driver")]
    pub(super) driver: DriverName,
    #[serde(with = "crate::plain::digest")]
    pub(super) digest: Option<Digest>,
    pub(super) records: Vec<Record>,
}

/// Driver, pool id.
pub(super) type PoolKey = (&'static str, &'static str);
/// Driver, pool id, the address in network order.
pub(super) type LeaseKey = (&'static str, &'static str, &'static [u8]);
/// Driver, what the driver calls it.
pub(super) type StoredKey = (&'static str, &'static str);
/// Driver, number.
pub(super) type OwedKey = (&'static str, u64);

pub(super) const DRIVERS: Sealed<&'static str, DriverRow> = Sealed::new("drivers");
pub(super) const POOLS: Sealed<PoolKey, PoolRow> = Sealed::new("pools");
pub(super) const LEASES: Sealed<LeaseKey, LeaseRow> = Sealed::new("leases");
pub(super) const OWED: Sealed<OwedKey, OwedRow> = Sealed::new("owed");
pub(super) const STORED: Sealed<StoredKey, Vec<u8>> = Sealed::new("store");
pub(super) const HISTORY: Sealed<u64, Block> = Sealed::new("history");

/// The table of single facts, each with a type of its own.
const META_NAME: &str = "meta";
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new(META_NAME);
/// A row of [`META`] that every format has.
pub(super) const META_FORMAT: Sealed<&'static str, u32> = Sealed::new(META_NAME);
pub(super) const META_HEAD: Sealed<&'static str, Head> = Sealed::new(META_NAME);
pub(super) const META_NOTE: Sealed<&'static str, String> = Sealed::new(META_NAME);
pub(super) const FORMAT_KEY: &str = "format";
pub(super) const HEAD_KEY: &str = "head";
/// The key of a note begins so.
pub(super) const NOTE_PREFIX: &str = "note/";
/// Above the keys of all notes.
pub(super) const NOTES_END: &str = "note0";

/// Few values are longer, but for blocks of the history.
const VALUE_BYTES: usize = 128;

/// A table, or a row, whose values end with a checksum of key and value.
pub(super) struct Sealed<K, V> {
    name: &'static str,
    types: PhantomData<fn(K) -> V>,
}

impl<K: Key + 'static, V: Serialize + DeserializeOwned> Sealed<K, V> {
    pub(super) const fn new(name: &'static str) -> Self {
        Self { name, types: PhantomData }
    }

    pub(super) const fn table(&self) -> TableDefinition<'static, K, &'static [u8]> {
        TableDefinition::new(self.name)
    }

    pub(super) fn get(
        &self,
        table: &impl ReadableTable<K, &'static [u8]>,
        key: K::SelfType<'_>,
    ) -> Result<Option<V>, DurableError> {
        let Some(value) = table.get(&key)? else { return Ok(None) };
        self.read(&key, value.value()).map(Some)
    }

    /// Returns whether there was none before.
    pub(super) fn put(
        &self,
        table: &mut Table<'_, K, &'static [u8]>,
        key: K::SelfType<'_>,
        value: &V,
    ) -> Result<bool, DurableError> {
        let sealed = self.seal(&key, value)?;
        let before = table.insert(&key, &sealed[..])?;
        Ok(before.is_none())
    }

    pub(super) fn seal(&self, key: &K::SelfType<'_>, value: &V) -> Result<Vec<u8>, DurableError> {
        let mut bytes = postcard::to_extend(value, Vec::with_capacity(VALUE_BYTES))
            .map_err(|error| DurableError::Unstorable(error.to_string()))?;
        let checksum = checksum(K::as_bytes(key).as_ref(), &bytes);
        bytes.extend(checksum.to_le_bytes());
        Ok(bytes)
    }

    /// What `run` makes of each row of a range, in the order of the keys.
    pub(super) fn rows<T>(
        &self,
        range: Range<'_, K, &'static [u8]>,
        mut run: impl FnMut(K::SelfType<'_>, V) -> Result<T, DurableError>,
    ) -> Result<Vec<T>, DurableError> {
        let rows = range.map(|row| {
            let (key, value) = row?;
            run(key.value(), self.row(&key, &value)?)
        });
        rows.collect()
    }

    /// Reads a row that a table's iterator came by.
    pub(super) fn row(
        &self,
        key: &AccessGuard<'_, K>,
        value: &AccessGuard<'_, &'static [u8]>,
    ) -> Result<V, DurableError> {
        self.read(&key.value(), value.value())
    }

    pub(super) fn read(&self, key: &K::SelfType<'_>, bytes: &[u8]) -> Result<V, DurableError> {
        let payload = verified::<K>(self.name, key, bytes)?;
        match postcard::take_from_bytes(payload) {
            Ok((value, [])) => Ok(value),
            Ok(_) | Err(_) => Err(damaged(self.name, key, "is sealed and makes no sense")),
        }
    }
}

/// The row of single facts.
pub(super) fn head(
    meta: &impl ReadableTable<&'static str, &'static [u8]>,
) -> Result<Head, DurableError> {
    META_HEAD.get(meta, HEAD_KEY)?.ok_or_else(|| damaged("meta", &HEAD_KEY, "is missing"))
}

/// What a value holds, if its checksum is right.
pub(super) fn verified<'v, K: Value>(
    table: &str,
    key: &K::SelfType<'_>,
    value: &'v [u8],
) -> Result<&'v [u8], DurableError> {
    value
        .split_last_chunk()
        .filter(|(payload, sum)| {
            checksum(K::as_bytes(key).as_ref(), payload) == u32::from_le_bytes(**sum)
        })
        .map(|(payload, _)| payload)
        .ok_or_else(|| damaged(table, key, "does not match its checksum"))
}

/// The complaint about one row.
pub(super) fn damaged(table: &str, key: &impl fmt::Debug, what: &str) -> DurableError {
    DurableError::Damaged(format!("row {key:?} of its table {table} {what}"))
}

/// Complains of rows that are gone, or are there and should not be.
pub(super) fn counted(
    table: &str,
    owner: &str,
    found: usize,
    said: u64,
) -> Result<(), DurableError> {
    if found as u64 == said {
        return Ok(());
    }
    Err(DurableError::Damaged(format!(
        "its table {table} has {found} rows of {owner}, and there should be {said}"
    )))
}

/// The least text above another: where the rows of a driver end.
pub(super) fn next(text: &str) -> String {
    format!("{text}\0")
}

fn checksum(key: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(payload);
    hasher.finalize()
}

/// An address as a key has it.
pub(super) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}
