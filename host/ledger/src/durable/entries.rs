//! The file of entries: opened, opened again after a failure, read, written.
//!
//! In: closures over one transaction, which may be begun long before. Out: that
//! all of it is durable, or an error. After an error the file may hold the new state or the old one, and
//! what it holds may not be on the disk; the next transaction that succeeds
//! settles that, because it syncs the header again.

use super::{
    error::{DurableError, unpanicked},
    migrate,
    storage::{Boxed, Storage},
    tables::{
        self, DRIVERS, FORMAT, FORMAT_KEY, HEAD_KEY, HISTORY, Head, LEASES, META, META_FORMAT,
        META_HEAD, OWED, POOLS, STORED, damaged,
    },
};
use redb::{Database, ReadTransaction, ReadableDatabase, StorageBackend, WriteTransaction};
use std::fmt;

/// What redb keeps in memory of the file.
pub(super) const CACHE_BYTES: usize = 64 << 20;
/// No file that redb began and did not finish is larger.
const UNFINISHED_BYTES_MAX: u64 = 16 << 20;
/// What redb writes last when it makes a file is at its beginning, this long.
const MAGIC_BYTES: usize = 9;
/// What redb may have written before.
const HEADER_BYTES: usize = 4096;

pub(super) struct Entries {
    storage: Box<dyn Storage>,
    /// What the next [`Entries::write`] goes on with. Until then nobody sees it,
    /// and a failure throws it away.
    begun: Option<WriteTransaction>,
    /// Nothing after a failure: redb refuses everything until it is reopened.
    database: Option<Database>,
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entries").field("storage", &self.storage).finish_non_exhaustive()
    }
}

/// What opening found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) is_new: bool,
    pub(super) migrated_from: Option<u32>,
}

impl Entries {
    /// Opens the file. If there is none it is made, but only beside a journal
    /// that nothing was ever written to.
    pub(super) fn open(
        storage: Box<dyn Storage>,
        is_journal_empty: bool,
    ) -> Result<(Self, Found), DurableError> {
        let is_blank = make_blank(&*storage)?;
        if is_blank && !is_journal_empty {
            return Err(DurableError::Damaged(
                "its file of entries is missing or empty, and its journal is not".to_owned(),
            ));
        }
        if !is_blank {
            refuse_newer(peek(&*storage))?;
        }
        let mut entries = Self { storage, begun: None, database: None };
        let mut found = Found { is_new: false, migrated_from: None };
        match entries.format()? {
            Some(FORMAT) => {}
            Some(old @ (1 | 2)) => {
                entries.write(|transaction| migrate::from(old, transaction))?;
                found.migrated_from = Some(old);
            }
            Some(0) => return Err(damaged("meta", &FORMAT_KEY, "names a format that never was")),
            format @ Some(_) => refuse_newer(format)?,
            None if is_journal_empty => {
                entries.write(make_tables)?;
                found.is_new = true;
            }
            None => return Err(DurableError::Damaged("its file has no tables".to_owned())),
        }
        Ok((entries, found))
    }

    /// Nothing if redb made the file and nobody used it yet.
    fn format(&mut self) -> Result<Option<u32>, DurableError> {
        let transaction = self.read()?;
        unpanicked(|| format(&transaction))
    }

    fn database(&mut self) -> Result<&Database, DurableError> {
        let database = match self.database.take() {
            Some(database) => database,
            None => unpanicked(|| {
                let backend = open_file(&*self.storage)?;
                let mut builder = Database::builder();
                builder.set_cache_size(CACHE_BYTES);
                Ok(builder.create_with_backend(Boxed(backend))?)
            })?,
        };
        Ok(self.database.insert(database))
    }

    /// Runs the end of a transaction; all of it is durable when this returns.
    pub(super) fn write<T>(
        &mut self,
        run: impl FnOnce(&WriteTransaction) -> Result<T, DurableError>,
    ) -> Result<T, DurableError> {
        self.run(|transaction| {
            let result = run(&transaction)?;
            transaction.commit()?;
            Ok((result, None))
        })
    }

    /// Runs what [`Entries::write`] will make durable, unless something fails
    /// until then.
    pub(super) fn begin(
        &mut self,
        run: impl FnOnce(&WriteTransaction) -> Result<(), DurableError>,
    ) -> Result<(), DurableError> {
        self.run(|transaction| {
            run(&transaction)?;
            Ok(((), Some(transaction)))
        })
    }

