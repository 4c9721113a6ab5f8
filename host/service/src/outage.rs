//! Something does not work, and is tried again, ever more rarely.

use crate::Limits;
use std::time::{Duration, Instant};

/// Consecutive failures of one thing, and when to try it again.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    failures: u32,
    retry_at: Option<Instant>,
}

impl Outage {
    /// Whether it may be tried now.
    pub(crate) fn is_due(&self) -> bool {
        self.retry_at.is_none_or(|at| Instant::now() >= at)
    }

    pub(crate) fn failed(&mut self, limits: &Limits) {
        self.retry_at = Instant::now().checked_add(pause(self.failures, limits));
        self.failures = self.failures.saturating_add(1);
    }

    /// It is left alone for at least that long.
    pub(crate) fn rest(&mut self, pause: Duration) {
        self.retry_at = self.retry_at.max(Instant::now().checked_add(pause));
    }

    pub(crate) fn over(&mut self) {
        *self = Self::default();
    }
}

fn pause(failures: u32, limits: &Limits) -> Duration {
    let factor = 2u32.checked_pow(failures).unwrap_or(u32::MAX);
    limits.backoff_min.saturating_mul(factor).min(limits.backoff_max)
}

#[cfg(test)]
mod tests {
    use super::{Limits, Outage, pause};
    use std::time::Duration;

    #[test]
    fn the_pause_doubles_up_to_its_limit() {
        let limits = Limits {
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(10),
            ..Limits::default()
        };
        let pauses = [0, 1, 2, 6, 7, 31, 32, u32::MAX].map(|n| pause(n, &limits).as_millis());
        assert_eq!(pauses, [100, 200, 400, 6400, 10_000, 10_000, 10_000, 10_000]);
    }

    #[test]
    fn nothing_is_tried_during_the_pause() {
        let mut outage = Outage::default();
        assert!(outage.is_due());
        outage.failed(&Limits {
            backoff_min: Duration::from_secs(3600),
            backoff_max: Duration::MAX,
            ..Limits::default()
        });
        assert!(!outage.is_due());
        outage.over();
        assert!(outage.is_due());
    }
}
