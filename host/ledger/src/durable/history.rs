//! The past: what changed, in blocks, kept up to a size and an age.
//!
//! This crate knows no clock: how old an event is, is told by the newest ones.
//! One of them may come from a clock that was wrong, so a time that lies far
//! ahead of what its neighbours say counts as what they say ([`agreed`]).

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
    /// Milliseconds that an event may be older than the newest ones.
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
/// How many neighbours say what time it is.
const NEIGHBOURS: usize = 31;
/// How far an event may be ahead of them: a day.
const AHEAD_MAX_MS: u64 = 24 * 60 * 60 * 1000;

/// The time of some events that follow each other: that of the newest, unless
/// it is more than a day ahead of the middle one.
fn agreed(mut times: Vec<u64>) -> u64 {
    times.sort_unstable();
    let newest = times.last().copied().unwrap_or(0);
    let middle = times.get(times.len().saturating_sub(1) / 2).copied().unwrap_or(0);
    if newest - middle > AHEAD_MAX_MS { middle } else { newest }
}

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
        let now_ms = match retention.max_age_ms {
            u64::MAX => 0,
            _ => agreed(self.times(true)?),
        };
        let oldest_ms = now_ms.saturating_sub(retention.max_age_ms);
        // To look at the oldest block costs as much as to write one.
        while self.extent.bytes > retention.max_bytes || oldest_ms > 0 {
            let Some(oldest) = self.oldest()? else { break };
            if self.extent.bytes <= retention.max_bytes {
                // What seems to be from the future is as old as what follows it.
                let is_ahead = oldest.newest_ms > now_ms.saturating_add(AHEAD_MAX_MS);
                let is_of = if is_ahead { agreed(self.times(false)?) } else { oldest.newest_ms };
                if is_of >= oldest_ms {
                    break;
                }
            }
            self.table.remove(oldest.number)?;
            self.extent.first = oldest.number + oldest.events;
            self.extent.bytes = self.extent.bytes.saturating_sub(oldest.bytes);
        }
        Ok(self.extent)
    }

    /// When the first events came about, or the last ones.
    fn times(&self, is_last: bool) -> Result<Vec<u64>, DurableError> {
        let mut rows = self.table.iter()?;
        let mut times = Vec::new();
        while times.len() < NEIGHBOURS
            && let Some(row) = if is_last { rows.next_back() } else { rows.next() }
        {
            let (key, value) = row?;
            let block = HISTORY.row(&key, &value)?;
            let all = block.records.iter().map(|record| record.cause.at.0);
            if is_last {
                times.extend(all.rev().take(NEIGHBOURS - times.len()));
            } else {
                times.extend(all.take(NEIGHBOURS - times.len()));
            }
        }
        Ok(times)
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
