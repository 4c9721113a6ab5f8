//! Instances that break, refuse or disagree, and what becomes of everybody
//! else.

use super::harness::{
    FlakyStore, Harness, REPLAYED, Twist, any_pool, host, id, lease, lease_of, leased, limits,
    pool, refusal, release, trap,
};
use crate::{Limits, sync::lock};
use ipam_api::{Capability, Failure, Kind, Request};
use ipam_ledger::MemoryStore;
use std::{
    sync::{atomic::Ordering, mpsc},
    time::Duration,
};

const POOL: &str = "10.0.0.0/24";

fn harness_with_pool() -> Harness {
    let harness = Harness::new();
    harness.ask(pool(POOL)).unwrap();
    harness.control.look();
    harness
}

#[test]
fn a_trap_in_the_middle_of_a_batch_costs_one_request() {
    let harness = harness_with_pool();
    let (go, first) = harness.hold(POOL);
    harness.control.twist(leased(Some("10.0.0.2/24")));
    harness.control.twist(Twist::Address(Err(trap())));
    let answers: Vec<_> = (0..4).map(|_| harness.submit(lease(POOL))).collect();
    drop(go);
    assert_eq!(first.recv().unwrap(), Ok(host(1)));
    let answers: Vec<_> = answers.into_iter().map(|answer| answer.recv().unwrap()).collect();
    assert_eq!(answers, [Ok(host(2)), Err(Kind::Internal), Ok(host(3)), Ok(host(4))]);
    let calls = harness.control.look();
    let rebuilt = calls.iter().position(|call| call == "start").unwrap();
    let again = [
        "pool 10.0.0.0/24 again",
        "address 10.0.0.1 of 10.0.0.0/24 again",
        "address 10.0.0.2 of 10.0.0.0/24 again",
    ];
    assert_eq!(calls[rebuilt + 1..rebuilt + 4], again);
}

/// A driver that breaks while a lease is on its way to the store.
#[track_caller]
fn breaks_while_a_lease_is_in_flight(commit_fails: bool) -> (Harness, [Result<String, Kind>; 3]) {
    let (store, commits) = FlakyStore::gated();
    let fails = store.fails.clone();
    let harness = Harness::with(Box::new(store), REPLAYED, limits());
    let pooled = harness.submit(pool(POOL));
    commits.begun();
    commits.pass();
    pooled.recv().unwrap().unwrap();

    // Another one waits behind it, so the committer's thread has the commit.
    let (served, leased) = harness.hold(POOL);
    let (here, is_here) = mpsc::channel();
    let (on, gate) = mpsc::channel::<()>();
    harness.control.twist(Twist::Meet { here, gate, breaks: true });
    let broken = harness.submit(lease(POOL));
    drop(served);
    commits.begun();
    is_here.recv().unwrap();
    harness.control.look();
    let next = harness.submit(lease(POOL));
    drop(on);
    fails.store(commit_fails, Ordering::SeqCst);
    commits.pass();
    let leased = leased.recv().unwrap();
    fails.store(false, Ordering::SeqCst);
    drop(commits);
    let answers = [leased, broken.recv().unwrap(), next.recv().unwrap()];
    (harness, answers)
}

#[test]
fn a_rebuild_knows_what_was_in_flight() {
    let (_lab, answers) = breaks_while_a_lease_is_in_flight(false);
    assert_eq!(answers, [Ok(host(1)), Err(Kind::Internal), Ok(host(2))]);
}

#[test]
fn a_rebuild_knows_nothing_of_what_failed_in_flight() {
    let (harness, answers) = breaks_while_a_lease_is_in_flight(true);
    assert_eq!(answers[..2], [Err(Kind::Unavailable), Err(Kind::Unavailable)]);
    // The last one waited for the new instance.
    assert_eq!(answers[2], Ok(host(1)));
    let calls = harness.control.look();
    let lost = "address 10.0.0.1 of 10.0.0.0/24 again".to_owned();
    let rebuilt = calls.iter().filter(|call| *call == "start").count();
    assert!(rebuilt == 1 && !calls.contains(&lost), "{calls:?}");
}

#[test]
fn a_panic_is_a_trap() {
    let harness = harness_with_pool();
    harness.control.twist(Twist::Panic);
    assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::Internal));
    assert_eq!(harness.try_ask(lease(POOL)), Ok(host(1)));
}

#[test]
fn callers_do_not_hear_why_a_driver_broke() {
    let harness = harness_with_pool();
    harness.control.twist(Twist::Address(Err(trap())));
    let text = harness.ask(lease(POOL)).unwrap_err().contract().to_string();
    assert_eq!(text, "IPAM Internal Error");
}

