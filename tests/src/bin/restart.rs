//! How long a daemon with a million leases and a full history takes to answer
//! after `kill -9`, and how much memory:
//! `cargo build --release -p wipam && cargo run --release -p ipam-tests --bin restart`.
//!
//! The leases are put into the ledger as the daemon would, by batches, after
//! as much history as is kept; then the real daemon is killed under load, and
//! started again. The directory may be given in `WIPAM_BENCH_DIR`, the number
//! of leases in `WIPAM_LEASES`. Needs about 1.5 GiB of disk.

#![expect(clippy::print_stdout, reason = "figures are its output")]

use ipam_api::{DriverName, IpNet, Ipv4Net, Options, PoolId, Server};
use ipam_ledger::{
    Actor, Asked, Audit, Changes, DurableStore, Event, Lease, Record, Retention, Store, Time,
};
use ipam_tests::{
    callers::{Callers, Work, request_pool},
    daemon::Daemon,
    measure::{bench_directory, cpu_seconds, median, peak_mib},
};
use std::{
    env, error,
    net::Ipv4Addr,
    ops::ControlFlow,
    path::Path,
    process::ExitCode,
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

const POOL: &str = "10.0.0.0/8";
const LEASES: u32 = 1_000_000;
/// Enough to fill the history to its default size: each is two events.
const CHURN: u32 = 2_000_000;
const BATCH: u32 = 256;
const KILLS: usize = 5;
const CONNECTIONS: usize = 64;
/// How long there is load before a kill.
const LOAD: Duration = Duration::from_secs(1);
/// When the first lease is said to have been granted; one follows each
/// millisecond.
const FILLED_AGO: Duration = Duration::from_secs(24 * 60 * 60);

type Failure = Box<dyn error::Error>;

fn main() -> ExitCode {
    match restart() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("restart: {error}");
            ExitCode::FAILURE
        }
    }
}

fn restart() -> Result<(), Failure> {
    let leases = env::var("WIPAM_LEASES").map_or(Ok(LEASES), |text| text.parse())?;
    let directory = bench_directory()?;
    let daemon = Daemon::start(directory.path(), &[]);
    let pool_id = request_pool(&daemon.socket("wipam"), POOL)?;
    daemon.terminate()?;
    let begin = Instant::now();
    let state = directory.path().join("state");
    let (kept, all) = fill(&state, &pool_id, leases)?;
    let mib = std::fs::metadata(state.join("ledger.redb"))?.len() >> 20;
    println!(
        "{leases} leases and the last {kept} of {all} events in a ledger of {mib} MiB, \
         filled in {:.0?}",
        begin.elapsed()
    );

    let mut daemon = Daemon::start(directory.path(), &[]);
    let mut totals = Vec::new();
    for _ in 0..KILLS {
        kill_under_load(daemon, &pool_id);
        let begin = Instant::now();
        daemon = Daemon::start(directory.path(), &[]);
        let path = "/IpamDriver.RequestAddress";
        let answer = daemon.client().post(path, &format!(r#"{{"PoolID":"{pool_id}"}}"#))?;
        let total = begin.elapsed();
        if answer.status != 200 {
            return Err(format!("{answer:?}").into());
        }
        totals.push(total.as_secs_f64());
        println!(
            "first answer after {:.2} s ({}); {:.2} s of processor time; at most {} MiB",
            total.as_secs_f64(),
            splits(&daemon.log()).ok_or("the log does not say how long it took")?,
            cpu_seconds(daemon.id())?,
            peak_mib(daemon.id())?,
        );
    }
    println!("median {:.2} s (aim: at most 3 s)", median(totals));
    Ok(())
}

/// Takes addresses and gives them back, then takes those that stay. Returns how
/// many events the history keeps, and how many there were.
fn fill(state: &Path, pool_id: &str, leases: u32) -> Result<(usize, u32), Failure> {
    let (mut store, _) = DurableStore::open(state, Retention::default())?;
    let driver: DriverName = "default".parse()?;
    let pool_id = PoolId::try_from(pool_id)?;
    let mut generation = store.load(&driver)?.generation();
    // Not long ago: the history forgets what is much older than its newest event.
    let began = SystemTime::now().duration_since(UNIX_EPOCH)?.saturating_sub(FILLED_AGO);
    let at = Time(u64::try_from(began.as_millis())?);
    let mut cause = Audit { at, by: Actor::Asked(Server::Docker) };
    let mut lease = |number: u32| -> Result<Arc<Lease>, Failure> {
        generation += 1;
        cause.at.0 += 1;
        let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 1)) + number);
        Ok(Arc::new(Lease {
            pool_id: pool_id.clone(),
            address: IpNet::V4(Ipv4Net::new(address, 8)?),
            asked: Asked::Automatic,
            options: Options::new(),
            data: Options::new(),
            generation,
            created_in: None,
            granted: cause,
        }))
    };
    let mut commit = |leases: &[Arc<Lease>], event: fn(Arc<Lease>) -> Event| {
        let record =
            |lease: &Arc<Lease>| Record { cause: lease.granted, event: event(lease.clone()) };
        let records = leases.iter().map(record).collect();
        store.commit(&[Changes { driver: driver.clone(), records }])
    };
    for begin in (0..CHURN).step_by(BATCH as usize) {
        let batch: Result<Vec<_>, _> = (begin..begin + BATCH).map(&mut lease).collect();
        let batch = batch?;
        commit(&batch, Event::AddressLeased)?;
        commit(&batch, Event::AddressReleased)?;
    }
    for begin in (0..leases).step_by(BATCH as usize) {
        let batch: Result<Vec<_>, _> = (begin..leases.min(begin + BATCH)).map(&mut lease).collect();
        commit(&batch?, Event::AddressLeased)?;
    }
    let mut kept = 0;
    store.view()?.history(&mut |_| {
        kept += 1;
        ControlFlow::Continue(())
    })?;
    store.close()?;
    if kept < leases as usize {
        return Err(format!("the history keeps only {kept} events").into());
    }
    Ok((kept, 2 * CHURN + leases))
}

/// SIGKILL, while callers wait for answers.
fn kill_under_load(daemon: Daemon, pool_id: &str) {
    let callers = Callers {
        sockets: vec![daemon.socket("wipam")],
        pool_id: pool_id.to_owned(),
        connections: CONNECTIONS,
        work: Work::Pairs,
    };
    // More calls than there is time for: that it is cut short is what is wanted.
    let load = thread::spawn(move || callers.call(usize::MAX).is_err());
    thread::sleep(LOAD);
    drop(daemon);
    assert!(load.join().is_ok_and(|is_cut_short| is_cut_short), "the load ended by itself");
}

/// What the daemon logged of its last start.
fn splits(log: &str) -> Option<String> {
    let field = |of: &str, name: &str| {
        let line = log.lines().rev().find(|line| line.contains(of))?;
        let value = line.split(&format!(" {name}=")).nth(1)?;
        Some(value.split(' ').next()?.to_owned())
    };
    let (open, served) = ("the ledger is open", "service driver=default");
    Some(format!(
        "opening {} of which repair {} of {} transactions, reading {} entries {}, replay {}",
        field(open, "took")?,
        field(open, "repair")?,
        field(open, "replayed")?,
        field(served, "entries")?,
        field(served, "read")?,
        field(served, "replay")?,
    ))
}
