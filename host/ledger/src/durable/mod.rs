//! The ledger on disk: a journal in front of redb.
//!
//! In: transactions. Out: what they came to, after any crash. `FORMAT.md` says
//! what is stored, and why there are two files. What must hold:
//!
//! - a commit that succeeded is in the journal or in the entries, synced;
//! - the journal begins anew only when the entries hold all of it, synced;
//! - one that failed is in neither.

mod backup;
mod history;
mod journal;
mod medium;
mod tables;

pub use history::Retention;
pub use medium::{Directory, Medium};

use crate::{Changes, State, Store, StoreError, View};
use history::Snapshot;
use ipam_api::DriverName;
use journal::{Full, Journal};
use redb::{Database, ReadableDatabase as _, StorageBackend as _};
use std::{
    fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};
use tables::{FORMAT, META, META_APPLIED, META_FORMAT, Tables, failed};

/// How much the journal holds before its contents go to the entries.
pub const JOURNAL_BYTES: u64 = 1 << 20;
/// What redb keeps in memory of the entries.
const CACHE_BYTES: usize = 64 << 20;

/// The ledger of a directory.
///
/// It has one owner; whoever opens it makes sure of that.
pub struct DurableStore<M: Medium = Directory> {
    medium: M,
    retention: Retention,
    /// Nothing after a failure, until it is opened again.
    database: Option<Database>,
    journal: Journal,
    /// Committed, and not in the entries yet.
    pending: Vec<Changes>,
    /// The number of the last record that is in the entries.
    applied: u64,
    /// The number of the last record of the journal.
    number: u64,
}

impl<M: Medium> fmt::Debug for DurableStore<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DurableStore").field("number", &self.number).finish_non_exhaustive()
    }
}

impl DurableStore {
    /// Opens the ledger of a directory, which must exist; makes one if there
    /// is none.
    ///
    /// # Errors
    /// When it cannot be read or written, is of a newer format, or damaged.
    pub fn open(directory: &Path, retention: Retention) -> Result<Self, StoreError> {
        let directory = Directory::new(directory);
        directory.create(|nascent| unpanicked(|| open_entries(nascent).map(drop)))?;
        Self::on(directory, retention, JOURNAL_BYTES)
    }
}

impl<M: Medium> DurableStore<M> {
    /// Opens the ledger of any medium, with a journal of `journal_bytes`.
    ///
    /// # Errors
    /// As [`DurableStore::open`].
    pub fn on(medium: M, retention: Retention, journal_bytes: u64) -> Result<Self, StoreError> {
        unpanicked(|| {
            let (database, applied) = open_entries(&medium)?;
            let file = medium.journal().map_err(StoreError::new)?;
            let mut journal = Journal::new(file, journal_bytes)?;
            let found = journal.replay(applied)?;
            let number = applied + found.len() as u64;
            let pending = found.into_iter().flatten().collect();
            let database = Some(database);
            let mut store = Self { medium, retention, database, journal, pending, applied, number };
            store.checkpoint()?;
            Ok(store)
        })
    }

    /// Brings everything committed into the entries, and begins the journal
    /// anew.
    fn checkpoint(&mut self) -> Result<(), StoreError> {
        if self.applied == self.number {
            return Ok(());
        }
        let database = match self.database.take() {
            Some(database) => database,
            None => open_entries(&self.medium)?.0,
        };
        // One that fails is dropped: redb refuses everything until it is
        // opened again.
        self.transfer(&database)?;
        self.database = Some(database);
        self.applied = self.number;
        self.pending.clear();
        self.journal.restart()
    }

    fn transfer(&self, database: &Database) -> Result<(), StoreError> {
        let mut transaction = database.begin_write().map_err(failed)?;
        // Two syncs, and what redb needs to open at once after a crash: it is
        // paid once for many commits. And redb then never falls back to an
        // earlier state.
        transaction.set_two_phase_commit(true);
        transaction.set_quick_repair(true);
        {
            let mut tables = Tables::open(&transaction)?;
            let mut history = history::Writer::open(&transaction)?;
            for changes in &self.pending {
                let version = tables.apply(changes)?;
                history.append(changes, version.and_then(|version| version.digest))?;
            }
            history.finish(&self.retention)?;
            let mut meta = transaction.open_table(META).map_err(failed)?;
            meta.insert(META_APPLIED, self.number).map_err(failed)?;
        }
        transaction.commit().map_err(failed)
    }

