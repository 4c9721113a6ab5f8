//! The journal: where a commit lands, with one write and one sync.
//!
//! In: transactions with their numbers. Out: after a crash, those that were
//! acknowledged, and perhaps the one that was under way. `FORMAT.md` has the
//! layout. Three things hold:
//!
//! - what was acknowledged is not overwritten before [`Journal::restart`];
//! - after a record failed, nothing is written before it is wiped;
//! - what is in the file is read once, by [`records::read`], at the opening.

use super::{
    error::DurableError,
    records::{self, Records},
};
use crate::Changes;
use redb::StorageBackend;

/// How many bytes of records a journal has room for, at first.
pub const JOURNAL_BYTES: u64 = 1 << 20;

/// Begins the file. No text contains its first byte.
const FILE_MAGIC: [u8; 8] = *b"\xffWIPAMJ\n";
/// Of the file's layout.
const FILE_FORMAT: u32 = 1;
/// Magic, format, capacity, checksum; the rest of the page is zero.
const FILE_HEADER_BYTES: usize = 8 + 4 + 8 + 4;
/// Where the records begin.
pub(super) const RECORDS_AT: u64 = 4096;
/// What is zeroed at a time.
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

#[derive(Debug)]
pub(super) struct Journal {
    file: Box<dyn StorageBackend>,
    /// Bytes of records.
    capacity: u64,
    /// Where the next record goes, counted from the first.
    end: u64,
    /// Whether the file is there as a whole.
    is_made: bool,
    /// Whether a record that failed may be at `end`.
    is_unsound: bool,
    /// The record that is written next.
    record: Vec<u8>,
}

fn reading(source: std::io::Error) -> DurableError {
    DurableError::io("read the journal")(source)
}

fn writing(source: std::io::Error) -> DurableError {
    DurableError::io("write the journal")(source)
}

impl Journal {
    /// Opens the journal, and reads what follows number `applied` in it.
    ///
    /// If the ledger was closed, all of it is in the entries, and a journal
    /// that is missing or unreadable is made anew, by [`Journal::make`].
    pub(super) fn open(
        file: Box<dyn StorageBackend>,
        applied: u64,
        was_closed: bool,
        capacity: u64,
    ) -> Result<(Self, Records), DurableError> {
        let mut journal =
            Self { file, capacity, end: 0, is_made: false, is_unsound: false, record: Vec::new() };
        let Some(capacity) = journal.read_header()? else {
            if !was_closed {
                return Err(DurableError::Damaged(
                    "its journal is missing, cut short or without a header, and what was \
                     acknowledged last may have been there"
                        .to_owned(),
                ));
            }
            return Ok((journal, Records::default()));
        };
        (journal.capacity, journal.is_made) = (capacity, true);
        let length = usize::try_from(capacity)
            .map_err(|_| DurableError::Damaged("its journal is too large".to_owned()))?;
        let mut bytes = vec![0; length];
        journal.file.read(RECORDS_AT, &mut bytes).map_err(reading)?;
        let records = records::read(&bytes, applied)?;
        if was_closed && !records.transactions.is_empty() {
            return Err(DurableError::Damaged(
                "its journal goes on where the entries were closed: if this is a backup put \
                 back, take the journal away"
                    .to_owned(),
            ));
        }
        Ok((journal, records))
    }

    /// The bytes of records that the file is said to hold, if it holds them.
    fn read_header(&self) -> Result<Option<u64>, DurableError> {
        let length = self.file.len().map_err(reading)?;
        if length < RECORDS_AT {
            return Ok(None);
        }
        let mut header = [0; FILE_HEADER_BYTES];
        self.file.read(0, &mut header).map_err(reading)?;
        let mut capacity = [0; 8];
        capacity.copy_from_slice(&header[12..20]);
        let capacity = u64::from_le_bytes(capacity);
        let is_whole = header == file_header(capacity) && length - RECORDS_AT >= capacity;
        Ok(is_whole.then_some(capacity))
    }

