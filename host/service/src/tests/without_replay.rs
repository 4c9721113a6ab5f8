//! Drivers without replay, which keep their state elsewhere: what they are told of,
//! and what is asked of them when they propose what is leased.

use super::harness::{
    Harness, PATIENCE, Twist, any_pool, granted, host, id, lease, lease_of, leased, limits, pool,
    release, trap,
};
use crate::{Limits, sync::lock};
use ipam_api::{
    AddressGrant, Answer, Capability, Code, Error, Failure, Kind, Options, Request, names,
};
use ipam_ledger::MemoryStore;
use std::{
    thread,
    time::{Duration, Instant},
};

const POOL: &str = "10.0.0.0/24";

/// A driver without replay keeps its state elsewhere: it is never shown the
/// ledger, and told what it missed.
fn harness_without_replay() -> Harness {
    let harness = Harness::with(Box::new(MemoryStore::default()), Capability::default(), limits());
    harness.ask(pool(POOL)).unwrap();
    harness.ask(lease(POOL)).unwrap();
    harness.control.look();
    harness
}

#[test]
fn a_driver_without_replay_is_told_what_was_released_while_it_was_away() {
    let harness = harness_without_replay();
    *lock(&harness.control.start_fails) = Some(trap());
    harness.control.twist(Twist::Address(Err(trap())));
    assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::Internal));
    assert_eq!(harness.try_ask(release(POOL, "10.0.0.1")), Ok("released".into()));
    assert_eq!(harness.try_ask(Request::ReleasePool(id(POOL))), Ok("released".into()));
    *lock(&harness.control.start_fails) = None;
    harness.control.look();
    assert_eq!(harness.try_ask(pool("10.5.0.0/24")), Ok("10.5.0.0/24".into()));
    // The new instance knows nothing of these, says so, and is served.
    let want =
        ["start", "release 10.0.0.1 of 10.0.0.0/24", "release 10.0.0.0/24", "pool 10.5.0.0/24"];
    assert_eq!(harness.control.look(), want);
}

#[test]
fn what_a_driver_is_owed_is_bounded() {
    let limits = Limits { releases_kept_max: 1, ..limits() };
    let harness = Harness::with(Box::new(MemoryStore::default()), Capability::default(), limits);
    harness.ask(pool(POOL)).unwrap();
    harness.ask(lease(POOL)).unwrap();
    harness.ask(lease(POOL)).unwrap();
    *lock(&harness.control.start_fails) = Some(trap());
    harness.control.twist(Twist::Address(Err(trap())));
    assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::Internal));
    assert_eq!(harness.try_ask(release(POOL, "10.0.0.1")), Ok("released".into()));
    assert_eq!(harness.try_ask(release(POOL, "10.0.0.2")), Ok("released".into()));
    *lock(&harness.control.start_fails) = None;
    harness.control.look();
    harness.ask(pool("10.5.0.0/24")).unwrap();
    let want = ["start", "release 10.0.0.1 of 10.0.0.0/24", "pool 10.5.0.0/24"];
    assert_eq!(harness.control.look(), want);
}

#[test]
fn a_driver_without_replay_is_told_of_refused_proposals_unless_somebody_holds_them() {
    let harness = harness_without_replay();
    harness.control.twist(leased(Some("10.9.9.9/24")));
    assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::Internal));
    for _ in 0..2 {
        harness.control.twist(leased(Some("10.0.0.1/24")));
    }
    assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::Internal));
    harness.control.twist(granted("evil", "10.0.0.0/8"));
    assert_eq!(harness.try_ask(any_pool()), Err(Kind::Internal));
    harness.ask(pool("10.5.0.0/24")).unwrap();
    let told: Vec<_> =
        harness.control.look().into_iter().filter(|call| call.starts_with("release")).collect();
    assert_eq!(told, ["release 10.9.9.9 of 10.0.0.0/24", "release evil"]);
}

#[test]
fn a_driver_without_replay_is_asked_for_the_next_address_when_its_own_is_leased() {
    let harness = harness_without_replay();
    harness.control.twist(leased(Some("10.0.0.1/24")));
    assert_eq!(harness.try_ask(lease(POOL)), Ok(host(2)));
    let asked = "address any of 10.0.0.0/24".to_owned();
    assert_eq!(harness.control.look(), [asked.clone(), asked], "the same instance, and no release");
    assert!(harness.service.inspect().remove(0).last_failure.is_none());

    // A name is no choice of the driver's, and another address is no answer to it.
    harness.control.twist(leased(Some("10.0.0.1/24")));
    assert_eq!(harness.try_ask(lease_of(POOL, "10.0.0.9")), Err(Kind::Internal));
    // One that insists is broken.
    harness.control.look();
    for _ in 0..2 {
        harness.control.twist(leased(Some("10.0.0.1/24")));
    }
    assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::Internal));
}

