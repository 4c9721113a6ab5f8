//! What a call into a component costs, against an empty one, in one run:
//! `cargo bench -p ipam-runtime --bench calls`. Other components that are named
//! behind `--`, such as an older `default.wasm`, are measured in the same turns.
//!
//! Cases are measured in turns of short batches, so that a noisy machine
//! disturbs all of them alike; each figure is the median of its batches.

#![expect(clippy::print_stdout, reason = "figures are its output")]

use ipam_api::{
    AddressRequest, Callback, Capability, Driver, Error, Factory, Family, PoolChoice, PoolId,
    PoolRequest, Start,
};
use ipam_runtime::{Component, Limits, Runtime};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

const ROUNDS: usize = 400;
const BATCH: u32 = 200;

struct AnyName;

impl Callback for AnyName {
    fn register_ipam_driver_with_capabilities(
        &mut self,
        _: &str,
        _: Capability,
    ) -> Result<(), Error> {
        Ok(())
    }
}

fn start(component: &Component) -> Box<dyn Driver> {
    let start = Start { name: None, config: "{}".to_owned(), stored: Arc::default() };
    component.make(&start, Box::new(AnyName)).expect("the built-in driver starts")
}

fn main() {
    let components = components();
    components.iter().for_each(|(name, bytes)| life_cycle(name, bytes));
    calls(&components);
}

fn median(mut samples: Vec<Duration>) -> Duration {
    samples.sort_unstable();
    samples[samples.len() / 2]
}

/// Name and bytes of what is measured: the built-in driver, and the files named.
fn components() -> Vec<(String, Vec<u8>)> {
    let files = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let others = files.map(|file| {
        let bytes = std::fs::read(&file).expect("the file can be read");
        (file, bytes)
    });
    std::iter::once(("built-in".to_owned(), ipam_builtin::DEFAULT.to_vec())).chain(others).collect()
}

fn life_cycle(name: &str, bytes: &[u8]) {
    let times = |count: usize, work: &mut dyn FnMut()| {
        let sample = |()| {
            let begin = Instant::now();
            work();
            begin.elapsed()
        };
        median(std::iter::repeat_n((), count).map(sample).collect())
    };
    let cold = Runtime::new(None).expect("the engine runs here");
    let directory = tempfile::tempdir().expect("a temporary directory can be had");
    let cached = Runtime::new(Some(directory.path())).expect("the engine runs here");
    let load =
        |runtime: &Runtime| runtime.load("default", bytes, Limits::default()).expect("it loads");
    let component = load(&cached);
    println!("{name}, {} bytes", bytes.len());
    println!("cold compile of default  {:>10.1?}", times(11, &mut || drop(load(&cold))));
    println!("cached load of default   {:>10.1?}", times(101, &mut || drop(load(&cached))));
    println!("instance and its start   {:>10.1?}", times(1001, &mut || drop(start(&component))));
}

/// One component under measurement.
struct Side {
    driver: Box<dyn Driver>,
    pool_id: PoolId,
    any: AddressRequest,
    empty: Vec<Duration>,
    pair: Vec<Duration>,
}

impl Side {
    fn new(runtime: &Runtime, bytes: &[u8]) -> Self {
        let component = runtime.load("default", bytes, Limits::default());
        let mut driver = start(&component.expect("it loads"));
        let pool = PoolRequest::new("LocalDefault", PoolChoice::Automatic(Family::Ipv4));
        let pool_id = driver.request_pool(&pool).expect("nothing is taken").pool_id;
        let any = AddressRequest::any(pool_id.clone());
        Self { driver, pool_id, any, empty: Vec::new(), pair: Vec::new() }
    }

    fn round(&mut self) {
        let Self { driver, pool_id, any, .. } = self;
        let begin = Instant::now();
        for _ in 0..BATCH {
            driver.is_built_in().expect("it answers");
        }
        self.empty.push(begin.elapsed() / BATCH);
        let begin = Instant::now();
        for _ in 0..BATCH {
            let grant = driver.request_address(any).expect("the pool is empty");
            let leased = grant.address.expect("default leases addresses");
            driver.release_address(pool_id, leased.addr()).expect("it is leased");
        }
        self.pair.push(begin.elapsed() / BATCH);
    }
}

fn calls(components: &[(String, Vec<u8>)]) {
    let runtime = Runtime::new(None).expect("the engine runs here");
    let mut sides: Vec<Side> =
        components.iter().map(|(_, bytes)| Side::new(&runtime, bytes)).collect();
    for _ in 0..ROUNDS {
        sides.iter_mut().for_each(Side::round);
    }
    for ((name, _), side) in components.iter().zip(sides) {
        let [empty, pair] = [side.empty, side.pair].map(median);
        println!("{name}");
        println!("empty call               {empty:>10.1?}");
        println!("request and release      {pair:>10.1?}");
        println!(
            "ratio                    {:>10.2} (at most 6 is the aim)",
            pair.as_secs_f64() / empty.as_secs_f64()
        );
    }
}
