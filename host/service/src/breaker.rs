//! A driver that fails again and again is left alone for a while.
//!
//! Each failure of an instance that serves counts. Too many within a window
//! open the breaker: the driver is not built anew until a pause is over, and
//! whoever asks is told so at once. Then it is given one chance: a failure
//! within the window opens it again, for twice as long; a window without one
//! closes it for good.

use crate::Limits;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// How often a driver failed lately, and what follows.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    /// Within the window, oldest first; at most as many as open it.
    recent: VecDeque<Instant>,
    /// How often it opened without a quiet window in between.
    opened: u32,
    until: Option<Instant>,
}

impl Breaker {
    /// How long the driver is still left alone.
    pub(crate) fn pause(&self, now: Instant) -> Option<Duration> {
        let left = self.until?.checked_duration_since(now)?;
        (!left.is_zero()).then_some(left)
    }

    /// A failure of an instance that served. How long the driver is left alone
    /// now, if it is.
    pub(crate) fn failed(&mut self, now: Instant, limits: &Limits) -> Option<Duration> {
        let is_lately = |&at: &Instant| now.duration_since(at) <= limits.faults_window;
        let last = self.recent.back().copied().max(self.until);
        if last.is_none_or(|last| !is_lately(&last)) {
            self.opened = 0;
        }
        self.recent.retain(is_lately);
        self.recent.push_back(now);
        if self.opened == 0 && self.recent.len() < limits.faults_max.max(1) {
            return None;
        }
        let factor = 2u32.checked_pow(self.opened).unwrap_or(u32::MAX);
        let pause = limits.breaker_min.saturating_mul(factor).min(limits.breaker_max);
        self.opened = self.opened.saturating_add(1);
        self.recent.clear();
        self.until = now.checked_add(pause);
        Some(pause)
    }

    /// The operator says that it is worth another try.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::Breaker;
    use crate::Limits;
    use std::time::{Duration, Instant};

    fn limits() -> Limits {
        let seconds = Duration::from_secs;
        Limits {
            faults_max: 3,
            faults_window: seconds(60),
            breaker_min: seconds(10),
            breaker_max: seconds(35),
            ..Limits::default()
        }
    }

    /// At which seconds it failed, and for how long it opened each time.
    #[track_caller]
    fn check(course: &[(u64, Option<u64>)]) {
        let (begin, mut breaker) = (Instant::now(), Breaker::default());
        for (second, want) in course {
            let now = begin + Duration::from_secs(*second);
            let pause = breaker.failed(now, &limits());
            assert_eq!(pause, want.map(Duration::from_secs), "at {second}");
            assert_eq!(breaker.pause(now), pause, "at {second}");
        }
    }

    #[test]
    fn few_failures_or_rare_ones_change_nothing() {
        check(&[(0, None), (1, None), (62, None), (100, None), (123, None)]);
    }

    #[test]
    fn many_failures_open_it_and_one_more_opens_it_for_longer() {
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
    fn a_pause_ends_by_itself_or_by_the_operator() {
        let (begin, mut breaker) = (Instant::now(), Breaker::default());
        let pauses = [(); 3].map(|()| breaker.failed(begin, &limits()));
        assert!(pauses[1].is_none() && pauses[2].is_some());
        let after = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(breaker.pause(after(4)), Some(Duration::from_secs(6)));
        assert_eq!(breaker.pause(after(10)), None);
        breaker.failed(after(11), &limits());
        breaker.reset();
        assert_eq!(breaker.pause(after(11)), None);
        assert_eq!(breaker.failed(after(12), &limits()), None, "all is forgotten");
    }
}
