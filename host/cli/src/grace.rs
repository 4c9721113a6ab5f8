//! How long something must stay unused before a reconciliation frees it.

use crate::{fatal::Fatal, quantity};
use std::time::Duration;

/// The shortest grace period for a run that frees: an engine shows an endpoint
/// only after its address was granted, and may wait for a plugin that is down
/// in between. A record is there before its grant is in the ledger, for as long as
/// that request takes.
const GRACE_MIN: Duration = Duration::from_secs(30);
/// The longest, a day.
const GRACE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// What `--grace` is if nothing is said.
pub(crate) const DEFAULT: &str = "1m";

/// A time as the configuration has them, such as `90s`; without a unit it is in seconds.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => quantity::time(text).map(Duration::from_millis).ok_or_else(|| {
            "a time has a unit (ms, s, m, h), as in 90s; without one it is in seconds".to_owned()
        }),
    }
}

/// Refuses a grace period that is too short, or too long.
pub(crate) fn check(grace: Duration, dry_run: bool) -> Result<Duration, Fatal> {
    if (grace < GRACE_MIN && !dry_run) || grace > GRACE_MAX {
        return Err(Fatal::Usage(format!(
            "--grace {grace:?}: must be 30s to 24h; with --dry-run it may be shorter"
        )));
    }
    Ok(grace)
}

#[cfg(test)]
mod tests {
    use super::{DEFAULT, check, parse};
    use ipam_reconcile::Options;
    use std::time::Duration;

    #[test]
    fn a_time_has_a_unit_or_is_in_seconds() {
        assert_eq!(parse(DEFAULT), Ok(Options::GRACE));
        for (text, seconds) in
            [("0", 0), ("30", 30), ("30s", 30), ("2000ms", 2), ("2m", 120), ("24h", 86_400)]
        {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "s", "-1", "1.5s", "2 days", "2d", "99999999999999999999"] {
            assert!(parse(text).unwrap_err().contains("ms, s, m, h"), "{text}");
        }
    }

    #[test]
    fn a_run_that_frees_waits_half_a_minute_at_least_and_a_day_at_most() {
        for (text, dry_run, is_allowed) in [
            ("30s", false, true),
            ("29s", false, false),
            ("29999ms", false, false),
            ("0", true, true),
            ("24h", false, true),
            ("86401s", true, false),
        ] {
            let checked = check(parse(text).unwrap(), dry_run);
            assert_eq!(checked.is_ok(), is_allowed, "{text}");
        }
    }
}
