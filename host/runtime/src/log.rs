//! What a driver says to its operator, through the `log` import or WASI's
//! standard streams: bounded, and on one line each.

use crate::Limits;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};
use tracing::Level;

/// Where one instance's lines go. Clones share the budget of the call.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    driver: Arc<str>,
    line_bytes: usize,
    lines_per_call: usize,
    /// Lines that this call wanted to say. One thread counts at a time.
    wanted: Arc<AtomicUsize>,
}

impl Log {
    pub(crate) fn new(driver: Arc<str>, limits: &Limits) -> Self {
        let (line_bytes, lines_per_call) = (limits.log_line_bytes, limits.log_lines);
        Self { driver, line_bytes, lines_per_call, wanted: Arc::default() }
    }

    /// Says one line, or counts it among the dropped. Control characters are
    /// escaped, so that a guest cannot forge a line or colour a terminal.
    pub(crate) fn say(&self, level: Level, message: &str) {
        if self.wanted.fetch_add(1, Relaxed) >= self.lines_per_call {
            return;
        }
        let said = printable(cut(message, self.line_bytes));
        let driver = &*self.driver;
        match level {
            Level::ERROR => tracing::error!(target: "wipam::driver", driver, "{said}"),
            Level::WARN => tracing::warn!(target: "wipam::driver", driver, "{said}"),
            Level::INFO => tracing::info!(target: "wipam::driver", driver, "{said}"),
            _ => tracing::debug!(target: "wipam::driver", driver, "{said}"),
        }
    }

    /// Ends a call: says how much was dropped, and the next may say as much.
    pub(crate) fn end_call(&self) {
        let wanted = self.wanted.load(Relaxed);
        if wanted > 0 {
            self.wanted.store(0, Relaxed);
        }
        if wanted > self.lines_per_call {
            let (driver, dropped) = (&*self.driver, wanted - self.lines_per_call);
            tracing::warn!(target: "wipam::driver", driver, dropped, "lines were dropped");
        }
    }
}

/// The longest beginning of `text` that has at most `bytes` bytes.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// `text` with its control characters escaped.
pub(crate) fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut said, character| {
        if character.is_control() {
            said.extend(character.escape_default());
        } else {
            said.push(character);
        }
        said
    })
}

#[cfg(test)]
mod tests {
    use super::{Log, Relaxed, cut, printable};
    use crate::Limits;

    #[test]
    fn lines_are_cut_at_a_character() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
        assert_eq!(cut("", 3), "");
    }

    #[test]
    fn no_line_forges_another() {
        assert_eq!(printable("a\nERROR b\u{1b}[31m"), "a\\nERROR b\\u{1b}[31m");
    }

    #[test]
    fn a_call_has_a_budget_and_the_next_has_its_own() {
        let log = Log::new("lab".into(), &Limits { log_lines: 2, ..Limits::default() });
        for _ in 0..5 {
            log.say(tracing::Level::INFO, "again");
        }
        assert_eq!(log.wanted.load(Relaxed), 5);
        log.end_call();
        assert_eq!(log.wanted.load(Relaxed), 0);
    }
}
