//! A driver is told when the request began that it is asked for, and no other
//! time.

use super::harness::{
    FakeFactory, FlakyStore, Harness, REPLAYED, Twist, lease, lease_of, limits, pool, release, trap,
};
use crate::{Origin, clock::now, sync::lock};
use ipam_api::Capability;
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

const POOL: &str = "10.0.0.0/24";

/// The times that a driver was told with each such call.
fn told(control: &super::harness::Control, call: &str) -> Vec<SystemTime> {
    let times = lock(&control.times);
    times.iter().filter(|(made, _)| made == call).map(|(_, at)| *at).collect()
}

/// Until the clock of the ledger shows another time.
fn tick() {
    let before = now();
    while now() == before {
        std::hint::spin_loop();
    }
}

#[test]
fn replay_tells_when_each_entry_was_asked_for() {
    let harness = Harness::new();
    harness.ask(pool(POOL)).unwrap();
    tick();
    harness.ask(lease(POOL)).unwrap();
    tick();
    harness.control.twist(Twist::Address(Err(trap())));
    harness.try_ask(lease(POOL)).unwrap_err();
    // Served by the next instance, which was shown the ledger before.
    harness.ask(lease(POOL)).unwrap();

    let [pooled] = told(&harness.control, "pool 10.0.0.0/24")[..] else { panic!("one pool") };
    let any = told(&harness.control, "address any of 10.0.0.0/24");
    assert!(UNIX_EPOCH < pooled && pooled < any[0] && any[0] < any[1] && any[1] <= any[2]);
    assert_eq!(told(&harness.control, "pool 10.0.0.0/24 again"), [pooled]);
    assert_eq!(told(&harness.control, "address 10.0.0.1 of 10.0.0.0/24 again"), [any[0]]);
}

#[test]
fn a_release_has_a_time_of_its_own() {
    let harness = Harness::new();
    harness.ask(pool(POOL)).unwrap();
    harness.ask(lease_of(POOL, "10.0.0.9")).unwrap();
    tick();
    harness.ask(release(POOL, "10.0.0.9")).unwrap();
    let leased = told(&harness.control, "address 10.0.0.9 of 10.0.0.0/24");
    let released = told(&harness.control, "release 10.0.0.9 of 10.0.0.0/24");
    assert_eq!((leased.len(), released.len()), (1, 1));
    assert!(leased < released);
}

#[test]
fn another_version_is_told_the_same_times() {
    let harness = Harness::new();
    harness.ask(pool(POOL)).unwrap();
    tick();
    let control = Arc::new(super::harness::Control::default());
    lock(&control.registers).push(("lab".into(), REPLAYED));
    let factory: Arc<dyn ipam_api::Factory> = Arc::new(FakeFactory(control.clone()));
    let name = "lab".parse().unwrap();
    harness.service.upgrade(&name, &factory, Origin::Component, None, false).unwrap();
    let before = told(&harness.control, "pool 10.0.0.0/24");
    assert_eq!(told(&control, "pool 10.0.0.0/24 again"), before);
}

#[test]
fn what_is_owed_is_told_with_a_time() {
    let store = Box::new(FlakyStore::new(true));
    let harness = Harness::with(store, Capability::default(), limits());
    harness.ask(pool(POOL)).unwrap();
    harness.ask(lease_of(POOL, "10.0.0.9")).unwrap();
    lock(&harness.control.release_fails).push_back(trap());
    harness.ask(release(POOL, "10.0.0.9")).unwrap();
    // Answered by the next instance, which knows of nothing.
    harness.try_ask(lease(POOL)).unwrap_err();
    let released = told(&harness.control, "release 10.0.0.9 of 10.0.0.0/24");
    assert_eq!(released.len(), 2);
    assert!(UNIX_EPOCH < released[0] && released[0] <= released[1]);
}
