//! What a system of record holds in this host's name.

use crate::PoolId;
use ipnet::IpNet;
use std::{fmt, net::IpAddr, sync::Arc};

/// The longest id of a record, in bytes.
pub const RECORD_ID_MAX_BYTES: usize = 256;
/// The longest cursor of a list of records, in bytes.
pub const RECORD_CURSOR_MAX_BYTES: usize = 1_024;
/// The longest label of a record, in bytes; what is longer is cut.
pub const RECORD_LABEL_MAX_BYTES: usize = 256;

/// A system of record's own name for a record: opaque, 1 to
/// [`RECORD_ID_MAX_BYTES`] bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId(Arc<str>);

/// A text that no id of a record can be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the id of a record has 1 to {RECORD_ID_MAX_BYTES} bytes, not {bytes}")]
pub struct InvalidRecordId {
    /// How many it had.
    pub bytes: usize,
}

impl RecordId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for RecordId {
    type Error = InvalidRecordId;

    fn try_from(text: &str) -> Result<Self, InvalidRecordId> {
        match text.len() {
            1..=RECORD_ID_MAX_BYTES => Ok(Self(text.into())),
            bytes => Err(InvalidRecordId { bytes }),
        }
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A pool or an address that a system of record holds in this host's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldRecord {
    /// The system's own name for it.
    pub id: RecordId,
    /// The driver's address space that it is in.
    pub address_space: String,
    /// The pool, or the pool of the address; host bits are zero.
    pub pool: IpNet,
    /// The address, one of that pool; nothing for the pool itself.
    pub address: Option<IpAddr>,
    /// The driver's words for the operator, at most [`RECORD_LABEL_MAX_BYTES`],
    /// escaped.
    pub label: String,
}

/// Some of what a system of record holds in this host's name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordPage {
    /// At most as many as were asked for.
    pub records: Vec<HeldRecord>,
    /// Where the next page begins, and not where this one began. Nothing after
    /// the last page.
    pub next: Option<String>,
}

/// What can be asked of a driver that has a system of record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordsRequest {
    /// List what the system holds in this host's name.
    List {
        /// Where the page begins; at the beginning if nothing is given.
        cursor: Option<String>,
        /// The most that the page may have.
        limit: u32,
    },
    /// Say whether the system has a pool that is granted, or an address of it that
    /// is held.
    Has(PoolId, Option<IpAddr>),
    /// Remove a record, if nothing is granted that it may stand for.
    Remove(HeldRecord),
}

/// The answer to a [`RecordsRequest`] that was not refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordsAnswer {
    /// To [`RecordsRequest::List`].
    Page(RecordPage),
    /// To [`RecordsRequest::Has`]; nothing if the ledger does not hold it.
    Has(Option<bool>),
    /// To [`RecordsRequest::Remove`].
    Removal(Removal),
}

/// What came of the removal of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It was removed.
    Removed,
    /// The system does not have it, or not as it was listed.
    Gone,
    /// It stays: the ledger holds that address, or a pool that overlaps it.
    Held,
}

#[cfg(test)]
mod tests {
    use super::{RECORD_ID_MAX_BYTES, RecordId};

    #[test]
    fn ids_are_opaque_but_bounded() {
        assert!(RecordId::try_from("any / thing \u{2603}").is_ok());
        assert!(RecordId::try_from("").is_err());
        assert!(RecordId::try_from("x".repeat(RECORD_ID_MAX_BYTES).as_str()).is_ok());
        assert!(RecordId::try_from("x".repeat(RECORD_ID_MAX_BYTES + 1).as_str()).is_err());
    }
}
