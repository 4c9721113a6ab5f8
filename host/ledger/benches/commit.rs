//! What a commit costs, in turns with a program that only appends and calls
//! fdatasync on the same disk: `cargo bench -p ipam-ledger --bench commit`.
//!
//! Ratios of medians in one run; a directory to use may be given in
//! `WIPAM_BENCH_DIR` (the temporary directory may be no disk).

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark may")]

use ipam_api::{DriverName, IpNet, Ipv4Net, Options, PoolId};
use ipam_ledger::{
    Asked, Audit, Changes, DurableStore, Event, Lease, Pool, Record, Retention, Store,
};
use std::{
    fs::File,
    io::Write as _,
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, Instant},
};

const ROUNDS: u32 = 400;

fn id() -> PoolId {
    PoolId::try_from("LocalDefault/10.0.0.0/8").unwrap()
}

fn pool() -> Event {
    Event::PoolGranted(Arc::new(Pool {
        pool_id: id(),
        address_space: "LocalDefault".to_owned(),
        prefix: "10.0.0.0/8".parse().unwrap(),
        sub_pool: None,
        asked: Asked::Explicit,
        options: Options::new(),
        data: Options::new(),
        generation: 1,
        created_in: None,
        granted: Audit::default(),
    }))
}

fn lease(number: u32) -> Event {
    Event::AddressLeased(leased(number))
}

fn release(number: u32) -> Event {
    Event::AddressReleased(leased(number))
}

fn leased(number: u32) -> Arc<Lease> {
    let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 0)) + number);
    Arc::new(Lease {
        pool_id: id(),
        address: IpNet::V4(Ipv4Net::new(address, 8).unwrap()),
        asked: Asked::Automatic,
        options: Options::new(),
        data: Options::new(),
        generation: u64::from(number) + 1,
        created_in: None,
        granted: Audit::default(),
    })
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e6
}

fn timed(run: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    run();
    begin.elapsed()
}

fn main() {
    let base = std::env::var_os("WIPAM_BENCH_DIR").map_or_else(std::env::temp_dir, Into::into);
    let directory = tempfile::tempdir_in(base).unwrap();
    let mut appended = File::create(directory.path().join("appended")).unwrap();
    let mut store = DurableStore::open(directory.path(), Retention::default()).unwrap().0;
    let driver: DriverName = "default".parse().unwrap();
    let commit = |store: &mut DurableStore, events: Vec<Event>| {
        let record = |event| Record { cause: Audit::default(), event };
        let records = events.into_iter().map(record).collect();
        store.commit(&[Changes { driver: driver.clone(), records }]).unwrap();
    };
    commit(&mut store, vec![pool()]);
    let mut number = 0;
    for batch in [1, 16, 256] {
        let (mut appends, mut commits) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            appends.push(timed(|| {
                appended.write_all(&[7; 200]).unwrap();
                appended.sync_data().unwrap();
            }));
            let events = (0..batch).map(|at| lease(number + at)).collect();
            number += batch;
            commits.push(timed(|| commit(&mut store, events)));
        }
        let mean = commits.iter().sum::<Duration>().as_secs_f64() / f64::from(ROUNDS) * 1e6;
        let (append, commit) = (median(appends), median(commits));
        println!(
            "{batch:>3} leases a commit: {:.2} fdatasyncs ({commit:.0} of {append:.0} µs; \
             mean with checkpoints {mean:.0} µs)",
            commit / append,
        );
    }
    // What the committer does after its commits, but for the checkpoints
    // themselves, which are in the mean above.
    for held in [None, Some(256)] {
        let (mut events, mut after) = (0, Duration::ZERO);
        let from = number;
        for _ in 0..2 * ROUNDS {
            let grants = if held.is_some() { 48 } else { 96 };
            let next = number + grants;
            let released = |at: u32| at.checked_sub(held?).filter(|it| *it >= from);
            let releases = (number..next).filter_map(released).map(release);
            let batch: Vec<_> = (number..next).map(lease).chain(releases).collect();
            number = next;
            events += batch.len();
            commit(&mut store, batch);
            after += timed(|| store.maintain(false).unwrap());
        }
        let each = after.as_secs_f64() * 1e6 / events as f64;
        let what = if held.is_some() { "leases and releases 256 later" } else { "leases" };
        println!("steps of a checkpoint: {each:.2} µs an event, of {what} in a row");
    }
    drop(store);
    let begin = Instant::now();
    let mut store = DurableStore::open(directory.path(), Retention::default()).unwrap().0;
    let opened = begin.elapsed();
    let leases = store.load(&driver).unwrap().leases().count();
    println!("opening {opened:.1?}, loading {leases} leases {:.1?}", begin.elapsed() - opened);
}