    fn snapshot(&mut self) -> Result<Snapshot, StoreError> {
        self.checkpoint()?;
        if self.database.is_none() {
            self.database = Some(open_entries(&self.medium)?.0);
        }
        let database = self.database.as_ref().ok_or_else(|| StoreError::new("it is closed"))?;
        Ok(Snapshot(database.begin_read().map_err(failed)?))
    }
}

impl<M: Medium> Store for DurableStore<M> {
    fn load(&mut self, driver: &DriverName) -> Result<State, StoreError> {
        unpanicked(|| self.snapshot()?.load(driver))
    }

    fn commit(&mut self, changes: &[Changes]) -> Result<(), StoreError> {
        unpanicked(|| {
            match self.journal.append(self.number + 1, changes) {
                Ok(()) => {}
                Err(Full::Failed(error)) => return Err(error),
                Err(Full::NoRoom) => {
                    self.checkpoint()?;
                    self.journal.append(self.number + 1, changes).map_err(|full| match full {
                        Full::NoRoom => StoreError::new("the transaction is too large"),
                        Full::Failed(error) => error,
                    })?;
                }
            }
            self.number += 1;
            self.pending.extend_from_slice(changes);
            Ok(())
        })
    }

    fn view(&mut self) -> Result<Box<dyn View>, StoreError> {
        unpanicked(|| Ok(Box::new(self.snapshot()?) as Box<dyn View>))
    }

    fn tidy(&mut self) -> Result<(), StoreError> {
        unpanicked(|| self.checkpoint())
    }
}

impl<M: Medium> Drop for DurableStore<M> {
    fn drop(&mut self) {
        // Nothing is lost if this fails: the journal has it.
        drop(self.tidy());
        drop(mem::take(&mut self.database));
    }
}

fn open_entries(medium: &impl Medium) -> Result<(Database, u64), StoreError> {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    let backend = medium.entries().map_err(StoreError::new)?;
    let not_one = || StoreError::new("its file of entries is no ledger; restore a backup");
    if medium.is_made() && backend.len().map_err(StoreError::new)? == 0 {
        return Err(not_one());
    }
    let database = builder.create_with_backend(backend).map_err(failed)?;
    let transaction = database.begin_read().map_err(failed)?;
    let meta = match transaction.open_table(META) {
        Ok(meta) => Some(meta),
        Err(redb::TableError::TableDoesNotExist(_)) => None,
        Err(error) => return Err(failed(error)),
    };
    let number = |key| match &meta {
        Some(meta) => Ok(meta.get(key).map_err(failed)?.map(|value| value.value())),
        None => Ok::<_, StoreError>(None),
    };
    let (format, applied) = (number(META_FORMAT)?, number(META_APPLIED)?);
    drop((meta, transaction));
    match format {
        Some(FORMAT) => {}
        Some(format) => {
            return Err(StoreError::new(format!(
                "the ledger has format {format}; this program reads format {FORMAT}"
            )));
        }
        None if medium.is_made() => return Err(not_one()),
        None => {
            let mut transaction = database.begin_write().map_err(failed)?;
            transaction.set_two_phase_commit(true);
            transaction.set_quick_repair(true);
            {
                Tables::open(&transaction)?;
                history::Writer::open(&transaction)?;
                let mut meta = transaction.open_table(META).map_err(failed)?;
                meta.insert(META_FORMAT, FORMAT).map_err(failed)?;
            }
            transaction.commit().map_err(failed)?;
        }
    }
    Ok((database, applied.unwrap_or(0)))
}

/// redb may panic on a damaged file; here that is a failure like another.
fn unpanicked<T>(run: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|_| Err(StoreError::new("the file of entries is damaged")))
}
