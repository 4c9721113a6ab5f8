//! The past: what changed, in blocks, kept up to a size and an age.
//!
//! This crate knows no clock: how old an event is, is told by the newest one.

use super::{
    error::DurableError,
    tables::{Block, Extent, HISTORY, damaged},
};
use crate::{Past, Record};
use ipam_api::{Digest, DriverName};
use redb::{ReadTransaction, ReadableTable, Table, WriteTransaction};
use std::ops::ControlFlow;

/// How much of the past is kept; what is more goes at the next checkpoint, the
/// oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Bytes of all events, as they are stored.
    pub max_bytes: u64,
    /// Milliseconds that an event may be older than the newest one.
    pub max_age_ms: u64,
}

impl Default for Retention {
    /// 256 MiB and 400 days.
    fn default() -> Self {
        Self { max_bytes: 256 << 20, max_age_ms: 400 * 24 * 60 * 60 * 1000 }
    }
}

/// Events of one block at most.
pub(super) const BLOCK_EVENTS_MAX: usize = 256;
/// What a key takes.
const KEY_BYTES: u64 = 8;

/// The history of one transaction.
pub(super) struct Writer<'t> {
    table: Table<'t, u64, &'static [u8]>,
    extent: Extent,
    /// The block that is not full yet.
    block: Option<Block>,
}

impl<'t> Writer<'t> {
    pub(super) fn new(
        transaction: &'t WriteTransaction,
        extent: &Extent,
    ) -> Result<Self, DurableError> {
        let table = transaction.open_table(HISTORY.table())?;
        Ok(Self { table, extent: extent.clone(), block: None })
    }

    pub(super) fn push(
        &mut self,
        driver: &DriverName,
        digest: Option<Digest>,
        record: &Record,
    ) -> Result<(), DurableError> {
        self.extent.newest_ms = self.extent.newest_ms.max(record.cause.at.0);
        if let Some(block) = &mut self.block
            && (&block.driver, block.digest) == (driver, digest)
            && block.records.len() < BLOCK_EVENTS_MAX
        {
            block.records.push(record.clone());
            return Ok(());
        }
        self.flush()?;
        let (driver, records) = (driver.clone(), vec![record.clone()]);
        self.block = Some(Block { driver, digest, records });
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DurableError> {
        let Some(block) = self.block.take() else { return Ok(()) };
        let sealed = HISTORY.seal(&self.extent.next, &block)?;
        self.table.insert(self.extent.next, &sealed[..])?;
        self.extent.next += block.records.len() as u64;
        self.extent.bytes += KEY_BYTES + sealed.len() as u64;
        Ok(())
    }

    /// Writes what is left, and forgets what is not to be kept.
    pub(super) fn finish(mut self, retention: Retention) -> Result<Extent, DurableError> {
        self.flush()?;
        let oldest_ms = self.extent.newest_ms.saturating_sub(retention.max_age_ms);
        // To look at the oldest block costs as much as to write one.
        while self.extent.bytes > retention.max_bytes || oldest_ms > 0 {
            let Some(oldest) = self.oldest()? else { break };
            if oldest.newest_ms >= oldest_ms && self.extent.bytes <= retention.max_bytes {
                break;
            }
            self.table.remove(oldest.number)?;
            self.extent.first = oldest.number + oldest.events;
            self.extent.bytes = self.extent.bytes.saturating_sub(oldest.bytes);
        }
        Ok(self.extent)
    }

    fn oldest(&self) -> Result<Option<Oldest>, DurableError> {
        let Some((key, value)) = self.table.first()? else { return Ok(None) };
        let block = HISTORY.row(&key, &value)?;
        Ok(Some(Oldest {
            number: key.value(),
            events: block.records.len() as u64,
            bytes: KEY_BYTES + value.value().len() as u64,
            newest_ms: block.records.iter().map(|record| record.cause.at.0).max().unwrap_or(0),
        }))
    }
}

/// The block that goes first.
struct Oldest {
    /// Of its first event.
    number: u64,
    events: u64,
    bytes: u64,
    newest_ms: u64,
}

/// Shows what is kept, oldest first, until `visit` has enough.
pub(super) fn visit(
    transaction: &ReadTransaction,
    extent: &Extent,
    visit: &mut dyn FnMut(Past<'_>) -> ControlFlow<()>,
) -> Result<(), DurableError> {
    let table = transaction.open_table(HISTORY.table())?;
    let mut next = extent.first;
    for row in table.iter()? {
        let (key, value) = row?;
        if key.value() != next {
            break;
        }
        let Block { driver, digest, records } = HISTORY.row(&key, &value)?;
        next += records.len() as u64;
        for record in &records {
            if visit(Past { driver: &driver, digest, record }).is_break() {
                return Ok(());
            }
        }
    }
    if next != extent.next {
        return Err(damaged("history", &next, "is missing"));
    }
    Ok(())
}
