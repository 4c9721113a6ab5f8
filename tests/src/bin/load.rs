//! Compares `wipam serve` with a plain Go plugin over a socket, in one run:
//! `cargo run --release -p ipam-tests --bin load`.
//!
//! All get the same calls from h2load, in turns, so that a noisy machine
//! disturbs them alike. The plugin keeps what it granted in memory: like with
//! like is `wipam serve --ephemeral`; the daemon that makes everything durable
//! is shown beside it. Each daemon has the built-in allocator twice: as such, and
//! from a file, as a stranger's driver is. With `WIPAM_AGAINST=FILE` another
//! build of `wipam` is measured in the same turns. With `WIPAM_PLUGIN=PROGRAM`
//! that plugin, started with the path of its socket, takes the place of the plain
//! one, and automatic pools are measured, which the plain one does not have: for
//! issue 15 it was Moby's allocator behind docker/go-plugins-helpers. Needs `go` and `h2load`
//! (Debian: golang-go, nghttp2-client), and a release build of `wipam` beside
//! this program.

#![expect(clippy::print_stdout, reason = "figures are its output")]

use ipam_tests::{
    callers::{Callers, Work},
    daemon::{Daemon, binary},
    engine::run,
    http::Client,
    measure::{bench_directory, cpu_seconds, median},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    thread,
    time::Duration,
};

const ROUNDS: usize = 9;
/// Connections, and calls of one round.
const LOADS: [(usize, usize); 3] = [(1, 10_000), (16, 60_000), (64, 60_000)];
/// The same for automatic pools: there are 31, so no more callers than that.
const POOL_LOAD: (usize, usize) = (8, 20_000);
/// What all hand addresses out of: enough for every call of every round.
const POOL: &str = r#"{"AddressSpace":"LocalDefault","Pool":"10.0.0.0/8","V6":false}"#;
const LEASE: &str = r#"{"PoolID":"LocalDefault/10.0.0.0/8","Address":"","Options":null}"#;

/// One side of the comparison.
struct Side {
    socket: PathBuf,
    pid: u32,
}

/// What a round came to.
#[derive(Clone, Copy)]
struct Round {
    calls_per_second: f64,
    cpu_per_call: f64,
}

/// The Go plugin, ended with this.
struct Go(Child);

