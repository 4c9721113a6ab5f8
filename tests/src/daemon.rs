//! `wipam serve` as a test runs it: the real binary, in directories of its own.

use crate::http::Client;
use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long a test waits for the daemon to serve, or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running daemon. Killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    state: PathBuf,
    plugins: PathBuf,
    log: PathBuf,
}

/// The binary that `cargo test --workspace` or `cargo build` put beside this
/// test.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn binary() -> PathBuf {
    let me = env::current_exe().expect("a running program has a path");
    let path = me.ancestors().skip(1).map(|up| up.join("wipam")).find(|path| path.is_file());
    path.expect("no `wipam` beside this test: run `cargo test --workspace`, or `cargo build`")
}

/// Where `wipam test` keeps compiled code: nowhere outside of this repository.
#[must_use]
pub fn cache_home() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/cache"))
}

/// Waits for what is sure to come.
///
/// # Panics
/// When it does not.
pub fn wait(mut until: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !until() {
        assert!(begin.elapsed() < PATIENCE, "it does not happen");
        thread::sleep(Duration::from_millis(10));
    }
}

impl Daemon {
    /// Starts `wipam serve` below `directory` with more arguments, and waits
    /// until it serves `wipam.sock`.
    ///
    /// # Panics
    /// When it does not come up; its log is shown.
    #[must_use]
    pub fn start(directory: &Path, arguments: &[&str]) -> Self {
        let plugins = directory.join("plugins");
        fs::create_dir_all(&plugins).expect("a test's directory can be written");
        Self::start_as(Command::new(binary()), directory, &plugins, arguments)
    }

    /// [`Daemon::start`] by another command that ends up as `wipam`, with a
    /// plugin directory that exists.
    ///
    /// # Panics
    /// When it does not come up; its log is shown.
    #[must_use]
    pub fn start_as(
        command: Command,
        directory: &Path,
        plugins: &Path,
        arguments: &[&str],
    ) -> Self {
        let mut daemon = Self::spawn(command, directory, plugins, arguments);
        let begin = Instant::now();
        while Client::connect(&daemon.socket("wipam")).is_err() {
            let ended = daemon.child.try_wait().expect("it is our child");
            if ended.is_some() || begin.elapsed() > PATIENCE {
                panic!("wipam does not serve ({ended:?}):\n{}", daemon.log());
            }
            thread::sleep(Duration::from_millis(10));
        }
        daemon
    }

    /// Waits until all drivers are loaded: before, trouble of one of them, or
    /// of the ledger, ends the daemon.
    ///
    /// # Panics
    /// When that takes too long; its log is shown.
    #[must_use]
    pub fn ready(self) -> Self {
        let begin = Instant::now();
        while !self.log().contains(" ready; ") {
            assert!(begin.elapsed() < PATIENCE, "wipam is not ready:\n{}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
        self
    }

    /// The one line in which `wipam serve` says why it cannot, of a command as
    /// that of [`Daemon::start_as`], with these arguments.
    ///
    /// # Panics
    /// When it does not end, does not end with 1, or says more or something
    /// else than one line; its log is shown.
    #[must_use]
    pub fn refuses_to_start(command: Command, directory: &Path, arguments: &[&str]) -> String {
        let plugins = directory.join("plugins");
        fs::create_dir_all(&plugins).expect("a test's directory can be written");
        // What was said before is not its own.
        let _ = fs::remove_file(directory.join("wipam.log"));
        let mut daemon = Self::spawn(command, directory, &plugins, arguments);
        let status = daemon.wait();
        let said = daemon.log();
        let code = status.unwrap_or_else(|error| panic!("{error}:\n{said}")).code();
        assert_eq!(code, Some(1), "{said}");
        let (log, last) = said.trim_end().rsplit_once('\n').unwrap_or(("", said.trim_end()));
        let is_reason = |line: &str| line.starts_with("wipam: ");
        let is_trouble = |line: &str| {
            is_reason(line) || [" ERROR ", "panicked"].iter().any(|word| line.contains(word))
        };
        assert!(is_reason(last) && !log.lines().any(is_trouble), "one line:\n{said}");
        last.to_owned()
    }

    fn spawn(mut command: Command, directory: &Path, plugins: &Path, arguments: &[&str]) -> Self {
        let log = directory.join("wipam.log");
        let output = fs::File::options().create(true).append(true).open(&log);
        let state = directory.join("state");
        let child = command
            .arg("serve")
            .arg("--state-dir")
            .arg(&state)
            .arg("--plugin-dir")
            .arg(plugins)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output.expect("a test's directory can be written"))
            .spawn()
            .expect("the binary runs");
        Self { child, state, plugins: plugins.to_owned(), log }
    }

    /// Where it keeps its ledger and its admin socket.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.state
    }

    /// The socket of a plugin.
    #[must_use]
    pub fn socket(&self, plugin: &str) -> PathBuf {
        self.plugins.join(format!("{plugin}.sock"))
    }

    /// A connection to the built-in allocator.
    ///
    /// # Panics
    /// When it does not answer any more.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::connect(&self.socket("wipam")).expect("the daemon serves")
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Has it read its configuration again, and waits until it says this. What
    /// it has logged since.
    ///
    /// # Panics
    /// When it does not say so in time.
    pub fn hangup(&self, until: &str) -> String {
        let before = self.log().len();
        let sent = Command::new("kill").args(["-HUP", &self.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "it is there");
        wait(|| self.log()[before..].contains(until));
        self.log()[before..].to_owned()
    }

    /// Asks it to end, and waits.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn terminate(mut self) -> io::Result<ExitStatus> {
        Command::new("kill").arg(self.id().to_string()).status()?;
        self.wait()
    }

    fn wait(&mut self) -> io::Result<ExitStatus> {
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(10));
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
