//! What can be wrong with a stored ledger, for the operator.

use crate::StoreError;
use std::{
    cell::Cell,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Why a stored ledger cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DurableError {
    /// A newer program wrote it. Nothing was changed.
    #[error(
        "the ledger has format {found}, and this program reads formats up to {newest}: \
         run the program that wrote it, or a newer one"
    )]
    NewerFormat {
        /// The format of what is stored.
        found: u32,
        /// The newest format that this program reads.
        newest: u32,
    },
    /// It holds what no program wrote and no crash explains.
    #[error("the ledger is damaged: {0}; restore a backup")]
    Damaged(String),
    /// Another process, or another part of this one, has it open.
    #[error("the ledger is in use by another process")]
    InUse,
    /// A file cannot be read or written.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried, and with which file.
        action: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file of entries cannot be read or written.
    #[error("the file of entries failed: {0}")]
    Entries(#[source] Box<redb::Error>),
    /// What is to be stored cannot be.
    #[error("a transaction cannot be stored: {0}")]
    Unstorable(String),
}

impl DurableError {
    /// An error of the system, with what was tried.
    pub(super) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }

    /// Whether there was no room for something, which is no damage and may end.
    pub(super) fn is_of_no_room(&self) -> bool {
        let source = match self {
            Self::Io { source, .. } => source,
            Self::Entries(error) => {
                let redb::Error::Io(source) = &**error else { return false };
                source
            }
            Self::NewerFormat { .. } | Self::Damaged(_) | Self::InUse | Self::Unstorable(_) => {
                return false;
            }
        };
        matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

impl From<DurableError> for StoreError {
    fn from(error: DurableError) -> Self {
        Self::new(error)
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the rest is one thing here: redb's failure")]
impl From<redb::Error> for DurableError {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => Self::InUse,
            redb::Error::Corrupted(text) => Self::Damaged(text),
            redb::Error::TableDoesNotExist(name) => Self::Damaged(format!("no table {name}")),
            redb::Error::Io(source) if source.kind() == io::ErrorKind::InvalidData => {
                Self::Damaged(source.to_string())
            }
            redb::Error::Io(source) if source.kind() == io::ErrorKind::UnexpectedEof => {
                Self::Damaged("its file of entries is cut short".to_owned())
            }
            error => Self::Entries(Box::new(error)),
        }
    }
}

/// `?` on every kind of error that redb has.
macro_rules! from_redb {
    ($($error:ident)*) => {$(
        impl From<redb::$error> for DurableError {
            fn from(error: redb::$error) -> Self {
                redb::Error::from(error).into()
            }
        }
    )*};
}

from_redb!(StorageError TableError TransactionError CommitError DatabaseError);

thread_local! {
    /// How many of [`unpanicked`] this thread is in.
    static CAUGHT: Cell<u32> = const { Cell::new(0) };
}

/// Whether a panic of this thread, now, would become an error of the ledger,
/// which says all of it: a program's panic hook need not.
#[must_use]
pub fn catches_panics() -> bool {
    CAUGHT.get() > 0
}

/// Runs what may panic on a damaged file, as redb does: here that is an error
/// like another. Whoever calls this throws away what a panic left half done.
pub(super) fn unpanicked<T>(
    run: impl FnOnce() -> Result<T, DurableError>,
) -> Result<T, DurableError> {
    CAUGHT.set(CAUGHT.get() + 1);
    let result = catch_unwind(AssertUnwindSafe(run));
    CAUGHT.set(CAUGHT.get() - 1);
    result.unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no reason given");
        Err(DurableError::Damaged(format!("its file of entries makes no sense ({text})")))
    })
}
