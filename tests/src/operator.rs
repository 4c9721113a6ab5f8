//! The commands of an operator, run as they are: the real binary.

use crate::daemon::{Daemon, binary};
use serde_json::Value;
use std::{path::Path, process::Command};

/// What a command came to.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// What it printed: one value for each line.
    pub items: Vec<Value>,
    /// What it said beside.
    pub said: String,
}

impl Ran {
    /// What it printed, if it succeeded.
    ///
    /// # Panics
    /// When it did not.
    #[must_use]
    #[track_caller]
    pub fn done(self) -> Vec<Value> {
        assert_eq!(self.code, 0, "{}", self.said);
        self.items
    }

    /// What it said, if it failed with 1.
    ///
    /// # Panics
    /// When it did not.
    #[must_use]
    #[track_caller]
    pub fn refused(self) -> String {
        assert_eq!(self.code, 1, "{}", self.said);
        self.said
    }
}

/// Runs `wipam` with these words against a daemon, for JSON.
///
/// # Panics
/// When it cannot be run, is killed, or prints what is no JSON.
#[must_use]
pub fn wipam(daemon: &Daemon, words: &[&str]) -> Ran {
    run(Command::new(binary()), daemon.state_dir(), words)
}

/// [`wipam`] by another command that ends up as `wipam`.
///
/// # Panics
/// When it cannot be run, is killed, or prints what is no JSON.
#[must_use]
pub fn run(mut command: Command, state_dir: &Path, words: &[&str]) -> Ran {
    let command = command.args(words).arg("--json").arg("--state-dir").arg(state_dir);
    let output = command.output().expect("the binary runs");
    let printed = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    let read = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
    Ran {
        code: output.status.code().expect("it is not killed"),
        items: printed.lines().map(read).collect(),
        said: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
