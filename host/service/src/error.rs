//! Answers that the service gives by itself.

use ipam_api::{Error, Failure, Kind};

/// Why a driver that was removed or is shutting down answers nothing.
pub(crate) const NOT_IN_SERVICE: &str = "this driver is no longer in service";

/// The request cannot be served now, but perhaps later.
pub(crate) fn unavailable(text: &str) -> Failure {
    Failure::Refused(Error::other(Kind::Unavailable, text))
}

/// The answer to every request whose commit failed.
pub(crate) fn ledger_failed() -> Failure {
    unavailable("the ledger cannot be written now")
}

/// The answer to a receipt that matches nothing.
pub(crate) fn not_as_seen() -> Error {
    Error::other(Kind::NotFound, "it is no longer held as it was then")
}
