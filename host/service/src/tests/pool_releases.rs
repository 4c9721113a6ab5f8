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
/// to these answers to the first releases.
fn released_while_away(harness: &Harness, answers: &[Failure]) {
    *lock(&harness.control.start_fails) = Some(trap());
    harness.control.twist(Twist::Address(Err(trap())));
    assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::Internal));
    for number in 1..=3 {
        harness.ask(release(POOL, &format!("10.0.0.{number}"))).unwrap();
    }
    harness.ask(Request::ReleasePool(id(POOL))).unwrap();
    lock(&harness.control.release_fails).extend(answers.iter().cloned());
    harness.control.look();
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

fn away() -> Failure {
    Failure::Refused(Error::other(Kind::Unavailable, "away"))
}

/// Whatever ends this process before the driver has answered: it is told again.
#[test]
fn nothing_counts_as_told_before_the_driver_took_it_back() {
    let harness = harness(limits());
    released_while_away(&harness, &[away(), away()]);
    assert_eq!(harness.try_ask(pool("10.5.0.0/24")), Err(Kind::Unavailable));
    assert_eq!(harness.try_ask(pool("10.5.0.0/24")), Ok("10.5.0.0/24".into()));
    let parts = [1, 1, 2, 3].map(address);
    assert_eq!(
        told(&harness),
        [&[POOL_RELEASED.into()], &parts[..], &[POOL_RELEASED.into()]].concat()
    );
}

#[test]
fn a_pool_that_is_too_much_at_once_is_told_in_parts_and_the_driver_serves() {
    let stays = Failure::Refused(Error::other(Kind::BadRequest, "one of them is protected"));
    for (answer, starts) in [(away(), 1), (stays, 1), (trap(), 2)] {
        let harness = harness(limits());
        released_while_away(&harness, &[answer]);
        while harness.try_ask(pool("10.5.0.0/24")).is_err() {}
        let mut calls = harness.control.look();
        assert_eq!(calls.iter().filter(|call| *call == "start").count(), starts, "{calls:?}");
        calls.retain(|call| call.starts_with("release"));
        let parts =
            [POOL_RELEASED.into(), address(1), address(2), address(3), POOL_RELEASED.into()];
        assert_eq!(calls, parts);
    }
}

#[test]
fn what_is_pending_is_tried_again_when_no_request_comes() {
    let harness = harness(Limits { backoff_max: Duration::from_millis(1), ..limits() });
    released_while_away(&harness, &[away(), away()]);
    // Whoever looks at the ledger wakes the driver's thread.
    let (began, mut times) = (Instant::now(), 0);
    while times < 2 {
        assert!(began.elapsed() < Duration::from_secs(5), "it is told when somebody asks");
        thread::sleep(Duration::from_millis(1));
        times += harness.control.look().iter().filter(|call| **call == POOL_RELEASED).count();
    }
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
