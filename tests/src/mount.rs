//! A file system of a test's own, to be filled or made read-only.
//!
//! It is mounted in a namespace that a child of the test holds: nobody else
//! sees it, and it is gone with the child, however the test ends. Needs root.

use crate::engine::{is_root, run};
use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A namespace with a file system mounted in it.
#[derive(Debug)]
pub struct Mount {
    /// Waits until its standard input ends, at the latest with the test.
    holder: Child,
    at: PathBuf,
}

impl Mount {
    /// Mounts what `script`, which is told the place as `$1`, mounts at a
    /// directory that exists. Nothing, and a line that says so, without root.
    ///
    /// # Panics
    /// When the script fails.
    #[must_use]
    #[expect(clippy::print_stdout, reason = "what was skipped, and why, is for whoever runs it")]
    pub fn new(at: &Path, script: &str) -> Option<Self> {
        if !is_root() {
            println!("skipped: mounting a file system needs root");
            return None;
        }
        let mut holder = Command::new("unshare")
            .args(["--mount", "sh", "-c", &format!("{script} && echo mounted && read _"), "sh"])
            .arg(at)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("util-linux is there");
        let mut line = String::new();
        let said = holder.stdout.as_mut().map(|out| BufReader::new(out).read_line(&mut line));
        assert_eq!(line, "mounted\n", "{script}: {said:?}");
        Some(Self { holder, at: at.to_owned() })
    }

    /// A program that will run in the namespace. Its process id is its own.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.holder.id())).arg(program);
        command
    }

    /// Runs a script in the namespace, with the place as `$1`.
    ///
    /// # Errors
    /// What it printed, when it failed.
    pub fn sh(&self, script: &str) -> Result<String, String> {
        run(self.command(Path::new("sh")).args(["-c", script, "sh"]).arg(&self.at))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
