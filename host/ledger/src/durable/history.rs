//! The past: what changed, in blocks, up to a size and an age.

use super::tables::{
    self, Block, DRIVERS, HISTORY, META, META_HISTORY_BYTES, failed, seal, unseal,
};
use crate::{Changes, Past, State, StoreError, View};
use ipam_api::{Digest, DriverName};
use redb::{ReadTransaction, ReadableTable, Table, WriteTransaction};
use std::{ops::ControlFlow, path::Path};

/// How much of the past is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Bytes of events; the oldest go first.
    pub max_bytes: u64,
    /// Milliseconds between an event and the newest one.
    pub max_age_ms: u64,
}

impl Default for Retention {
    /// 256 MiB, 400 days.
    fn default() -> Self {
        Self { max_bytes: 256 << 20, max_age_ms: 400 * 24 * 60 * 60 * 1000 }
    }
}

/// Events of one block.
const BLOCK_RECORDS: usize = 256;

/// The history of one transaction that writes.
pub(crate) struct Writer<'t> {
    blocks: Table<'t, u64, &'static [u8]>,
    meta: Table<'t, &'static str, u64>,
    next: u64,
    bytes: u64,
    newest_ms: u64,
}

impl<'t> Writer<'t> {
    pub(crate) fn open(transaction: &'t WriteTransaction) -> Result<Self, StoreError> {
        let blocks = transaction.open_table(HISTORY).map_err(failed)?;
        let meta = transaction.open_table(META).map_err(failed)?;
        let next = blocks.last().map_err(failed)?.map_or(0, |(key, _)| key.value() + 1);
        let bytes = meta.get(META_HISTORY_BYTES).map_err(failed)?.map_or(0, |value| value.value());
        Ok(Self { blocks, meta, next, bytes, newest_ms: 0 })
    }

    pub(crate) fn append(
        &mut self,
        changes: &Changes,
        digest: Option<Digest>,
    ) -> Result<(), StoreError> {
        for records in changes.records.chunks(BLOCK_RECORDS) {
            let times = records.iter().map(|record| record.cause.at.0);
            self.newest_ms = times.fold(self.newest_ms, u64::max);
            let driver = changes.driver.clone();
            let block = Block { driver, digest, records: records.to_vec() };
            let sealed = seal(&self.next.to_le_bytes(), &block)?;
            self.bytes += sealed.len() as u64;
            self.blocks.insert(self.next, &sealed[..]).map_err(failed)?;
            self.next += 1;
        }
        Ok(())
    }

    /// Forgets what is too much or too old.
    pub(crate) fn finish(mut self, retention: &Retention) -> Result<(), StoreError> {
        let oldest_ms = self.newest_ms.saturating_sub(retention.max_age_ms);
        while let Some((key, length, newest_ms)) = self.oldest()? {
            if self.bytes <= retention.max_bytes && newest_ms >= oldest_ms {
                break;
            }
            self.blocks.remove(key).map_err(failed)?;
            self.bytes = self.bytes.saturating_sub(length);
        }
        self.meta.insert(META_HISTORY_BYTES, self.bytes).map_err(failed).map(drop)
    }
}

impl Writer<'_> {
    /// The oldest block: its key, its bytes, the time of its newest event.
    fn oldest(&self) -> Result<Option<(u64, u64, u64)>, StoreError> {
        let Some((key, value)) = self.blocks.first().map_err(failed)? else { return Ok(None) };
        let (key, bytes) = (key.value(), value.value());
        let block: Block = unseal("history", &key.to_le_bytes(), bytes)?;
        let newest_ms = block.records.iter().map(|record| record.cause.at.0).max();
        Ok(Some((key, bytes.len() as u64, newest_ms.unwrap_or(0))))
    }
}

/// What was durable at one moment.
pub(crate) struct Snapshot(pub(crate) ReadTransaction);

impl View for Snapshot {
    fn drivers(&self) -> Result<Vec<DriverName>, StoreError> {
        let drivers = self.0.open_table(DRIVERS).map_err(failed)?;
        let mut names = Vec::new();
        for row in drivers.iter().map_err(failed)? {
            let (key, _) = row.map_err(failed)?;
            names.push(key.value().parse().map_err(StoreError::new)?);
        }
        Ok(names)
    }

    fn load(&self, driver: &DriverName) -> Result<State, StoreError> {
        super::unpanicked(|| tables::load(&self.0, driver))
    }

    fn history(
        &self,
        visit: &mut dyn FnMut(Past<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let blocks = self.0.open_table(HISTORY).map_err(failed)?;
        for row in blocks.iter().map_err(failed)? {
            let (key, value) = row.map_err(failed)?;
            let block: Block = unseal("history", &key.value().to_le_bytes(), value.value())?;
            for record in &block.records {
                let past = Past { driver: &block.driver, digest: block.digest, record };
                if visit(past).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn backup(&self, to: &Path) -> Result<(), StoreError> {
        // What is damaged is not copied as if it were whole.
        for driver in View::drivers(self)? {
            View::load(self, &driver)?;
        }
        self.history(&mut |_| ControlFlow::Continue(()))?;
        super::backup::write(&self.0, to)
    }
}