#[test]
fn a_refusal_is_no_failure() {
    let harness = harness_with_pool();
    harness.control.twist(Twist::Address(Err(refusal())));
    assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::BadRequest));
    assert!(!harness.control.look().contains(&"start".to_owned()));
}

#[test]
fn a_driver_that_disagrees_with_the_ledger_is_not_served_until_it_agrees() {
    let harness = harness_with_pool();
    harness.ask(lease(POOL)).unwrap();
    *lock(&harness.control.replay_answers) = Some(id("other"));
    harness.control.twist(Twist::Address(Err(trap())));
    assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::Internal));
    assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::Unavailable));
    assert_eq!(harness.try_ask(any_pool()), Err(Kind::Unavailable));
    assert_eq!(
        harness.try_ask(release(POOL, "10.0.0.1")),
        Ok("released".into()),
        "the ledger decides"
    );
    assert_eq!(harness.try_ask(release(POOL, "10.1.0.1")), Err(Kind::BadRequest));
    *lock(&harness.control.replay_answers) = None;
    assert_eq!(harness.try_ask(lease(POOL)), Ok(host(1)));
}

#[test]
fn a_driver_that_registers_otherwise_is_not_served() {
    let harness = harness_with_pool();
    for other in [
        vec![("lab".to_owned(), Capability::default())],
        vec![("other".to_owned(), REPLAYED)],
        vec![("lab".to_owned(), REPLAYED), ("more".to_owned(), REPLAYED)],
        vec![],
    ] {
        let before = std::mem::replace(&mut *lock(&harness.control.registers), other.clone());
        harness.control.twist(Twist::Address(Err(trap())));
        assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::Internal));
        assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::Unavailable), "{other:?}");
        *lock(&harness.control.registers) = before;
        assert_eq!(harness.try_ask(lease(POOL)).map(drop), Ok(()));
    }
}

#[test]
fn a_driver_that_does_not_start_is_not_tried_during_the_pause() {
    let hours = Duration::from_secs(3600);
    let limits = Limits { backoff_min: hours, backoff_max: hours, ..Limits::default() };
    let harness = Harness::with(Box::new(MemoryStore::default()), REPLAYED, limits);
    harness.ask(pool(POOL)).unwrap();
    *lock(&harness.control.start_fails) = Some(refusal());
    harness.control.twist(Twist::Address(Err(trap())));
    assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::Internal));
    assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::Unavailable));
    harness.control.look();
    *lock(&harness.control.start_fails) = None;
    assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::Unavailable));
    assert_eq!(harness.control.look(), [""; 0]);
}

#[test]
fn a_driver_that_fails_again_and_again_is_suspended_and_releases_go_through() {
    let hours = Duration::from_secs(3600);
    let limits = Limits { faults_max: 2, breaker_min: hours, breaker_max: hours, ..limits() };
    let harness = Harness::with(Box::new(MemoryStore::default()), REPLAYED, limits);
    let lab_name = "lab".parse().unwrap();
    harness.ask(pool(POOL)).unwrap();
    harness.ask(lease(POOL)).unwrap();
    let fails = || {
        harness.control.twist(Twist::Address(Err(trap())));
        assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::Internal));
    };
    fails();
    assert_eq!(harness.try_ask(lease(POOL)), Ok(host(2)), "once is nothing");
    fails();
    harness.control.look();
    let Err(Failure::Refused(refusal)) = harness.ask(lease(POOL)) else { panic!("it is served") };
    assert_eq!(refusal.kind(), Kind::Unavailable);
    assert!(refusal.to_string().contains("tried again in 3600 s"), "{refusal}");
    let problem = harness.service.inspect().remove(0).problem.unwrap();
    assert!(problem.paused_until.unwrap().0 > problem.since.0 + 3_500_000, "{problem:?}");
    // The ledger decides about releases, and the driver learns it by replay.
    assert_eq!(harness.try_ask(release(POOL, "10.0.0.1")), Ok("released".into()));
    assert_eq!(harness.control.look(), [""; 0], "nobody called it meanwhile");

    *lock(&harness.control.start_fails) = Some(super::harness::refusal());
    assert!(harness.service.reset(&lab_name).unwrap().unwrap().is_err());
    *lock(&harness.control.start_fails) = None;
    assert_eq!(harness.service.reset(&lab_name), Ok(Some(Ok(()))));
    let replayed = harness.control.look();
    assert_eq!(replayed[replayed.len() - 1], "address 10.0.0.2 of 10.0.0.0/24 again");
    assert_eq!(harness.try_ask(lease(POOL)), Ok(host(1)), "it is free");
    assert_eq!(harness.service.reset(&"nobody".parse().unwrap()), Ok(None));
}

