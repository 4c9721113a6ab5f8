//! The ledger on a disk: a journal in front of a file of entries.
//!
//! In: transactions. Out: that they survive, each after one write and one
//! sync. `FORMAT.md` is the specification and says why it is done so. What must
//! hold:
//!
//! - a transaction is acknowledged when its record in the journal is synced,
//!   and stays there until a *checkpoint* has put it into the entries;
//! - [`Store::load`] reads the entries and what the journal has beside them;
//!   a view is of the entries alone, after a checkpoint;
//! - a disk that is full when the ledger is opened refuses commits and no
//!   reads;
//! - a transaction that was refused is never found later;
//! - damage is an error, not a panic, and never fewer entries.

mod apply;
mod backup;
mod entries;
mod error;
mod history;
mod journal;
mod leases;
mod load;
mod migrate;
mod records;
mod storage;
mod tables;
mod view;

#[cfg(test)]
mod tests;

pub use error::{DurableError, catches_panics};
pub use history::Retention;
pub use journal::JOURNAL_BYTES;
pub use storage::{Directory, Storage};

use crate::{Changes, State, Store, StoreError, View};
use apply::Writer;
use entries::{Entries, change_head};
use error::unpanicked;
use ipam_api::DriverName;
use journal::Journal;
use redb::WriteTransaction;
use std::{
    mem,
    path::Path,
    time::{Duration, Instant},
};
use tables::{META, META_NOTE, NOTE_PREFIX};
use view::Snapshot;

/// In how many steps a full journal is put into the entries while it is written, if
/// [`Store::maintain`] is called after commits. Each may leave a block of the
/// history that is not full.
const STEPS: u64 = 64;

/// What opening a ledger found, for whoever keeps a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opened {
    /// There was none, and now there is.
    pub is_new: bool,
    /// It was of an older format, and is of the present one now.
    pub migrated_from: Option<u32>,
    /// It was closed by whoever had it open last, and not cut short.
    pub was_closed: bool,
    /// Transactions of the journal that were not in the entries yet.
    pub replayed: usize,
    /// Whether the journal ended in a record that was never finished, whose
    /// transaction nobody was told of. It was dropped.
    pub dropped_torn: bool,
    /// How long it took to read the journal and put it into the entries.
    pub repair: Duration,
    /// Why nothing can be committed now: the disk is full. The next commit tries
    /// again.
    pub no_room: Option<String>,
}

/// A ledger on a disk. It has one owner: whoever else opens it is refused.
///
/// It is closed when it is dropped; what is not closed is replayed at the next
/// opening.
#[derive(Debug)]
pub struct DurableStore {
    journal: Journal,
    entries: Entries,
    retention: Retention,
    /// Of the last transaction that was acknowledged.
    number: u64,
    /// What is in the journal and may not be in the entries, in order.
    pending: Vec<(u64, Vec<Changes>)>,
    /// Up to which byte of the journal the next checkpoint was begun; the last of
    /// all after a failure, so that only the checkpoint itself is tried again.
    begun: u64,
    /// Whether all that comes before the first commit is done.
    has_begun: bool,
    /// Whether it was closed already, as far as that could be done.
    is_finished: bool,
}

impl DurableStore {
    /// Opens the ledger in a directory that exists, or makes one there.
    ///
    /// # Errors
    /// When it is in use, damaged, of a newer format, or cannot be read or
    /// written. Nothing is lost then that was not lost before. A ledger that
    /// there is opens on a full disk: see [`Opened::no_room`].
    pub fn open(directory: &Path, retention: Retention) -> Result<(Self, Opened), DurableError> {
        Self::on(Directory::new(directory), retention, JOURNAL_BYTES)
    }

    /// Opens the ledger in a storage, or makes one there, with a journal that
    /// has room for `journal_bytes` of records. A journal that there is keeps
    /// its size.
    ///
    /// # Errors
    /// As [`DurableStore::open`].
    pub fn on(
        storage: impl Storage + 'static,
        retention: Retention,
        journal_bytes: u64,
    ) -> Result<(Self, Opened), DurableError> {
        let io = |what: &str| DurableError::io(format!("{what} the journal of {}", storage.name()));
        let file = storage.journal().map_err(io("open"))?;
        if !storage::lock(&*file).map_err(io("lock"))? {
            return Err(DurableError::InUse);
        }
        let is_journal_empty = file.len().map_err(io("read"))? == 0;
        let (mut entries, found) = Entries::open(Box::new(storage), is_journal_empty)?;
        let head = {
            let transaction = entries.read()?;
            unpanicked(|| load::head(&transaction))?
        };
        let begin = Instant::now();
        let (journal, records) = Journal::open(file, head.applied, !head.is_open, journal_bytes)?;
        let mut opened = Opened {
            is_new: found.is_new,
            migrated_from: found.migrated_from,
            was_closed: !head.is_open,
            replayed: records.transactions.len(),
            dropped_torn: records.is_torn,
            repair: Duration::ZERO,
            no_room: None,
        };
        let number = records.transactions.last().map_or(head.applied, |(number, _)| *number);
        let pending = records.transactions;
        let mut store = Self {
            journal,
            entries,
            retention,
            number,
            pending,
            begun: 0,
            has_begun: false,
            is_finished: false,
        };
        match store.begin() {
            Err(error) if error.is_of_no_room() && !found.is_new => {
                opened.no_room = Some(error.to_string());
            }
            begun => begun?,
        }
        opened.repair = begin.elapsed();
        Ok((store, opened))
    }

    /// What comes before the first commit: there is a journal, the entries have
    /// what it had, and say that there may be more in it from now on.
    fn begin(&mut self) -> Result<(), DurableError> {
        if !self.has_begun {
            self.journal.make()?;
            self.write_entries(true)?;
            self.has_begun = true;
        }
        Ok(())
    }