    /// Goes on with the transaction that was begun, or begins one. `run` owns
    /// it, so that a panic drops it on its way, where redb expects that.
    fn run<T>(
        &mut self,
        run: impl FnOnce(WriteTransaction) -> Result<(T, Option<WriteTransaction>), DurableError>,
    ) -> Result<T, DurableError> {
        let begun = self.begun.take();
        let database = self.database()?;
        let result = unpanicked(|| {
            if let Some(begun) = begun {
                return run(begun);
            }
            let mut transaction = database.begin_write()?;
            // Opening after a crash then reads no more than the header, and
            // never falls back to the commit before the last.
            transaction.set_two_phase_commit(true);
            transaction.set_quick_repair(true);
            run(transaction)
        });
        match result {
            Ok((result, begun)) => {
                self.begun = begun;
                Ok(result)
            }
            Err(error) => {
                self.close();
                Err(error)
            }
        }
    }

    /// What is durable now, for as long as the transaction is held.
    pub(super) fn read(&mut self) -> Result<ReadTransaction, DurableError> {
        let database = self.database()?;
        let result = unpanicked(|| Ok(database.begin_read()?));
        if result.is_err() {
            self.close();
        }
        result
    }

    /// Lets go of the file; it is opened again when it is needed.
    pub(super) fn close(&mut self) {
        let (begun, database) = (self.begun.take(), self.database.take());
        // A panic here is of a file that is not used any more.
        drop(unpanicked(move || {
            drop(begun);
            drop(database);
            Ok(())
        }));
    }
}

fn open_file(storage: &dyn Storage) -> Result<Box<dyn StorageBackend>, DurableError> {
    let action = || format!("open the file of entries of {}", storage.name());
    storage.entries().map_err(|source| DurableError::Io { action: action(), source })
}

/// Whether there is nothing in the file. What redb began to make when the power
/// failed is nothing, and is wiped.
fn make_blank(storage: &dyn Storage) -> Result<bool, DurableError> {
    let file = open_file(storage)?;
    let is_blank = || {
        let length = file.len()?;
        if length == 0 {
            return Ok(true);
        }
        let mut bytes = vec![0; usize::try_from(length.min(UNFINISHED_BYTES_MAX)).unwrap_or(0)];
        file.read(0, &mut bytes)?;
        let is_zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
        let has_magic = !is_zero(&bytes[..MAGIC_BYTES.min(bytes.len())]);
        let has_pages = bytes.get(HEADER_BYTES..).is_some_and(|pages| !is_zero(pages));
        if has_magic || has_pages || length > UNFINISHED_BYTES_MAX {
            return Ok(false);
        }
        file.set_len(0)?;
        Ok(true)
    };
    let is_blank = is_blank().map_err(DurableError::io("read the file of entries"));
    file.close().map_err(DurableError::io("close the file of entries"))?;
    is_blank
}

/// The format of a file that was closed, read without changing the file.
fn peek(storage: &dyn Storage) -> Option<u32> {
    let read = || {
        let backend = Boxed(open_file(storage)?);
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES);
        let database = builder.open_read_only_with_backend(backend)?;
        format(&database.begin_read()?)
    };
    // Whoever opens it to write meets the error again.
    unpanicked(read).ok().flatten()
}

fn refuse_newer(format: Option<u32>) -> Result<(), DurableError> {
    match format {
        Some(found) if found > FORMAT => Err(DurableError::NewerFormat { found, newest: FORMAT }),
        Some(_) | None => Ok(()),
    }
}

fn format(transaction: &ReadTransaction) -> Result<Option<u32>, DurableError> {
    if transaction.list_tables()?.next().is_none() {
        return Ok(None);
    }
    let format = META_FORMAT.get(&transaction.open_table(META)?, FORMAT_KEY)?;
    format.ok_or_else(|| damaged("meta", &FORMAT_KEY, "is missing")).map(Some)
}

/// All tables, so that whoever reads finds them.
pub(super) fn make_tables(transaction: &WriteTransaction) -> Result<(), DurableError> {
    transaction.open_table(DRIVERS.table())?;
    transaction.open_table(POOLS.table())?;
    transaction.open_table(LEASES.table())?;
    transaction.open_table(OWED.table())?;
    transaction.open_table(STORED.table())?;
    transaction.open_table(HISTORY.table())?;
    let mut meta = transaction.open_table(META)?;
    META_FORMAT.put(&mut meta, FORMAT_KEY, &FORMAT)?;
    META_HEAD.put(&mut meta, HEAD_KEY, &Head::default())?;
    Ok(())
}

/// Changes the row of single facts.
pub(super) fn change_head<T>(
    transaction: &WriteTransaction,
    change: impl FnOnce(&mut Head) -> Result<T, DurableError>,
) -> Result<T, DurableError> {
    let mut head = tables::head(&transaction.open_table(META)?)?;
    let result = change(&mut head)?;
    let mut meta = transaction.open_table(META)?;
    META_HEAD.put(&mut meta, HEAD_KEY, &head)?;
    Ok(result)
}