#[test]
fn a_suspended_driver_is_shown_as_suspended_whatever_else_fails() {
    let hours = Duration::from_secs(3600);
    let limits = Limits { faults_max: 1, breaker_min: hours, breaker_max: hours, ..limits() };
    let store = FlakyStore::new(false);
    let fails = store.fails.clone();
    let harness = Harness::with(Box::new(store), REPLAYED, limits);
    harness.ask(pool(POOL)).unwrap();
    harness.ask(lease(POOL)).unwrap();
    harness.control.twist(Twist::Address(Err(trap())));
    assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::Internal));
    fails.store(true, Ordering::SeqCst);
    assert_eq!(harness.try_ask(release(POOL, "10.0.0.1")), Err(Kind::Unavailable));
    let problem = harness.service.inspect().remove(0).problem.unwrap();
    assert_eq!(problem.reason, "the ledger cannot be written");
    assert!(problem.paused_until.unwrap().0 > problem.since.0 + 3_500_000, "{problem:?}");
}

#[test]
fn an_operator_does_not_wait_for_a_driver_that_is_busy() {
    let limits = Limits { inspect_patience: Duration::from_millis(20), ..limits() };
    let harness = Harness::with(Box::new(MemoryStore::default()), REPLAYED, limits);
    harness.control.twist(Twist::Pool(Err(trap())));
    assert_eq!(harness.try_ask(pool(POOL)), Err(Kind::Internal));
    let (go_on, is_done) = harness.keep_busy();
    let info = harness.service.inspect().remove(0);
    assert_eq!((info.held, info.problem), (None, None));
    drop(go_on);
    is_done.recv().unwrap();
    let info = harness.service.inspect().remove(0);
    assert_eq!(info.held.map(|held| held.pools), Some(0));
    assert!(info.last_failure.is_some(), "it serves again, and has failed");
}

#[test]
fn a_release_stands_whatever_the_driver_says() {
    for failure in [refusal(), trap()] {
        let harness = harness_with_pool();
        harness.ask(lease(POOL)).unwrap();
        harness.control.look();
        lock(&harness.control.release_fails).push_back(failure);
        assert_eq!(harness.try_ask(release(POOL, "10.0.0.1")), Ok("released".into()));
        assert_eq!(harness.try_ask(lease(POOL)), Ok(host(1)));
        let calls = harness.control.look();
        let want = [
            "release 10.0.0.1 of 10.0.0.0/24",
            "start",
            "pool 10.0.0.0/24 again",
            "address any of 10.0.0.0/24",
        ];
        assert_eq!(calls, want);
    }
}

#[test]
fn a_pool_is_released_after_its_leases() {
    let harness = harness_with_pool();
    harness.ask(lease(POOL)).unwrap();
    harness.ask(lease(POOL)).unwrap();
    harness.control.look();
    assert_eq!(harness.try_ask(Request::ReleasePool(id(POOL))), Ok("released".into()));
    let want = [
        "release 10.0.0.1 of 10.0.0.0/24",
        "release 10.0.0.2 of 10.0.0.0/24",
        "release 10.0.0.0/24",
    ];
    assert_eq!(harness.control.look(), want);
    assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::NotFound));
}

/// It knows the ledger.
#[test]
fn a_driver_with_replay_that_proposes_what_is_leased_is_broken() {
    let harness = harness_with_pool();
    harness.ask(lease(POOL)).unwrap();
    harness.control.twist(leased(Some("10.0.0.1/24")));
    assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::Internal));
}

#[test]
fn a_full_queue_refuses_at_once() {
    let limits = Limits { queue_max: 2, ..limits() };
    let harness = Harness::with(Box::new(MemoryStore::default()), REPLAYED, limits);
    harness.ask(pool(POOL)).unwrap();
    let (go, first) = harness.hold(POOL);
    let waiting: Vec<_> = (0..2).map(|_| harness.submit(lease(POOL))).collect();
    assert_eq!(harness.submit(lease(POOL)).recv().unwrap(), Err(Kind::Unavailable));
    drop(go);
    assert_eq!(first.recv().unwrap(), Ok(host(1)));
    let served: Vec<_> = waiting.into_iter().map(|answer| answer.recv().unwrap()).collect();
    assert_eq!(served, [Ok(host(2)), Ok(host(3))]);
}

#[test]
fn a_reply_that_panics_hurts_nobody() {
    let harness = harness_with_pool();
    harness.handle.submit(lease(POOL), Box::new(|_| panic!("in a reply")));
    assert_eq!(harness.try_ask(lease(POOL)), Ok(host(2)));
}

#[test]
fn status_comes_from_the_driver() {
    let harness = harness_with_pool();
    harness.ask(lease_of(POOL, "10.0.0.200")).unwrap();
    assert_eq!(harness.try_ask(Request::Status(id(POOL))), Ok("1 in use".into()));
}
