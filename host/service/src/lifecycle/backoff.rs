//! How long to wait after a failure, and when a driver's next instance may come.

use crate::Limits;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// A pause that doubles with each consecutive failure.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
    retry_at: Option<Instant>,
}

impl Backoff {
    /// How long to wait before the next attempt, if it is too early for it.
    pub(crate) fn left(&self, now: Instant) -> Option<Duration> {
        let left = self.retry_at?.checked_duration_since(now)?;
        (!left.is_zero()).then_some(left)
    }

    /// An attempt failed. Returns the pause that follows: `min`, doubled for each
    /// failure before, and at most `max`.
    pub(crate) fn failed(&mut self, now: Instant, min: Duration, max: Duration) -> Duration {
        let factor = 2u32.checked_pow(self.failures).unwrap_or(u32::MAX);
        let pause = min.saturating_mul(factor).min(max);
        self.failures = self.failures.saturating_add(1);
        self.retry_at = now.checked_add(pause);
        pause
    }

    /// Waits at least `pause` from now on.
    fn extend(&mut self, now: Instant, pause: Duration) {
        self.retry_at = self.retry_at.max(now.checked_add(pause));
    }
}

/// When the next instance of a driver may come.
///
/// Two things delay it: a start that failed, and a driver that breaks again and
/// again. Too many failures of instances that served, within a window, suspend
/// the driver: no instance is started until a pause is over, and callers are told
/// so at once. Then it gets one chance: a failure within the window suspends it
/// again, for twice as long; a window without one ends that.
#[derive(Debug, Default)]
pub(crate) struct Restarts {
    /// Starts that failed since one succeeded.
    starts: Backoff,
    /// Suspensions without a quiet window in between.
    suspensions: Backoff,
    /// Failures of instances that served, within the window, oldest first; at
    /// most as many as suspend the driver.
    recent: VecDeque<Instant>,
}

impl Restarts {
    /// Whether an instance may be started now.
    pub(crate) fn are_due(&self, now: Instant) -> bool {
        self.starts.left(now).is_none() && self.suspensions.left(now).is_none()
    }

    /// Until when the driver is suspended.
    pub(crate) fn suspended_until(&self) -> Option<Instant> {
        self.suspensions.retry_at
    }

    /// How long the driver is still suspended.
    pub(crate) fn suspended_for(&self, now: Instant) -> Option<Duration> {
        self.suspensions.left(now)
    }

    /// An instance did not start, or started and does not serve.
    pub(crate) fn start_failed(&mut self, now: Instant, limits: &Limits) {
        self.starts.failed(now, limits.backoff_min, limits.backoff_max);
    }

    /// No start within the next `pause`.
    pub(crate) fn delay_start(&mut self, now: Instant, pause: Duration) {
        self.starts.extend(now, pause);
    }

    /// An instance serves.
    pub(crate) fn started(&mut self) {
        self.starts = Backoff::default();
    }

    /// An instance that served broke. Returns for how long the driver is
    /// suspended, if it is.
    pub(crate) fn broke(&mut self, now: Instant, limits: &Limits) -> Option<Duration> {
        let is_recent = |&at: &Instant| now.duration_since(at) <= limits.faults_window;
        let last = self.recent.back().copied().max(self.suspensions.retry_at);
        if last.is_none_or(|last| !is_recent(&last)) {
            self.suspensions.failures = 0;
        }
        self.recent.retain(is_recent);
        self.recent.push_back(now);
        let was_suspended = self.suspensions.failures > 0;
        if !was_suspended && self.recent.len() < limits.faults_max.max(1) {
            return None;
        }
        self.recent.clear();
        Some(self.suspensions.failed(now, limits.breaker_min, limits.breaker_max))
    }

    /// Forgets every failure.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::{Backoff, Restarts};
    use crate::Limits;
    use std::time::{Duration, Instant};

    const HOUR: Duration = Duration::from_secs(3600);