impl Drop for Go {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() -> ExitCode {
    match compare() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare() -> Result<(), String> {
    let directory = bench_directory().map_err(|error| error.to_string())?;
    let (_go, go) = start_go(directory.path())?;
    let file = directory.path().join("allocator.wasm");
    fs::write(&file, ipam_builtin::DEFAULT).map_err(|error| error.to_string())?;
    let from_file = format!("filed={}", file.display());
    let mut sides = vec![("go".to_owned(), go)];
    let mut daemons = Vec::new();
    let against = std::env::var_os("WIPAM_AGAINST").map(PathBuf::from);
    let builds = [("", Some(binary())), ("other ", against)];
    for (build, program) in builds.into_iter().filter_map(|(name, it)| Some((name, it?))) {
        for (ledger, flag) in [("memory", Some("--ephemeral")), ("durable", None)] {
            let directory = directory.path().join(format!("{build}{ledger}"));
            let plugins = directory.join("plugins");
            fs::create_dir_all(&plugins).map_err(|error| error.to_string())?;
            let drivers = ["--driver", &from_file, "--driver", "builtin:default"];
            let arguments: Vec<&str> = drivers.into_iter().chain(flag).collect();
            let daemon =
                Daemon::start_as(Command::new(&program), &directory, &plugins, &arguments).ready();
            for (driver, name) in [("built-in", "wipam"), ("file", "filed")] {
                let side = Side { socket: daemon.socket(name), pid: daemon.id() };
                sides.push((format!("{build}{ledger}, {driver}"), side));
            }
            daemons.push(daemon);
        }
    }
    let body = directory.path().join("lease.json");
    fs::write(&body, LEASE).map_err(|error| error.to_string())?;
    for (_, side) in &sides {
        let mut client = Client::connect(&side.socket).map_err(|error| error.to_string())?;
        let answer = client.post("/IpamDriver.RequestPool", POOL);
        let answer = answer.map_err(|error| error.to_string())?;
        if answer.status != 200 {
            return Err(format!("{}: {answer:?}", side.socket.display()));
        }
    }
    println!(
        "connections  who                       calls/s  to go   CPU µs/call  to go   \
         (median of {ROUNDS} rounds in turns)"
    );
    for (connections, calls) in LOADS {
        in_turns(&sides, connections, |side| load(side, &body, connections, calls))?;
    }
    if std::env::var_os("WIPAM_PLUGIN").is_some() {
        println!("automatic pools, requested and released");
        let (connections, calls) = POOL_LOAD;
        in_turns(&sides, connections, |side| pools(side, connections, calls))?;
    }
    Ok(())
}

/// Measures all sides in turns, and prints the median of each.
fn in_turns(
    sides: &[(String, Side)],
    connections: usize,
    measure: impl Fn(&Side) -> Result<Round, String>,
) -> Result<(), String> {
    let mut rounds: Vec<Vec<Round>> = sides.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for ((_, side), rounds) in sides.iter().zip(&mut rounds) {
            rounds.push(measure(side)?);
        }
    }
    let middle = |rounds: &Vec<Round>| Round {
        calls_per_second: median(rounds.iter().map(|round| round.calls_per_second)),
        cpu_per_call: median(rounds.iter().map(|round| round.cpu_per_call)),
    };
    let rounds: Vec<Round> = rounds.iter().map(middle).collect();
    for ((who, _), round) in sides.iter().zip(&rounds) {
        let Round { calls_per_second, cpu_per_call } = *round;
        let speed = calls_per_second / rounds[0].calls_per_second;
        let cpu = cpu_per_call / rounds[0].cpu_per_call;
        println!(
            "{connections:>11}  {who:<23} {calls_per_second:>9.0} {speed:>6.2} \
             {cpu_per_call:>13.1} {cpu:>6.2}"
        );
    }
    Ok(())
}

fn start_go(directory: &Path) -> Result<(Go, Side), String> {
    let program = match std::env::var_os("WIPAM_PLUGIN") {
        Some(other) => PathBuf::from(other),
        None => {
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("load/plugin.go");
            let program = directory.join("plugin");
            run(Command::new("go").arg("build").arg("-o").arg(&program).arg(source))?;
            program
        }
    };
    let socket = directory.join("go.sock");
    let child = Command::new(program).arg(&socket).stdin(Stdio::null()).spawn();
    let child = child.map_err(|error| error.to_string())?;
    let side = Side { socket, pid: child.id() };
    let go = Go(child);
    while Client::connect(&side.socket).is_err() {
        thread::sleep(Duration::from_millis(10));
    }
    Ok((go, side))
}

/// A round of automatic pools.
fn pools(side: &Side, connections: usize, calls: usize) -> Result<Round, String> {
    let sockets = vec![side.socket.clone()];
    let callers = Callers { sockets, pool_id: String::new(), connections, work: Work::Pools };
    let before = cpu_seconds(side.pid).map_err(|error| error.to_string())?;
    let took = callers.call(calls).map_err(|error| error.to_string())?;
    let spent = cpu_seconds(side.pid).map_err(|error| error.to_string())? - before;
    let calls = f64::from(u32::try_from(calls).map_err(|error| error.to_string())?);
    Ok(Round { calls_per_second: calls / took.as_secs_f64(), cpu_per_call: spent / calls * 1e6 })
}

fn load(side: &Side, body: &Path, connections: usize, calls: usize) -> Result<Round, String> {
    let before = cpu_seconds(side.pid).map_err(|error| error.to_string())?;
    let said = run(Command::new("h2load")
        .args(["--h1", "-t", "1", "-n", &calls.to_string(), "-c", &connections.to_string()])
        .arg("-d")
        .arg(body)
        .arg("-B")
        .arg(format!("unix:{}", side.socket.display()))
        .arg("http://localhost/IpamDriver.RequestAddress"))?;
    let spent = cpu_seconds(side.pid).map_err(|error| error.to_string())? - before;
    if !said.contains(&format!("{calls} succeeded")) {
        return Err(format!("not every call succeeded:\n{said}"));
    }
    let rate = said.split(" req/s").next().and_then(|text| text.rsplit(' ').next());
    let rate = rate.and_then(|text| text.parse().ok());
    let calls = f64::from(u32::try_from(calls).map_err(|error| error.to_string())?);
    Ok(Round {
        calls_per_second: rate.ok_or_else(|| format!("no rate in:\n{said}"))?,
        cpu_per_call: spent / calls * 1e6,
    })
}