    /// Makes the file if it is not there, or not as a whole.
    pub(super) fn make(&mut self) -> Result<(), DurableError> {
        if !self.is_made {
            self.file.set_len(0).map_err(writing)?;
            self.extend(0, self.capacity)?;
            self.is_made = true;
        }
        Ok(())
    }

    /// Gives the file zeros from an offset on, up to that many bytes of records.
    /// They are written and not only allotted: what overwrites them needs no
    /// metadata synced, and cannot find the disk full. How long the file is
    /// says nothing of that: it may have been allotted when the disk was full.
    fn extend(&mut self, mut at: u64, capacity: u64) -> Result<(), DurableError> {
        let (length, end) = (self.file.len().map_err(reading)?, RECORDS_AT + capacity);
        self.file.set_len(end.max(length)).map_err(writing)?;
        while at < end {
            let length = usize::try_from(end - at).unwrap_or(ZEROS.len()).min(ZEROS.len());
            self.file.write(at, &ZEROS[..length]).map_err(writing)?;
            at += length as u64;
        }
        self.file.sync_data().map_err(writing)?;
        // Only now, so that the header never promises what is not there.
        self.file.write(0, &file_header(capacity)).map_err(writing)?;
        self.file.sync_data().map_err(writing)?;
        self.capacity = capacity;
        Ok(())
    }

    /// How many bytes of records it has room for.
    pub(super) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Up to which of them this pass was written.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Encodes the record that [`Journal::append`] writes.
    pub(super) fn encode(&mut self, number: u64, changes: &[Changes]) -> Result<(), DurableError> {
        let buffer = std::mem::take(&mut self.record);
        self.record = records::encode(buffer, number, changes)?;
        Ok(())
    }

    /// Whether that record fits behind the others.
    pub(super) fn has_room(&self) -> bool {
        self.end + self.record.len() as u64 <= self.capacity
    }

    /// Grows a journal that nothing more can be taken from: one
    /// transaction may release a pool with all its leases.
    pub(super) fn make_room(&mut self) -> Result<(), DurableError> {
        if self.has_room() {
            return Ok(());
        }
        let capacity = self.end + self.record.len() as u64;
        self.extend(RECORDS_AT + self.capacity, capacity.next_multiple_of(JOURNAL_BYTES))
    }

    /// Makes the encoded record durable.
    pub(super) fn append(&mut self) -> Result<(), DurableError> {
        self.make_sound()?;
        self.is_unsound = true;
        let written = self
            .file
            .write(RECORDS_AT + self.end, &self.record)
            .and_then(|()| self.file.sync_data())
            .map_err(writing);
        match written {
            Ok(()) => {
                self.is_unsound = false;
                self.end += self.record.len() as u64;
            }
            // Whether this works is seen by the next one who writes.
            Err(_) => drop(self.make_sound()),
        }
        written
    }

    /// Wipes a record that failed: its caller was told that it is not there.
    pub(super) fn make_sound(&mut self) -> Result<(), DurableError> {
        if self.is_unsound {
            let zeros = &ZEROS[..records::RECORD_HEADER_BYTES];
            self.file.write(RECORDS_AT + self.end, zeros).map_err(writing)?;
            self.file.sync_data().map_err(writing)?;
            self.is_unsound = false;
        }
        Ok(())
    }

    /// Begins anew, because all of it is in the entries. A journal that is not
    /// sound goes on behind what failed; it begins anew another time.
    pub(super) fn restart(&mut self) {
        if self.make_sound().is_ok() {
            self.end = 0;
        }
    }
}

fn file_header(capacity: u64) -> [u8; FILE_HEADER_BYTES] {
    let mut header = [0; FILE_HEADER_BYTES];
    header[..8].copy_from_slice(&FILE_MAGIC);
    header[8..12].copy_from_slice(&FILE_FORMAT.to_le_bytes());
    header[12..20].copy_from_slice(&capacity.to_le_bytes());
    let checksum = crc32fast::hash(&header[..20]);
    header[20..].copy_from_slice(&checksum.to_le_bytes());
    header
}
