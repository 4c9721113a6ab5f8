//! What it costs that nothing is answered before it is durable:
//! `cargo build --release -p wipam && cargo run --release -p ipam-tests --bin durable`.
//!
//! Over the socket of `wipam serve`, in turns with a program that only appends
//! as many bytes and calls fdatasync on the same disk, and with a daemon that
//! keeps its ledger in memory. The allocator is measured as it is built in, and
//! from a file, as a stranger's driver is; with `WIPAM_AGAINST=FILE` those of
//! another build of `wipam` are measured in the same turns. The directory may be
//! given in `WIPAM_BENCH_DIR`.

#![expect(clippy::print_stdout, reason = "figures are its output")]

use ipam_tests::{
    callers::{Callers, Work, request_pool},
    daemon::{Daemon, binary},
    http::Client,
    measure::{Appender, answer_after_append, bench_directory, median, quantile_us},
};
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

/// In turns, and how many calls or appends each time.
const ROUNDS: usize = 15;
const SINGLES: usize = 200;
const CALLS: usize = 20_000;
const CONNECTIONS: [usize; 3] = [16, 64, MOST];
const MOST: usize = 256;
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

/// One driver of one daemon.
struct Side {
    name: String,
    socket: PathBuf,
}

fn compare() -> io::Result<()> {
    let directory = bench_directory()?;
    let file = directory.path().join("allocator.wasm");
    fs::write(&file, ipam_builtin::DEFAULT)?;
    let from_file = format!("filed={}", file.display());
    let make = |program: &Path, name: &str, arguments: &[&str]| {
        let directory = directory.path().join(name);
        let plugins = directory.join("plugins");
        fs::create_dir_all(&plugins)?;
        io::Result::Ok(
            Daemon::start_as(Command::new(program), &directory, &plugins, arguments).ready(),
        )
    };
    let both = ["--driver", &from_file, "--driver", "builtin:default"];
    let in_memory: Vec<&str> = both.into_iter().chain(["--ephemeral"]).collect();
    let (mut daemons, mut durable, mut memory) = (Vec::new(), Vec::new(), Vec::new());
    let against = std::env::var_os("WIPAM_AGAINST").map(PathBuf::from);
    let builds = [("", Some(binary())), ("other ", against)];
    for (build, program) in builds.into_iter().filter_map(|(name, it)| Some((name, it?))) {
        let kinds = [("durable", &both[..], &mut durable), ("memory", &in_memory, &mut memory)];
        for (kind, arguments, sides) in kinds {
            let daemon = make(&program, &format!("{build}{kind}"), arguments)?;
            for (driver, name) in [("built-in", "wipam"), ("file", "filed")] {
                let socket = daemon.socket(name);
                request_pool(&socket, POOL)?;
                sides.push(Side { name: format!("{build}{driver}"), socket });
            }
            daemons.push(daemon);
        }
    }
    let pool_id = format!("LocalDefault/{POOL}");
    Client::connect(&durable[0].socket)?
        .post("/IpamDriver.RequestAddress", &format!(r#"{{"PoolID":"{pool_id}"}}"#))?;
    let bytes = lease_bytes(&directory.path().join("durable/state/journal"))?;
    let mut appender = Appender::new(&directory.path().join("appended"), bytes)?;
    println!("{ROUNDS} rounds in turns; an append is {bytes} bytes, as a lease in the journal");
    let least = directory.path().join("least.sock");
    answer_after_append(&least, Appender::new(&directory.path().join("least"), bytes)?)?;
    one_connection(&durable, &memory, &least, &mut appender)?;
    for work in [Work::Grants, Work::Pairs] {
        for connections in CONNECTIONS {
            many_connections(&durable, &memory, connections, work)?;
        }
    }
    drop(daemons);
    let drivers: Vec<String> = (1..=DRIVERS).map(|at| format!("d{at:02}")).collect();
    let mut arguments = Vec::new();
    for driver in &drivers {
        arguments.extend(["--driver".to_owned(), format!("{driver}=builtin:default")]);
    }
    arguments.extend(["--driver".to_owned(), "builtin:default".to_owned()]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let daemon = make(&binary(), "drivers", &arguments)?;
    request_pool(&daemon.socket("wipam"), POOL)?;
    many_drivers(&daemon, &drivers)
}

/// How many bytes the record of a lease takes in a journal that begins with
/// those of two pools and then has it: the layout is that of FORMAT.md.
fn lease_bytes(journal: &Path) -> io::Result<usize> {
    let bytes = fs::read(journal)?;
    let record = |at: usize| {
        let length = bytes.get(at + 4..at + 8)?.try_into().ok().map(u32::from_le_bytes)?;
        Some((24 + usize::try_from(length).ok()?).next_multiple_of(64))
    };
    let pools = [(); 2].iter().try_fold(4096, |at, ()| Some(at + record(at)?));
    let lease = pools.and_then(record);
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
    durable: &[Side],
    memory: &[Side],
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
    let (mut appends, mut leasts) = (Vec::new(), Vec::new());
    let mut taken: Vec<[Vec<Duration>; 2]> = durable.iter().map(|_| Default::default()).collect();
    for _ in 0..ROUNDS {
        appends.extend(times(SINGLES, || appender.append())?);
        leasts.extend(calls(least)?);
        for ((durable, memory), taken) in durable.iter().zip(memory).zip(&mut taken) {
            taken[0].extend(calls(&durable.socket)?);
            taken[1].extend(calls(&memory.socket)?);
        }
    }
    // The quickest tenth is what it takes while nobody else has the processor.
    for (quantile, percent) in [("median", 50), ("quickest tenth", 10)] {
        let append = quantile_us(&mut appends, percent);
        println!(
            "1 connection, {quantile}: an append {append:.0} µs; {:.2} of that if all it did were \
             to append, sync and answer",
            quantile_us(&mut leasts, percent) / append,
        );
        for (side, taken) in durable.iter().zip(&mut taken) {
            let [durable, memory] = taken.each_mut().map(|times| quantile_us(times, percent));
            println!(
                "  {}: {:.2} fdatasyncs a durable RequestAddress (aim: at most 2.0), \
                 {durable:.0} µs; in memory {memory:.0} µs",
                side.name,
                durable / append,
            );
        }
    }
    Ok(())
}

fn many_connections(
    durable: &[Side],
    memory: &[Side],
    connections: usize,
    work: Work,
) -> io::Result<()> {
    let all: Vec<&Side> = durable.iter().chain(memory).collect();
    let mut rates: Vec<Vec<f64>> = all.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (side, rates) in all.iter().zip(&mut rates) {
            rates.push(rate(&Callers {
                sockets: vec![side.socket.clone()],
                pool_id: format!("LocalDefault/{POOL}"),
                connections,
                work,
            })?);
        }
    }
    let rates: Vec<f64> = rates.iter().map(|rates| median(rates.iter().copied())).collect();
    let (durables, memories) = rates.split_at(durable.len());
    println!("{connections} connections, {work:?}:");
    for ((side, durable), memory) in durable.iter().zip(durables).zip(memories) {
        println!("  {}: {durable:.0} calls/s durable, {memory:.0} in memory", side.name);
    }
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
    let one = callers(vec![daemon.socket("wipam")], MOST);
    let sockets = drivers.iter().map(|driver| daemon.socket(driver)).collect();
    let all = callers(sockets, MOST / DRIVERS);
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push((rate(&one)?, rate(&all)?));
    }
    println!(
        "{DRIVERS} drivers, {MOST} connections in all: {:.2} of the rate of one \
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
