//! `wipam test` as a test runs it.

use ipam_tests::daemon;
use serde_json::Value;
use std::{path::Path, process::Command};

/// What came of one run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    /// One object for each promise, and one for each section.
    pub(crate) lines: Vec<Value>,
    /// What it said on standard error.
    pub(crate) said: String,
}

/// Runs it with these arguments.
pub(crate) fn wipam_test(arguments: &[&str]) -> Ran {
    wipam_test_in(&daemon::cache_home(), arguments)
}

/// The same with another place for compiled code.
pub(crate) fn wipam_test_in(cache_home: &Path, arguments: &[&str]) -> Ran {
    let mut command = Command::new(daemon::binary());
    command.args(["test", "--json"]).args(arguments).env("XDG_CACHE_HOME", cache_home);
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    Ran {
        code: output.status.code().unwrap(),
        lines: text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
        said: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Ran {
    /// What came of one promise: `SECTION/NAME`.
    pub(crate) fn outcome(&self, promise: &str) -> &str {
        let is_it = |line: &&Value| name(line).as_deref() == Some(promise);
        let line = self.lines.iter().find(is_it);
        let line = line.unwrap_or_else(|| panic!("{promise} is not in {self:?}"));
        line["outcome"].as_str().unwrap()
    }

    /// The promises that were broken.
    pub(crate) fn broken(&self) -> Vec<String> {
        let broken = self.lines.iter().filter(|line| line["outcome"] == "fail");
        broken.filter_map(name).collect()
    }

    /// How many promises had that outcome.
    pub(crate) fn count(&self, outcome: &str) -> usize {
        self.lines.iter().filter(|line| line["outcome"] == outcome).count()
    }
}

fn name(line: &Value) -> Option<String> {
    Some(format!("{}/{}", line["section"].as_str()?, line["promise"].as_str()?))
}
