//! What it costs that nothing is answered before it is durable:
//! `cargo build --release -p wipam && cargo run --release -p ipam-tests --bin durable`.
//!
//! Over the socket of `wipam serve`, in turns with a program that only appends
//! as many bytes and calls fdatasync on the same disk, and with a daemon that
//! keeps its ledger in memory. The directory may be given in `WIPAM_BENCH_DIR`.

#![expect(clippy::print_stdout, reason = "figures are its output")]

use ipam_tests::{
    callers::{Callers, Work, request_pool},
    daemon::Daemon,
    http::Client,
    measure::{Appender, answer_after_append, bench_directory, median, quantile_us},
};
use std::{
    fs, io,
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

/// In turns, and how many calls or appends each time.
const ROUNDS: usize = 15;
const SINGLES: usize = 200;
const CALLS: usize = 20_000;
const CONNECTIONS: usize = 256;
const DRIVERS: usize = 16;
/// Room for every call of every round.
const POOL: &str = "10.0.0.0/8";

fn main() -> ExitCode {
    match compare() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("durable: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare() -> io::Result<()> {
    let directory = bench_directory()?;
    let make = |name: &str, arguments: &[&str]| {
        let directory = directory.path().join(name);
        fs::create_dir(&directory)?;
        let daemon = Daemon::start(&directory, arguments);
        let pool_id = request_pool(&daemon.socket("wipam"), POOL)?;
        Client::connect(&daemon.socket("wipam"))?
            .post("/IpamDriver.RequestAddress", &format!(r#"{{"PoolID":"{pool_id}"}}"#))?;
        io::Result::Ok(daemon)
    };
    let durable = make("durable", &[])?;
    let bytes = lease_bytes(&directory.path().join("durable/state/journal"))?;
    let mut appender = Appender::new(&directory.path().join("appended"), bytes)?;
    let in_memory = make("memory", &["--ephemeral"])?;
    println!("{ROUNDS} rounds in turns; an append is {bytes} bytes, as a lease in the journal");
    let least = directory.path().join("least.sock");
    answer_after_append(&least, Appender::new(&directory.path().join("least"), bytes)?)?;
    one_connection(&durable, &in_memory, &least, &mut appender)?;
    for work in [Work::Grants, Work::Pairs] {
        many_connections(&durable, &in_memory, &mut appender, work)?;
    }
    drop((durable, in_memory));
    let drivers: Vec<String> = (1..=DRIVERS).map(|at| format!("d{at:02}")).collect();
    let mut arguments = Vec::new();
    for driver in &drivers {
        arguments.extend(["--driver".to_owned(), format!("{driver}=builtin:default")]);
    }
    // The last one: once it is served, all are.
    arguments.extend(["--driver".to_owned(), "builtin:default".to_owned()]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    many_drivers(&make("drivers", &arguments)?, &drivers)
}

/// How many bytes the record of a lease takes in a journal that begins with
/// that of a pool and then has it: the layout is that of FORMAT.md.
fn lease_bytes(journal: &Path) -> io::Result<usize> {
    let bytes = fs::read(journal)?;
    let record = |at: usize| {
        let length = bytes.get(at + 4..at + 8)?.try_into().ok().map(u32::from_le_bytes)?;
        Some((24 + usize::try_from(length).ok()?).next_multiple_of(64))
    };
    let lease = record(4096).and_then(|pool| record(4096 + pool));
    lease.ok_or_else(|| io::Error::other("no lease in the journal"))
}

/// How long each of some calls took.
fn times(count: usize, mut call: impl FnMut() -> io::Result<()>) -> io::Result<Vec<Duration>> {
    let time = |_| {
        let begin = Instant::now();
        call().map(|()| begin.elapsed())
    };
    (0..count).map(time).collect()
}

fn one_connection(
    durable: &Daemon,
    in_memory: &Daemon,
    least: &Path,
    appender: &mut Appender,
) -> io::Result<()> {
    let body = format!(r#"{{"PoolID":"LocalDefault/{POOL}"}}"#);
    let calls = |socket: &Path| {
        let mut client = Client::connect(socket)?;
        times(SINGLES, || match client.post("/IpamDriver.RequestAddress", &body)? {
            answer if answer.status == 200 => Ok(()),
            answer => Err(io::Error::other(format!("{answer:?}"))),
        })
    };
    let mut taken = [const { Vec::new() }; 4];
    let [appends, durables, in_memories, leasts] = &mut taken;
    for _ in 0..ROUNDS {
        appends.extend(times(SINGLES, || appender.append())?);
        durables.extend(calls(&durable.socket("wipam"))?);
        in_memories.extend(calls(&in_memory.socket("wipam"))?);
        leasts.extend(calls(least)?);
    }
    // The quickest tenth is what it takes while nobody else has the processor.
    for (name, percent) in [("median", 50), ("quickest tenth", 10)] {
        let [append, durable, in_memory, least] =
            taken.each_mut().map(|times| quantile_us(times, percent));
        println!(
            "1 connection, {name}: {:.2} fdatasyncs a durable RequestAddress (aim: at most 1.5); \
             {durable:.0} of {append:.0} µs; in memory {in_memory:.0} µs; \
             {:.2} if all it did were to append, sync and answer",
            durable / append,
            least / append,
        );
    }
    Ok(())
}

fn many_connections(
    durable: &Daemon,
    in_memory: &Daemon,
    appender: &mut Appender,
    work: Work,
) -> io::Result<()> {
    let rate = |daemon: &Daemon| {
        let sockets = vec![daemon.socket("wipam")];
        rate(&Callers {
            sockets,
            pool_id: format!("LocalDefault/{POOL}"),
            connections: CONNECTIONS,
            work,
        })
    };
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let synced =
            CONNECTIONS as f64 / quantile_us(&mut times(SINGLES, || appender.append())?, 50) * 1e6;
        rounds.push((synced, rate(durable)?, rate(in_memory)?));
    }
    let of = |pick: fn(&(f64, f64, f64)) -> f64| median(rounds.iter().map(pick));
    println!(
        "{CONNECTIONS} connections, {work:?}: {:.2} of the lesser rate (aim: at least 0.8); \
         {:.0} calls/s durable, {:.0} in memory, {:.0} if each waited for one fdatasync",
        of(|round| round.1 / round.0.min(round.2)),
        of(|round| round.1),
        of(|round| round.2),
        of(|round| round.0),
    );
    Ok(())
}

fn many_drivers(daemon: &Daemon, drivers: &[String]) -> io::Result<()> {
    for driver in drivers {
        request_pool(&daemon.socket(driver), POOL)?;
    }
    let callers = |sockets, connections| Callers {
        sockets,
        pool_id: format!("LocalDefault/{POOL}"),
        connections,
        work: Work::Grants,
    };
    let one = callers(vec![daemon.socket("wipam")], CONNECTIONS);
    let sockets = drivers.iter().map(|driver| daemon.socket(driver)).collect();
    let all = callers(sockets, CONNECTIONS / DRIVERS);
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push((rate(&one)?, rate(&all)?));
    }
    println!(
        "{DRIVERS} drivers, {CONNECTIONS} connections in all: {:.2} of the rate of one \
         (aim: at least 0.8); {:.0} calls/s, one driver {:.0}",
        median(rounds.iter().map(|round| round.1 / round.0)),
        median(rounds.iter().map(|round| round.1)),
        median(rounds.iter().map(|round| round.0)),
    );
    Ok(())
}

/// Calls per second.
fn rate(callers: &Callers) -> io::Result<f64> {
    Ok(CALLS as f64 / callers.call(CALLS)?.as_secs_f64())
}
