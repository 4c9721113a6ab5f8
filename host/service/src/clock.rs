//! The time, as the ledger records it.

use ipam_ledger::Time;
use std::time::{SystemTime, UNIX_EPOCH};

/// The current time, for the ledger, which has no clock.
pub(crate) fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
