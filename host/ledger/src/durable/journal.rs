//! The journal: where a commit lands, one write and one sync.
//!
//! A preallocated file, written from its beginning after each checkpoint. What
//! one record looks like, and what ends the journal, is in `FORMAT.md`. What
//! must hold: a record that `append` returned an error for is never read back.

use crate::{Changes, StoreError};
use redb::StorageBackend;

/// `WIPJ` in little-endian.
const MAGIC: u32 = u32::from_le_bytes(*b"WIPJ");
/// Magic, length, sequence number, checksum.
const HEADER_BYTES: usize = 4 + 4 + 8 + 4;
/// Records begin at multiples of this.
const ALIGN: u64 = 64;

pub(crate) struct Journal {
    file: Box<dyn StorageBackend>,
    capacity_bytes: u64,
    /// Where the next record goes.
    end: u64,
    /// Where the file may hold a record that failed, and must not.
    is_unsound: bool,
    buffer: Vec<u8>,
}

/// What became of a record.
#[derive(Debug)]
pub(crate) enum Full {
    /// It does not fit before the next checkpoint; nothing was written.
    NoRoom,
    Failed(StoreError),
}

impl From<std::io::Error> for Full {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(StoreError::new(error))
    }
}

impl Journal {
    /// Takes a file over; what it holds is read by [`Journal::replay`].
    pub(crate) fn new(
        file: Box<dyn StorageBackend>,
        capacity_bytes: u64,
    ) -> Result<Self, StoreError> {
        if file.len().map_err(StoreError::new)? < capacity_bytes {
            // Written and not only made longer: overwriting needs no metadata.
            let from = file.len().map_err(StoreError::new)?;
            file.set_len(capacity_bytes).map_err(StoreError::new)?;
            let zeros = vec![0; 1 << 16];
            let mut at = from;
            while at < capacity_bytes {
                let left = usize::try_from(capacity_bytes - at).unwrap_or(zeros.len());
                file.write(at, &zeros[..left.min(zeros.len())]).map_err(StoreError::new)?;
                at += left.min(zeros.len()) as u64;
            }
            file.sync_data().map_err(StoreError::new)?;
        }
        Ok(Self { file, capacity_bytes, end: 0, is_unsound: false, buffer: Vec::new() })
    }

    /// Makes a record durable.
    pub(crate) fn append(&mut self, number: u64, changes: &[Changes]) -> Result<(), Full> {
        self.make_sound()?;
        let mut record = std::mem::take(&mut self.buffer);
        record.clear();
        record.resize(HEADER_BYTES, 0);
        let mut record = postcard::to_extend(changes, record)
            .map_err(|error| Full::Failed(StoreError::new(error)))?;
        let payload_bytes = u32::try_from(record.len() - HEADER_BYTES)
            .map_err(|_| Full::Failed(StoreError::new("the transaction is too large")))?;
        record[..4].copy_from_slice(&MAGIC.to_le_bytes());
        record[4..8].copy_from_slice(&payload_bytes.to_le_bytes());
        record[8..16].copy_from_slice(&number.to_le_bytes());
        let checksum = checksum(&record);
        record[16..20].copy_from_slice(&checksum.to_le_bytes());
        let result = self.write(&record);
        self.buffer = record;
        result
    }

    fn write(&mut self, record: &[u8]) -> Result<(), Full> {
        let length = record.len() as u64;
        if length > self.capacity_bytes {
            return Err(Full::Failed(StoreError::new("the transaction is too large")));
        }
        if self.end + length > self.capacity_bytes {
            return Err(Full::NoRoom);
        }
        self.is_unsound = true;
        self.file.write(self.end, record)?;
        self.file.sync_data()?;
        self.is_unsound = false;
        self.end = (self.end + length).next_multiple_of(ALIGN);
        Ok(())
    }

    /// Makes sure that a record that failed is not there, or nothing may be
    /// written: its callers were told that it is not.
    fn make_sound(&mut self) -> Result<(), Full> {
        if self.is_unsound {
            let room = self.capacity_bytes.saturating_sub(self.end).min(HEADER_BYTES as u64);
            let zeros = [0; HEADER_BYTES];
            let room = usize::try_from(room).unwrap_or(HEADER_BYTES);
            self.file.write(self.end, &zeros[..room])?;
            self.file.sync_data()?;
            self.is_unsound = false;
        }
        Ok(())
    }

    /// Everything is in the entries: begins anew.
    pub(crate) fn restart(&mut self) -> Result<(), StoreError> {
        self.make_sound().map_err(|full| match full {
            Full::NoRoom => StoreError::new("the journal has no room"),
            Full::Failed(error) => error,
        })?;
        self.end = 0;
        Ok(())
    }

    /// Reads what follows number `applied`, in order, and how many bytes of a
    /// record that was never finished came last.
    ///
    /// # Errors
    /// When a whole record follows one that is not: no crash explains that.
    pub(crate) fn replay(&mut self, applied: u64) -> Result<Vec<Vec<Changes>>, StoreError> {
        let length = usize::try_from(self.capacity_bytes).map_err(StoreError::new)?;
        let mut bytes = vec![0; length];
        self.file.read(0, &mut bytes).map_err(StoreError::new)?;
        let mut found = Vec::new();
        let mut at = 0;
        let mut next = None;
        while let Some((number, payload)) = whole(&bytes, at) {
            let expected = next.unwrap_or(number);
            if number != expected || (next.is_none() && number > applied + 1) {
                break;
            }
            if number > applied {
                let changes = postcard::from_bytes(payload).map_err(|error| {
                    StoreError::new(format!("journal record {number} cannot be read: {error}"))
                })?;
                found.push(changes);
            }
            at = (at + HEADER_BYTES + payload.len()).next_multiple_of(ALIGN_USIZE);
            next = Some(number + 1);
            self.end = at as u64;
        }
        // The first number that has not been found, and must not be further on.
        let missing = next.unwrap_or(applied + 1).max(applied + 1);
        let later = (at..bytes.len()).step_by(ALIGN_USIZE).find_map(|at| {
            whole(&bytes, at).map(|(number, _)| number).filter(|&number| number >= missing)
        });
        if let Some(later) = later {
            return Err(StoreError::new(format!(
                "journal record {missing} at byte {at} is damaged, and record {later} after it is \
                 not: no crash does that; restore a backup"
            )));
        }
        Ok(found)
    }
}

const ALIGN_USIZE: usize = 64;

/// The whole record at `at`, if there is one: its number and its payload.
fn whole(bytes: &[u8], at: usize) -> Option<(u64, &[u8])> {
    let header = bytes.get(at..at + HEADER_BYTES)?;
    let word =
        |range: std::ops::Range<usize>| header[range].try_into().ok().map(u32::from_le_bytes);
    if word(0..4)? != MAGIC {
        return None;
    }
    let payload_bytes = usize::try_from(word(4..8)?).ok()?;
    let record = bytes.get(at..at.checked_add(HEADER_BYTES)?.checked_add(payload_bytes)?)?;
    if word(16..20)? != checksum(record) {
        return None;
    }
    let number = u64::from_le_bytes(header[8..16].try_into().ok()?);
    Some((number, &record[HEADER_BYTES..]))
}

/// Over everything but the checksum itself.
fn checksum(record: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&record[..16]);
    hasher.update(&record[HEADER_BYTES..]);
    hasher.finalize()
}
