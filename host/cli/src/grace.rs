//! How long something must stay unused before a reconciliation frees it.

use crate::fatal::Fatal;
use std::time::Duration;

/// The shortest grace period for a run that frees: an engine shows an endpoint
/// only after its address was granted, and may wait for a plugin that is down
/// in between.
const GRACE_MIN: Duration = Duration::from_secs(30);
/// The longest, a day.
const GRACE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// What `--grace` says.
pub(crate) fn grace(seconds: u64, dry_run: bool) -> Result<Duration, Fatal> {
    let grace = Duration::from_secs(seconds);
    if (grace < GRACE_MIN && !dry_run) || grace > GRACE_MAX {
        let (min, max) = (GRACE_MIN.as_secs(), GRACE_MAX.as_secs());
        return Err(Fatal::Usage(format!(
            "--grace {seconds}: must be {min} to {max} seconds; with --dry-run it may be less"
        )));
    }
    Ok(grace)
}
