//! What a guest said before it trapped: the cause, where the engine knows only
//! that it gave up.
//!
//! In: what it logs as an error or a warning and what it writes on its standard
//! error, in one call. Out: the message of its panic or exception, and what it said beside it,
//! its own trace above all. Nobody believes any of it; it is shown to operators.

/// How much is kept of either, in bytes.
const KEPT_BYTES: usize = 4 << 10;

/// What was said in the call under way.
#[derive(Debug, Default)]
pub(crate) struct LastWords {
    /// The last message of level error.
    logged: String,
    /// The beginning of its standard error and its warnings.
    written: String,
}

/// What of it is the cause.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    pub(crate) message: String,
    /// The rest, line by line.
    pub(crate) trace: Vec<String>,
}

impl LastWords {
    pub(crate) fn forget(&mut self) {
        self.logged.clear();
        self.written.clear();
    }

    pub(crate) fn log(&mut self, message: &str) {
        self.logged.clear();
        self.logged.push_str(&message[..message.floor_char_boundary(KEPT_BYTES)]);
    }

    pub(crate) fn write(&mut self, line: &str) {
        if self.written.len() >= KEPT_BYTES {
            return;
        }
        let room = KEPT_BYTES.saturating_sub(self.written.len());
        self.written.push_str(&line[..line.floor_char_boundary(room)]);
        self.written.push('\n');
    }

    /// What was logged knows best: it was meant for the operator.
    pub(crate) fn cause(&self) -> Option<Cause> {
        let said = if self.logged.is_empty() { &self.written } else { &self.logged };
        let lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
        let mut lines: Vec<&str> = lines.collect();
        // Skip what was written before the panic.
        let begin = lines.iter().position(|line| BEGINNINGS.iter().any(|it| line.contains(it)));
        lines.drain(..begin.unwrap_or(0));
        let first = *lines.first()?;
        let message = if first.starts_with(PYTHON) && lines.len() > 1 {
            lines.remove(0);
            lines.pop()?.to_owned()
        } else {
            lines.remove(0);
            // Rust's standard library has the message on a line of its own.
            let more = first.contains(RUST) && first.ends_with(':') && !lines.is_empty();
            if more { format!("{first} {}", lines.remove(0)) } else { first.to_owned() }
        };
        lines.retain(|line| !line.starts_with(HINT));
        Some(Cause { message, trace: lines.into_iter().map(str::to_owned).collect() })
    }
}

const RUST: &str = "panicked at ";
const PYTHON: &str = "Traceback (most recent call last)";
/// How a panic begins: of Rust, of Python, of Go.
const BEGINNINGS: [&str; 4] = [RUST, PYTHON, "panic: ", "fatal error: "];
/// What Rust's standard library advises, which no operator can follow.
const HINT: &str = "note: run with `RUST_BACKTRACE";

#[cfg(test)]
mod tests {
    use super::{Cause, KEPT_BYTES, LastWords};

    #[track_caller]
    fn check(logged: &str, written: &str, message: &str, trace: &[&str]) {
        let mut words = LastWords::default();
        if !logged.is_empty() {
            words.log(logged);
        }
        written.lines().for_each(|line| words.write(line));
        let trace = trace.iter().map(|&line| line.to_owned()).collect();
        assert_eq!(words.cause(), Some(Cause { message: message.to_owned(), trace }));
        words.forget();
        assert_eq!(words.cause(), None);
    }

    #[test]
    fn each_language_has_its_message_first() {
        check(
            "panicked at src/lib.rs:7:9: no rack",
            "",
            "panicked at src/lib.rs:7:9: no rack",
            &[],
        );
        check(
            "TypeError: cannot mix BigInt\n    at choose (policy.js:80:12)\n    at a (driver.js:1)\n",
            "noise",
            "TypeError: cannot mix BigInt",
            &["at choose (policy.js:80:12)", "at a (driver.js:1)"],
        );
        check(
            "",
            "starting\n\nthread 'main' (1) panicked at src/lib.rs:7:9:\nno rack\n\
             note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace",
            "thread 'main' (1) panicked at src/lib.rs:7:9: no rack",
            &[],
        );
        check(
            "",
            "panic: runtime error: index out of range [5] with length 3\n\n\
             goroutine 1 [running]:\nmain.choose(...)\n\t/lab/policy.go:12",
            "panic: runtime error: index out of range [5] with length 3",
            &["goroutine 1 [running]:", "main.choose(...)", "/lab/policy.go:12"],
        );
        check(
            "",
            "Traceback (most recent call last):\n  File \"driver.py\", line 7, in f\nKeyError: 'r7'",
            "KeyError: 'r7'",
            &["File \"driver.py\", line 7, in f"],
        );
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut words = LastWords::default();
        words.log(&"é".repeat(KEPT_BYTES));
        assert_eq!(words.logged.len(), KEPT_BYTES);
        (0..10_000).for_each(|_| words.write(&"x".repeat(100)));
        assert!(words.written.len() <= KEPT_BYTES + 1, "{} bytes", words.written.len());
    }
}
