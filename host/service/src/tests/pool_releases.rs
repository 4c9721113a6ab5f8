//! Released pools of a driver with a system of record: what it takes back with the pool
//! it is not told of.

use super::{
    harness::{Harness, PATIENCE, Twist, id, lease, limits, pool, release, trap},
    system::System,
};
use crate::{Limits, sync::lock};
use ipam_api::{Capability, Error, Failure, Kind, Request};
use ipam_ledger::MemoryStore;
use std::{
    thread,
    time::{Duration, Instant},
};

const POOL: &str = "10.0.0.0/24";
const POOL_RELEASED: &str = "release 10.0.0.0/24";

/// A driver with a system of record, a pool and three leases.
fn harness(limits: Limits) -> Harness {
    let harness = Harness::with(Box::new(MemoryStore::default()), Capability::default(), limits);
    *lock(&harness.control.system) = Some(System::default());
    // An instance that knows of it.
    harness.control.twist(Twist::Pool(Err(trap())));
    assert_eq!(harness.try_ask(pool(POOL)), Err(Kind::Internal));
    harness.ask(pool(POOL)).unwrap();
    for _ in 0..3 {
        harness.ask(lease(POOL)).unwrap();
    }
    harness.control.look();
    harness
}

/// The first release of a pool is told at once, the rest later.
fn slow() -> Limits {
    Limits { owed_time: Duration::ZERO, ..limits() }
}

fn address(number: u8) -> String {
    format!("release 10.0.0.{number} of {POOL}")
}

fn recorded(harness: &Harness) -> usize {
    lock(&harness.control.system).as_ref().unwrap().records.len()
}

/// What the driver is told of until nothing is pending.
fn told(harness: &Harness) -> Vec<String> {
    let began = Instant::now();
    let owed = || harness.service.look(harness.handle.name(), |state| state.owed().len()).unwrap();
    while owed() > 0 {
        assert!(began.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(1));
    }
    let mut calls = harness.control.look();
    calls.retain(|call| call.starts_with("release"));
    calls
}

/// Releases the addresses and the pool while the driver is away, and lets it come back
/// to that answer to the release of the pool.
fn released_while_away(harness: &Harness, answer: Failure) {
    *lock(&harness.control.start_fails) = Some(trap());
    harness.control.twist(Twist::Address(Err(trap())));
    assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::Internal));
    for number in 1..=3 {
        harness.ask(release(POOL, &format!("10.0.0.{number}"))).unwrap();
    }
    harness.ask(Request::ReleasePool(id(POOL))).unwrap();
    lock(&harness.control.release_fails).push_back(answer);
    *lock(&harness.control.start_fails) = None;
}

#[test]
fn of_a_pool_that_is_released_the_driver_is_told_alone() {
    let harness = harness(slow());
    assert_eq!(harness.try_ask(Request::ReleasePool(id(POOL))), Ok("released".into()));
    assert_eq!(told(&harness), [address(1), POOL_RELEASED.into()]);
    assert_eq!(recorded(&harness), 0);
}

#[test]
fn of_too_many_addresses_it_is_told_one_by_one_until_few_are_left() {
    let harness = harness(Limits { pool_release_addresses_max: 1, ..slow() });
    harness.ask(Request::ReleasePool(id(POOL))).unwrap();
    assert_eq!(told(&harness), [address(1), address(2), POOL_RELEASED.into()]);
}

#[test]
fn what_is_not_of_that_pool_or_has_no_pool_to_go_with_is_told_by_itself() {
    let harness = harness(slow());
    harness.ask(pool("10.5.0.0/24")).unwrap();
    harness.ask(lease("10.5.0.0/24")).unwrap();
    let (go, _first) = harness.hold(POOL);
    let released = harness.submit(Request::ReleasePool(id(POOL)));
    let again = harness.submit(pool(POOL));
    drop(go);
    assert_eq!(released.recv().unwrap(), Ok("released".into()));
    assert_eq!(again.recv().unwrap(), Ok(POOL.into()));
    // Somebody holds the pool again: it is not released, and its addresses are.
    assert_eq!(told(&harness), [1, 2, 3, 4].map(address));
    assert_eq!(harness.try_ask(lease("10.5.0.0/24")), Ok("10.5.0.2/24".into()));
}

/// Whatever ends this process before the driver has answered: it is told again.
#[test]
fn nothing_counts_as_told_before_the_driver_took_the_pool_back() {
    let harness = harness(limits());
    let unavailable = Failure::Refused(Error::other(Kind::Unavailable, "away"));
    released_while_away(&harness, unavailable);
    assert_eq!(harness.try_ask(pool("10.5.0.0/24")), Err(Kind::Unavailable));
    assert_eq!(harness.try_ask(pool("10.5.0.0/24")), Ok("10.5.0.0/24".into()));
    assert_eq!(told(&harness), [POOL_RELEASED, POOL_RELEASED]);
}

#[test]
fn what_is_pending_is_tried_again_when_no_request_comes() {
    let harness = harness(Limits { backoff_max: Duration::from_millis(1), ..limits() });
    released_while_away(&harness, Failure::Refused(Error::other(Kind::Unavailable, "away")));
    // Whoever looks at the ledger wakes the driver's thread.
    let (began, mut times) = (Instant::now(), 0);
    while times < 2 {
        assert!(began.elapsed() < Duration::from_secs(5), "it is told when somebody asks");
        thread::sleep(Duration::from_millis(1));
        times += harness.control.look().iter().filter(|call| **call == POOL_RELEASED).count();
    }
}

#[test]
fn a_driver_that_breaks_over_a_pool_is_told_one_by_one() {
    let harness = harness(limits());
    released_while_away(&harness, trap());
    let _ = harness.try_ask(pool("10.5.0.0/24"));
    let calls = told(&harness);
    let want = [POOL_RELEASED.into(), address(1), address(2), address(3), POOL_RELEASED.into()];
    assert_eq!(calls, want);
}

#[test]
fn a_driver_without_a_system_of_record_is_told_of_each_address() {
    let harness = Harness::with(Box::new(MemoryStore::default()), Capability::default(), slow());
    harness.ask(pool(POOL)).unwrap();
    for _ in 0..2 {
        harness.ask(lease(POOL)).unwrap();
    }
    harness.ask(Request::ReleasePool(id(POOL))).unwrap();
    assert_eq!(told(&harness), [address(1), address(2), POOL_RELEASED.into()]);
}