    /// Closes the ledger: all of it is in the entries then, and the journal
    /// may be taken away. Dropping it does the same and tells nobody.
    ///
    /// # Errors
    /// When the entries cannot be written. Nothing is lost: the next opening
    /// reads the journal.
    pub fn close(mut self) -> Result<(), StoreError> {
        Ok(self.finish()?)
    }

    fn finish(&mut self) -> Result<(), DurableError> {
        if mem::replace(&mut self.is_finished, true) {
            return Ok(());
        }
        // A record that failed must not be found behind entries that say there
        // is none; then they go on saying that there may be.
        self.journal.make_sound()?;
        self.write_entries(false)?;
        self.entries.close();
        Ok(())
    }

    fn try_commit(&mut self, changes: &[Changes]) -> Result<bool, DurableError> {
        self.begin()?;
        let number = self.number + 1;
        self.journal.encode(number, changes)?;
        if !self.journal.has_room() {
            self.checkpoint()?;
            self.journal.make_room()?;
        }
        self.journal.append()?;
        self.number = number;
        self.pending.push((number, changes.to_vec()));
        Ok(self.is_step_due())
    }

    /// Puts what is in the journal into the entries, and begins it anew.
    fn checkpoint(&mut self) -> Result<(), DurableError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.write_entries(true)
    }

    fn write_entries(&mut self, is_open: bool) -> Result<(), DurableError> {
        self.begun = u64::MAX;
        let (pending, retention) = (&self.pending, self.retention);
        self.entries.write(|transaction| put_pending(transaction, pending, retention, is_open))?;
        self.pending.clear();
        self.journal.restart();
        self.begun = self.journal.end();
        Ok(())
    }

    /// Whether a step of the next checkpoint is worth its while.
    fn is_step_due(&self) -> bool {
        self.journal.end().saturating_sub(self.begun) >= self.journal.capacity() / STEPS
    }

    /// Begins the next checkpoint, or goes on with it, once there is enough.
    fn step(&mut self) -> Result<(), DurableError> {
        if !self.is_step_due() {
            return Ok(());
        }
        let end = self.journal.end();
        self.begun = u64::MAX;
        // How old the history is, the checkpoint looks at once for all steps.
        let retention = Retention { max_age_ms: u64::MAX, ..self.retention };
        let pending = &self.pending;
        self.entries.begin(|transaction| put_pending(transaction, pending, retention, true))?;
        self.begun = end;
        Ok(())
    }
}

/// Applies what the entries do not have yet: the transaction may have begun
/// with some of it, and after a failure they may have more than their caller
/// was told.
fn put_pending(
    transaction: &WriteTransaction,
    pending: &[(u64, Vec<Changes>)],
    retention: Retention,
    is_open: bool,
) -> Result<(), DurableError> {
    change_head(transaction, |head| {
        head.is_open = is_open;
        let mut writer = Writer::new(transaction, head.drivers, &head.history)?;
        for (number, transaction) in pending {
            if *number <= head.applied {
                continue;
            }
            head.applied += 1;
            if *number != head.applied {
                return Err(DurableError::Damaged("its entries went back in time".to_owned()));
            }
            for changes in transaction {
                writer.apply(changes)?;
            }
        }
        (head.drivers, head.history) = writer.finish(retention)?;
        Ok(())
    })
}

fn put_note(transaction: &WriteTransaction, name: &str, text: &str) -> Result<(), DurableError> {
    change_head(transaction, |head| {
        let mut meta = transaction.open_table(META)?;
        let key = format!("{NOTE_PREFIX}{name}");
        head.notes += u64::from(META_NOTE.put(&mut meta, &key, &text.to_owned())?);
        Ok(())
    })
}

impl Store for DurableStore {
    fn load(&mut self, driver: &DriverName) -> Result<State, StoreError> {
        let entries = self.entries.read()?;
        let applied = unpanicked(|| load::head(&entries))?.applied;
        let mut state = unpanicked(|| load::state(&entries, driver))?;
        let beside = self.pending.iter().filter(|(number, _)| *number > applied);
        let changes = beside.flat_map(|(_, all)| all).filter(|it| it.driver == *driver);
        changes.flat_map(|it| &it.records).for_each(|record| state.apply(&record.event));
        Ok(state)
    }

    fn commit(&mut self, changes: &[Changes]) -> Result<bool, StoreError> {
        Ok(unpanicked(|| self.try_commit(changes))?)
    }

    fn view(&mut self) -> Result<Box<dyn View>, StoreError> {
        self.checkpoint()?;
        Ok(Box::new(Snapshot(self.entries.read()?)))
    }

    fn note(&mut self, name: &str) -> Result<Option<String>, StoreError> {
        // None is ever in the journal.
        Ok(Snapshot(self.entries.read()?).note(name)?)
    }

    fn set_note(&mut self, name: &str, text: &str) -> Result<(), StoreError> {
        self.checkpoint()?;
        // Twice: redb keeps the commit before the last in its header, and what
        // is noted in both of them survives damage that makes it fall back.
        self.entries.write(|transaction| put_note(transaction, name, text))?;
        self.entries.write(|transaction| put_note(transaction, name, text))?;
        Ok(())
    }

    fn maintain(&mut self, idle: bool) -> Result<(), StoreError> {
        Ok(if idle { self.checkpoint() } else { self.step() }?)
    }
}

impl Drop for DurableStore {
    fn drop(&mut self) {
        // Nothing is lost if this fails: the next opening reads the journal.
        drop(unpanicked(|| self.finish()));
    }
}
