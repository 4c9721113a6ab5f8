//! What a call into a component costs, against an empty one, in one run:
//! `cargo bench -p ipam-runtime --bench calls`.
//!
//! Cases are measured in turns of short batches, so that a noisy machine
//! disturbs all of them alike; each figure is the median of its batches.

#![expect(clippy::print_stdout, reason = "figures are its output")]

use ipam_api::{
    AddressRequest, Callback, Capability, Driver, Error, Factory, Family, PoolChoice, PoolRequest,
    Start,
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
    life_cycle();
    calls();
}

fn median(mut samples: Vec<Duration>) -> Duration {
    samples.sort_unstable();
    samples[samples.len() / 2]
}

fn life_cycle() {
    let times = |count: usize, mut work: Box<dyn FnMut()>| {
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
    let load = |runtime: &Runtime| {
        runtime.load("default", ipam_builtin::DEFAULT, Limits::default()).expect("it loads")
    };
    let component = load(&cached);
    println!("cold compile of default  {:>10.1?}", times(11, Box::new(move || drop(load(&cold)))));
    println!(
        "cached load of default   {:>10.1?}",
        times(101, Box::new(move || drop(load(&cached))))
    );
    println!(
        "instance and its start   {:>10.1?}",
        times(1001, Box::new(move || drop(start(&component))))
    );
}

fn calls() {
    let runtime = Runtime::new(None).expect("the engine runs here");
    let component = runtime.load("default", ipam_builtin::DEFAULT, Limits::default());
    let mut driver = start(&component.expect("it loads"));
    let pool = PoolRequest::new("LocalDefault", PoolChoice::Automatic(Family::Ipv4));
    let pool_id = driver.request_pool(&pool).expect("nothing is taken").pool_id;
    let any = AddressRequest::any(pool_id.clone());

    let mut samples = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        for _ in 0..BATCH {
            driver.is_built_in().expect("it answers");
        }
        samples[0].push(begin.elapsed() / BATCH);
        let begin = Instant::now();
        for _ in 0..BATCH {
            let grant = driver.request_address(&any).expect("the pool is empty");
            let leased = grant.address.expect("default leases addresses");
            driver.release_address(&pool_id, leased.addr()).expect("it is leased");
        }
        samples[1].push(begin.elapsed() / BATCH);
    }
    let [empty, pair] = samples.map(median);
    println!("empty call               {empty:>10.1?}");
    println!("request and release      {pair:>10.1?}");
    println!(
        "ratio                    {:>10.2} (at most 6 is the aim)",
        pair.as_secs_f64() / empty.as_secs_f64()
    );
}