    fn limits() -> Limits {
        let seconds = Duration::from_secs;
        Limits {
            backoff_min: seconds(1),
            backoff_max: seconds(4),
            faults_max: 3,
            faults_window: seconds(60),
            breaker_min: seconds(10),
            breaker_max: seconds(35),
            ..Limits::default()
        }
    }

    #[test]
    fn the_pause_doubles_up_to_its_limit() {
        let (min, max) = (Duration::from_millis(100), Duration::from_secs(10));
        let pauses = [0, 1, 2, 6, 7, 31, 32, u32::MAX].map(|failures| {
            let mut backoff = Backoff { failures, retry_at: None };
            backoff.failed(Instant::now(), min, max).as_millis()
        });
        assert_eq!(pauses, [100, 200, 400, 6400, 10_000, 10_000, 10_000, 10_000]);
    }

    #[test]
    fn nothing_is_tried_during_the_pause() {
        let (begin, mut backoff) = (Instant::now(), Backoff::default());
        assert_eq!(backoff.left(begin), None);
        backoff.failed(begin, HOUR, Duration::MAX);
        assert_eq!(backoff.left(begin), Some(HOUR));
        assert_eq!(backoff.left(begin + HOUR), None);
    }

    #[test]
    fn a_start_waits_for_failed_starts_and_for_suspensions() {
        let (begin, mut restarts) = (Instant::now(), Restarts::default());
        let after = |seconds| begin + Duration::from_secs(seconds);
        assert!(restarts.are_due(begin));
        restarts.start_failed(begin, &limits());
        assert!(!restarts.are_due(begin) && restarts.are_due(after(1)));
        restarts.delay_start(begin, Duration::from_secs(3));
        restarts.delay_start(begin, Duration::from_secs(2));
        assert!(!restarts.are_due(after(2)) && restarts.are_due(after(3)));
        restarts.started();
        assert!(restarts.are_due(begin));
        for _ in 0..3 {
            restarts.broke(begin, &limits());
        }
        assert!(!restarts.are_due(after(9)) && restarts.are_due(after(10)));
        restarts.started();
        assert!(!restarts.are_due(after(9)), "a start ends no suspension");
    }

    #[track_caller]
    fn check(course: &[(u64, Option<u64>)]) {
        let (begin, mut restarts) = (Instant::now(), Restarts::default());
        for (second, want) in course {
            let now = begin + Duration::from_secs(*second);
            let pause = restarts.broke(now, &limits());
            assert_eq!(pause, want.map(Duration::from_secs), "at {second}");
            assert_eq!(restarts.suspensions.left(now), pause, "at {second}");
        }
    }

    #[test]
    fn few_failures_or_rare_ones_change_nothing() {
        check(&[(0, None), (1, None), (62, None), (100, None), (123, None)]);
    }

    #[test]
    fn many_failures_suspend_it_and_one_more_suspends_it_for_longer() {
        check(&[
            (0, None),
            (1, None),
            (2, Some(10)),
            (12, Some(20)),
            (40, Some(35)),
            (80, Some(35)),
            // 35 s of pause and a quiet window later.
            (176, None),
            (177, None),
            (178, Some(10)),
        ]);
    }

    #[test]
    fn a_suspension_ends_by_itself_or_by_the_operator() {
        let (begin, mut restarts) = (Instant::now(), Restarts::default());
        let pauses = [(); 3].map(|()| restarts.broke(begin, &limits()));
        assert!(pauses[1].is_none() && pauses[2].is_some());
        let after = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(restarts.suspensions.left(after(4)), Some(Duration::from_secs(6)));
        assert_eq!(restarts.suspensions.left(after(10)), None);
        restarts.broke(after(11), &limits());
        restarts.reset();
        assert_eq!(restarts.suspensions.left(after(11)), None);
        assert_eq!(restarts.broke(after(12), &limits()), None, "all is forgotten");
    }
}
