//! Compares `wipam serve` with a plain Go plugin over a socket, in one run:
//! `cargo run --release -p ipam-tests --bin load`.
//!
//! All get the same calls from h2load, in turns, so that a noisy machine
//! disturbs them alike. The plugin keeps what it granted in memory: like with
//! like is `wipam serve --ephemeral`; the daemon that makes everything durable
//! is shown beside it. Needs `go` and `h2load` (Debian: golang-go,
//! nghttp2-client), and a release build of `wipam` beside this program.

#![expect(clippy::print_stdout, reason = "figures are its output")]

use ipam_tests::{
    daemon::Daemon,
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
/// Calls of one round, for one connection and for sixteen.
const LOADS: [(usize, usize); 2] = [(1, 20_000), (16, 60_000)];
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
    let start = |name: &str, arguments: &[&str]| {
        let directory = directory.path().join(name);
        fs::create_dir(&directory).map_err(|error| error.to_string())?;
        let daemon = Daemon::start(&directory, arguments);
        let side = Side { socket: daemon.socket("wipam"), pid: daemon.id() };
        Ok::<_, String>((daemon, side))
    };
    let (_memory, memory) = start("memory", &["--ephemeral"])?;
    let (_durable, durable) = start("durable", &[])?;
    let sides = [("go", go), ("in memory", memory), ("durable", durable)];
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
        "connections  who         calls/s  to go   CPU µs/call  to go   \
         (median of {ROUNDS} rounds in turns)"
    );
    for (connections, calls) in LOADS {
        let mut rounds = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for ((_, side), rounds) in sides.iter().zip(&mut rounds) {
                rounds.push(load(side, &body, connections, calls)?);
            }
        }
        let rounds = rounds.map(|rounds| Round {
            calls_per_second: median(rounds.iter().map(|round| round.calls_per_second)),
            cpu_per_call: median(rounds.iter().map(|round| round.cpu_per_call)),
        });
        for ((who, _), round) in sides.iter().zip(rounds) {
            let Round { calls_per_second, cpu_per_call } = round;
            let speed = calls_per_second / rounds[0].calls_per_second;
            let cpu = cpu_per_call / rounds[0].cpu_per_call;
            println!(
                "{connections:>11}  {who:<9} {calls_per_second:>9.0} {speed:>6.2} \
                 {cpu_per_call:>13.1} {cpu:>6.2}"
            );
        }
    }
    Ok(())
}

fn start_go(directory: &Path) -> Result<(Go, Side), String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("load/plugin.go");
    let program = directory.join("plugin");
    run(Command::new("go").arg("build").arg("-o").arg(&program).arg(source))?;
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
