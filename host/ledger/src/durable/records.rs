//! The records of the journal, written and read back.
//!
//! In: the bytes of a journal, and the number up to which the entries have
//! everything. Out: the transactions that follow, or which record is damaged.

use super::error::DurableError;
use crate::Changes;

/// Begins a record. No text contains its first two bytes, so no caller can
/// make a string that looks like a record.
const MAGIC: [u8; 4] = *b"\xff\xfeWJ";
/// Magic, payload length, number, checksum, four zeros.
pub(super) const RECORD_HEADER_BYTES: usize = 4 + 4 + 8 + 4 + 4;
/// Records begin at, and are padded to, multiples of this.
const ALIGNMENT: usize = 64;

/// What a journal held.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// In order, each with its number.
    pub(super) transactions: Vec<(u64, Vec<Changes>)>,
    /// Whether a record came last that was never finished.
    pub(super) is_torn: bool,
}

/// Writes a record into a buffer.
pub(super) fn encode(
    mut buffer: Vec<u8>,
    number: u64,
    changes: &[Changes],
) -> Result<Vec<u8>, DurableError> {
    buffer.clear();
    buffer.resize(RECORD_HEADER_BYTES, 0);
    let mut record = postcard::to_extend(changes, buffer)
        .map_err(|error| DurableError::Unstorable(error.to_string()))?;
    let length = u32::try_from(record.len() - RECORD_HEADER_BYTES)
        .map_err(|_| DurableError::Unstorable("it has more than 4 GiB".to_owned()))?;
    record[..4].copy_from_slice(&MAGIC);
    record[4..8].copy_from_slice(&length.to_le_bytes());
    record[8..16].copy_from_slice(&number.to_le_bytes());
    let checksum = checksum(&record);
    record[16..20].copy_from_slice(&checksum.to_le_bytes());
    record.resize(record.len().next_multiple_of(ALIGNMENT), 0);
    Ok(record)
}

/// Over everything but itself.
fn checksum(record: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&record[..16]);
    hasher.update(&record[RECORD_HEADER_BYTES..]);
    hasher.finalize()
}

/// A record without its padding.
struct Record<'a> {
    number: u64,
    payload: &'a [u8],
}

impl Record<'_> {
    fn padded_bytes(&self) -> usize {
        (RECORD_HEADER_BYTES + self.payload.len()).next_multiple_of(ALIGNMENT)
    }
}

/// The number that a record at `at` claims to have.
fn claimed(bytes: &[u8], at: usize) -> Option<u64> {
    let header = bytes.get(at..at.checked_add(RECORD_HEADER_BYTES)?)?;
    let number = header[8..16].first_chunk()?;
    (header[..4] == MAGIC).then(|| u64::from_le_bytes(*number))
}

/// The record at `at`, if a whole one is there.
fn whole(bytes: &[u8], at: usize) -> Option<Record<'_>> {
    let number = claimed(bytes, at)?;
    let record = &bytes[at..];
    let length = usize::try_from(u32::from_le_bytes(*record[4..8].first_chunk()?)).ok()?;
    let record = record.get(..RECORD_HEADER_BYTES.checked_add(length)?)?;
    let sum = u32::from_le_bytes(*record[16..20].first_chunk()?);
    (sum == checksum(record)).then(|| Record { number, payload: &record[RECORD_HEADER_BYTES..] })
}

/// Reads what follows number `applied`.
///
/// They end where no whole record is, or one of an earlier pass, whose
/// number is lower.
///
/// # Errors
/// When a record is missing although a later one is there: a crash tears only
/// the last.
pub(super) fn read(bytes: &[u8], applied: u64) -> Result<Records, DurableError> {
    let mut records = Records::default();
    let (mut at, mut last) = (0, None);
    while let Some(record) = whole(bytes, at) {
        let is_next = match last {
            Some(last) => record.number == last + 1,
            None => record.number <= applied + 1,
        };
        if !is_next {
            break;
        }
        if record.number > applied {
            records.transactions.push((record.number, decode(&record, at)?));
        }
        last = Some(record.number);
        at += record.padded_bytes();
    }
    let missing = last.unwrap_or(0).max(applied) + 1;
    records.is_torn = claimed(bytes, at).is_some_and(|number| number >= missing);
    match later(bytes, at, missing) {
        None => Ok(records),
        Some((number, further)) => Err(DurableError::Damaged(format!(
            "record {missing} of its journal, at byte {at} of the records, is not whole, and \
             record {number} at byte {further} is"
        ))),
    }
}

/// The first whole record from `at` on whose number is not below `missing`.
fn later(bytes: &[u8], mut at: usize, missing: u64) -> Option<(u64, usize)> {
    while at < bytes.len() {
        match whole(bytes, at) {
            Some(record) if record.number >= missing => return Some((record.number, at)),
            // Of an earlier pass; nothing inside it is a record.
            Some(record) => at += record.padded_bytes(),
            None => at += ALIGNMENT,
        }
    }
    None
}

fn decode(record: &Record<'_>, at: usize) -> Result<Vec<Changes>, DurableError> {
    match postcard::take_from_bytes(record.payload) {
        Ok((changes, [])) => Ok(changes),
        Ok(_) | Err(_) => Err(DurableError::Damaged(format!(
            "record {} of its journal, at byte {at} of the records, is whole and makes no sense",
            record.number
        ))),
    }
}