/// What it says of its record is for the host alone.
#[test]
fn what_a_driver_says_is_left_over_is_no_surprise_and_goes_to_nobody() {
    let harness = harness_without_replay();
    let left_over = |address: &str| {
        let data = Options::from([(names::LEFT_OVER.to_owned(), String::new())]);
        Twist::Address(Ok(AddressGrant { address: Some(address.parse().unwrap()), data }))
    };
    harness.control.twist(left_over("10.0.0.1/24"));
    harness.control.twist(left_over("10.0.0.7/24"));
    let Answer::Address(grant) = harness.ask(lease(POOL)).unwrap().answer else { panic!() };
    assert_eq!(grant.address.unwrap().addr().to_string(), "10.0.0.7");
    assert_eq!(grant.data, Options::new());
}

#[test]
fn asking_for_the_next_address_ends() {
    let limits = Limits { leased_retries_max: 1, ..limits() };
    let harness = Harness::with(Box::new(MemoryStore::default()), Capability::default(), limits);
    harness.ask(pool(POOL)).unwrap();
    harness.ask(lease(POOL)).unwrap();
    harness.ask(lease(POOL)).unwrap();
    harness.control.look();
    harness.control.twist(leased(Some("10.0.0.1/24")));
    harness.control.twist(leased(Some("10.0.0.2/24")));
    assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::Unavailable));
    assert_eq!(harness.control.look().len(), 2);
    assert_eq!(harness.try_ask(lease(POOL)), Ok(host(3)));
    // By time, too.
    let few = Limits { exclude_time: Duration::ZERO, ..self::limits() };
    let harness = Harness::with(Box::new(MemoryStore::default()), Capability::default(), few);
    harness.ask(pool(POOL)).unwrap();
    harness.ask(lease(POOL)).unwrap();
    harness.control.twist(leased(Some("10.0.0.1/24")));
    assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::Unavailable));
}

#[test]
fn a_slow_driver_without_replay_is_told_the_rest_of_a_pool_later() {
    // However many they are, all of them are told.
    let limits = Limits { owed_time: Duration::ZERO, releases_kept_max: 1, ..limits() };
    let harness = Harness::with(Box::new(MemoryStore::default()), Capability::default(), limits);
    harness.ask(pool(POOL)).unwrap();
    for _ in 0..3 {
        harness.ask(lease(POOL)).unwrap();
    }
    harness.control.look();
    let (go, first) = harness.hold(POOL);
    let released = harness.submit(Request::ReleasePool(id(POOL)));
    let other = harness.submit(pool("10.5.0.0/24"));
    drop(go);
    assert_eq!(first.recv().unwrap(), Ok(host(4)));
    assert_eq!(released.recv().unwrap(), Ok("released".into()));
    assert_eq!(other.recv().unwrap(), Ok("10.5.0.0/24".into()));
    harness.ask(pool("10.6.0.0/24")).unwrap();
    let last = "release 10.0.0.0/24".to_owned();
    let (began, mut calls) = (Instant::now(), Vec::new());
    while !calls.contains(&last) {
        assert!(began.elapsed() < PATIENCE, "{calls:?}");
        thread::sleep(Duration::from_millis(1));
        calls.extend(harness.control.look());
    }
    let at = |call: &str| calls.iter().position(|it| it == call);
    assert!(at("pool 10.5.0.0/24") < at(&last), "{calls:?}");
    for number in 1..=4 {
        assert!(at(&format!("release 10.0.0.{number} of 10.0.0.0/24")) < at(&last), "{calls:?}");
    }
}

#[test]
fn a_driver_that_cannot_reach_its_state_is_not_served_until_it_can() {
    let harness = harness_without_replay();
    let unreachable = Failure::Refused(Error::from(Code::Other(Kind::Unavailable)));
    for _ in 0..3 {
        lock(&harness.control.release_fails).push_back(unreachable.clone());
    }
    assert_eq!(harness.try_ask(release(POOL, "10.0.0.1")), Ok("released".into()));
    assert_eq!(harness.try_ask(any_pool()), Err(Kind::Unavailable));
    assert_eq!(harness.try_ask(pool("10.5.0.0/24")), Ok("10.5.0.0/24".into()));
}
