//! A daemon with an honest driver, and room for a hostile one.

use ipam_tests::{
    daemon::{Daemon, wait},
    http::Client,
    operator::wipam,
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

/// How long one call of a driver may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(5);
/// By when a call that does not end must have been ended: the machine may be
/// busy, but a limit that is not enforced takes for ever.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

/// What the honest driver grants.
const POOL: &str = "LocalDefault/10.0.0.0/16";
/// The honest driver's callers take their time, or they would be the load.
const PACE: Duration = Duration::from_millis(2);
/// So many requests are measured at least, and at most as many undisturbed.
const REQUESTS: (usize, usize) = (50, 300);

pub(crate) struct Harness {
    directory: tempfile::TempDir,
    pub(crate) daemon: Daemon,
}

impl Harness {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = configure(directory.path(), "");
        let daemon = Daemon::start(directory.path(), &["--config", config.to_str().unwrap()]);
        wait(|| daemon.log().contains("ready;"));
        daemon.client().pool("LocalDefault", "10.0.0.0/16");
        Self { directory, daemon }
    }

    /// With a program that loads.
    pub(crate) fn with(program: &str, table: &str) -> Self {
        let harness = Self::new();
        harness.load(&ipam_tests::programs::file(program), table).unwrap();
        harness
    }

    /// Has the running daemon load a file as one more driver, with a table of
    /// its own. Why not, if it does not.
    pub(crate) fn load(&self, file: &Path, table: &str) -> Result<(), String> {
        let driver = format!("[[driver]]\nfile = {:?}\n{table}\n", file.to_str().unwrap());
        configure(self.directory.path(), &driver);
        let log = self.daemon.hangup("configuration reloaded");
        let refused = log.lines().find(|it| it.contains("it is unchanged"));
        refused.map_or(Ok(()), |line| Err(line.to_owned()))
    }

    /// Writes the configuration that the daemon reads next: with this file, and
    /// a table of its own.
    pub(crate) fn configure(&self, file: &Path, table: &str) {
        let driver = format!("[[driver]]\nfile = {:?}\n{table}\n", file.to_str().unwrap());
        configure(self.directory.path(), &driver);
    }

    /// Ends the daemon and starts it again with what is configured now; it
    /// serves, but perhaps not all.
    pub(crate) fn restart(self) -> Self {
        let Self { directory, daemon } = self;
        assert!(daemon.terminate().unwrap().success());
        let config = directory.path().join("wipam.toml");
        let daemon = Daemon::start(directory.path(), &["--config", config.to_str().unwrap()]);
        Self { directory, daemon }
    }

    /// Ends the daemon.
    pub(crate) fn end(self) -> ExitStatus {
        self.daemon.terminate().unwrap()
    }

    pub(crate) fn client(&self, driver: &str) -> Client {
        Client::connect(&self.daemon.socket(driver)).unwrap()
    }

    /// A pool of the hostile driver.
    pub(crate) fn pool(&self, driver: &str) -> String {
        self.client(driver).pool("zoo", "10.66.0.0/24")
    }

    /// What `wipam drivers` says of each driver.
    pub(crate) fn drivers(&self) -> Vec<Value> {
        wipam(&self.daemon, &["drivers"]).done()
    }

    /// What `wipam drivers` says of one.
    pub(crate) fn driver(&self, name: &str) -> Value {
        let drivers = self.drivers();
        let found = drivers.iter().find(|driver| driver["name"] == name);
        found.unwrap_or_else(|| panic!("{name} is not in {drivers:?}")).clone()
    }

    /// Does something hostile while the honest driver is asked all the time:
    /// each of its answers is right, and comes before the hostile one's limit.
    /// How long they took is printed beside the same requests undisturbed.
    pub(crate) fn beside<T>(&self, what: &str, hostile: impl FnOnce() -> T) -> T {
        let is_over = AtomicBool::new(false);
        let (done, beside) = thread::scope(|scope| {
            let honest =
                scope.spawn(|| self.honest(|asked| asked < REQUESTS.0 || !is_over.load(Relaxed)));
            let _over = Over(&is_over);
            let done = hostile();
            drop(_over);
            (done, honest.join().unwrap())
        });
        let undisturbed = self.honest(|asked| asked < beside.len().min(REQUESTS.1));
        let slowest = beside.iter().max().unwrap();
        assert!(*slowest < LIMIT, "{what}: an honest request took {slowest:?}");
        let (one, other) = (median(&beside), median(&undisturbed));
        println!(
            "{what}: {} honest requests took {one:?} beside it, {other:?} undisturbed: \
             ratio {:.2}; slowest {slowest:?}",
            beside.len(),
            one.as_secs_f64() / other.as_secs_f64(),
        );
        done
    }

    /// Takes an address of the honest driver and gives it back, as long as it
    /// goes on; how long each request took.
    fn honest(&self, goes_on: impl Fn(usize) -> bool) -> Vec<Duration> {
        let mut client = self.daemon.client();
        let mut took = Vec::new();
        while goes_on(took.len()) {
            let begin = Instant::now();
            let (status, body) = client.ask("RequestAddress", &json!({"PoolID": POOL}));
            assert_eq!(status, 200, "{body}");
            let address = body["Address"].as_str().unwrap();
            assert_eq!(address, "10.0.0.1/16", "the lowest is free");
            let released = json!({"PoolID": POOL, "Address": "10.0.0.1"});
            let (status, body) = client.ask("ReleaseAddress", &released);
            assert_eq!((status, body), (200, json!({})));
            took.push(begin.elapsed() / 2);
            thread::sleep(PACE);
        }
        took
    }
}

/// Ends the load even when what it runs beside panics.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

fn configure(directory: &Path, driver: &str) -> PathBuf {
    let file = directory.join("wipam.toml");
    fs::write(&file, format!("[[driver]]\nfile = \"builtin:default\"\n{driver}")).unwrap();
    file
}

fn median(took: &[Duration]) -> Duration {
    let mut sorted = took.to_vec();
    sorted.sort();
    sorted[sorted.len() / 2]
}
