//! What a driver says to its operator, through the `log` import or WASI's
//! standard streams: bounded, and on one line each.

use crate::{
    Limits,
    last_words::{Cause, LastWords},
};
use ipam_api::text::bounded;
use std::{
    fmt::Display,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tracing::Level;

/// How many lines a component may say in a second. All its instances share
/// one, or a driver that fails again and again would be given a new one each
/// time.
#[derive(Debug)]
pub(crate) struct Budget {
    lines: u32,
    second: Mutex<Second>,
    lines_dropped: AtomicU64,
    late_registrations: AtomicU64,
}

/// What all instances of a component did beside what they answered, and should
/// not have done. It did no harm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Behaviour {
    /// Lines of the log that were more than [`AnswerLimits::log_lines`](crate::AnswerLimits::log_lines) in a second.
    pub lines_dropped: u64,
    /// Attempts to register a name after the start.
    pub late_registrations: u64,
}

/// What was said since a second began.
#[derive(Debug)]
struct Second {
    began: Instant,
    said: u32,
    dropped: u64,
}

/// What may be said of one more line.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// The line, after so many were dropped.
    Say {
        dropped: u64,
    },
    /// That lines are dropped from here.
    SayThatLinesAreDropped,
    Drop,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Self {
        let second = Second { began: Instant::now(), said: 0, dropped: 0 };
        Self {
            lines: limits.answer.log_lines,
            second: Mutex::new(second),
            lines_dropped: AtomicU64::new(0),
            late_registrations: AtomicU64::new(0),
        }
    }

    pub(crate) fn behaviour(&self) -> Behaviour {
        Behaviour {
            lines_dropped: self.lines_dropped.load(Relaxed),
            late_registrations: self.late_registrations.load(Relaxed),
        }
    }

    fn spend(&self, now: Instant) -> Verdict {
        let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        let mut dropped = 0;
        if now.saturating_duration_since(second.began) >= Duration::from_secs(1) {
            dropped = second.dropped;
            *second = Second { began: now, said: 0, dropped: 0 };
        }
        if second.said < self.lines {
            second.said += 1;
            return Verdict::Say { dropped };
        }
        second.dropped += 1;
        self.lines_dropped.fetch_add(1, Relaxed);
        if second.dropped == 1 { Verdict::SayThatLinesAreDropped } else { Verdict::Drop }
    }
}

/// Where one instance's lines go.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    driver: Arc<str>,
    line_bytes: usize,
    budget: Arc<Budget>,
    words: Arc<Words>,
}

/// What was said in the call under way, if anything was.
#[derive(Debug, Default)]
struct Words {
    /// Most calls say nothing, and then nobody takes the lock.
    has_some: AtomicBool,
    last: Mutex<LastWords>,
}

/// The most lines of one message; the last of them has the rest.
const MESSAGE_LINES: usize = 16;

impl Log {
    pub(crate) fn new(driver: Arc<str>, limits: &Limits, budget: Arc<Budget>) -> Self {
        Self { driver, line_bytes: limits.answer.log_line_bytes, budget, words: Arc::default() }
    }

    /// Counts an attempt to register after the start.
    pub(crate) fn registers_late(&self) {
        self.budget.late_registrations.fetch_add(1, Relaxed);
    }

    /// The longest line, in bytes.
    pub(crate) fn line_bytes(&self) -> usize {
        self.line_bytes
    }

    /// What a guest says through the `log` import, line by line.
    pub(crate) fn log(&self, level: Level, message: &str) {
        match level {
            Level::ERROR => self.keep(|words| words.log(message)),
            // What an adapter has of a standard error, such as that of Go.
            Level::WARN => self.keep(|words| words.write(message)),
            _ => {}
        }
        let lines = message.splitn(MESSAGE_LINES, '\n').map(str::trim_end);
        lines.filter(|line| !line.is_empty()).for_each(|line| self.say(level, line));
    }

    /// A line that a guest writes on its standard error.
    pub(crate) fn complain(&self, line: &str) {
        self.keep(|words| words.write(line));
        self.say(Level::WARN, line);
    }

    /// What the guest has said in this call, for the report if it traps.
    pub(crate) fn cause(&self) -> Option<Cause> {
        self.words().cause()
    }

    /// Forgets it: another call begins.
    pub(crate) fn forget(&self) {
        if self.words.has_some.swap(false, Relaxed) {
            self.words().forget();
        }
    }

    fn keep(&self, keep: impl FnOnce(&mut LastWords)) {
        keep(&mut self.words());
        self.words.has_some.store(true, Relaxed);
    }

    fn words(&self) -> MutexGuard<'_, LastWords> {
        self.words.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says one line, or counts it among the dropped. It is bounded, and
    /// escaped, so that a guest cannot forge a line or colour a terminal.
    pub(crate) fn say(&self, level: Level, message: impl Display) {
        let driver = &*self.driver;
        match self.budget.spend(Instant::now()) {
            Verdict::Say { dropped: 0 } => {}
            Verdict::Say { dropped } => {
                tracing::warn!(target: "wipam::driver", driver, dropped, "lines were dropped");
            }
            Verdict::SayThatLinesAreDropped => {
                tracing::warn!(target: "wipam::driver", driver, "it says too much: lines are dropped");
                return;
            }
            Verdict::Drop => return,
        }
        let said = bounded(self.line_bytes, message);
        match level {
            Level::ERROR => tracing::error!(target: "wipam::driver", driver, "{said}"),
            Level::WARN => tracing::warn!(target: "wipam::driver", driver, "{said}"),
            Level::INFO => tracing::info!(target: "wipam::driver", driver, "{said}"),
            _ => tracing::debug!(target: "wipam::driver", driver, "{said}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, Verdict};
    use crate::{AnswerLimits, Limits};
    use std::time::{Duration, Instant};

    #[test]
    fn a_second_has_a_budget_and_the_next_has_its_own() {
        let budget = Budget::new(&Limits {
            answer: AnswerLimits { log_lines: 2, ..AnswerLimits::default() },
            ..Limits::default()
        });
        let began = Instant::now();
        let after = |millis| budget.spend(began + Duration::from_millis(millis));
        assert_eq!(after(0), Verdict::Say { dropped: 0 });
        assert_eq!(after(1), Verdict::Say { dropped: 0 });
        assert_eq!(after(2), Verdict::SayThatLinesAreDropped);
        assert_eq!(after(500), Verdict::Drop);
        assert_eq!(after(2000), Verdict::Say { dropped: 2 });
        assert_eq!(after(2500), Verdict::Say { dropped: 0 });
        assert_eq!(after(2900), Verdict::SayThatLinesAreDropped);
        assert_eq!(after(3100), Verdict::Say { dropped: 1 });
        assert_eq!(budget.behaviour().lines_dropped, 3);
    }
}
