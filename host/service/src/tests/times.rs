//! A driver is told when the request began that it is asked for, and no other
//! time.

use super::lab::{
    FlakyStore, Lab, PlainFactory, REPLAYED, Twist, lease, lease_of, limits, pool, release, trap,
};
use crate::{Origin, clock::now, sync::lock};
use ipam_api::Capability;
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

const POOL: &str = "10.0.0.0/24";

/// The times that a driver was told with each such call.
fn told(control: &super::lab::Control, call: &str) -> Vec<SystemTime> {
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
    let lab = Lab::new();
    lab.ask(pool(POOL)).unwrap();
    tick();
    lab.ask(lease(POOL)).unwrap();
    tick();
    lab.control.twist(Twist::Address(Err(trap())));
    lab.try_ask(lease(POOL)).unwrap_err();
    // Served by the next instance, which was shown the ledger before.
    lab.ask(lease(POOL)).unwrap();

    let [pooled] = told(&lab.control, "pool 10.0.0.0/24")[..] else { panic!("one pool") };
    let any = told(&lab.control, "address any of 10.0.0.0/24");
    assert!(UNIX_EPOCH < pooled && pooled < any[0] && any[0] < any[1] && any[1] <= any[2]);
    assert_eq!(told(&lab.control, "pool 10.0.0.0/24 again"), [pooled]);
    assert_eq!(told(&lab.control, "address 10.0.0.1 of 10.0.0.0/24 again"), [any[0]]);
}

#[test]
fn a_release_has_a_time_of_its_own() {
    let lab = Lab::new();
    lab.ask(pool(POOL)).unwrap();
    lab.ask(lease_of(POOL, "10.0.0.9")).unwrap();
    tick();
    lab.ask(release(POOL, "10.0.0.9")).unwrap();
    let leased = told(&lab.control, "address 10.0.0.9 of 10.0.0.0/24");
    let released = told(&lab.control, "release 10.0.0.9 of 10.0.0.0/24");
    assert_eq!((leased.len(), released.len()), (1, 1));
    assert!(leased < released);
}

#[test]
fn another_version_is_told_the_same_times() {
    let lab = Lab::new();
    lab.ask(pool(POOL)).unwrap();
    tick();
    let control = Arc::new(super::lab::Control::default());
    lock(&control.registers).push(("lab".into(), REPLAYED));
    let factory: Arc<dyn ipam_api::Factory> = Arc::new(PlainFactory(control.clone()));
    let name = "lab".parse().unwrap();
    lab.service.upgrade(&name, &factory, Origin::Component, None, false).unwrap();
    let before = told(&lab.control, "pool 10.0.0.0/24");
    assert_eq!(told(&control, "pool 10.0.0.0/24 again"), before);
}

#[test]
fn what_is_owed_is_told_with_a_time() {
    let store = Box::new(FlakyStore::new(true));
    let lab = Lab::with(store, Capability::default(), limits());
    lab.ask(pool(POOL)).unwrap();
    lab.ask(lease_of(POOL, "10.0.0.9")).unwrap();
    lock(&lab.control.release_fails).push_back(trap());
    lab.ask(release(POOL, "10.0.0.9")).unwrap();
    // Answered by the next instance, which knows of nothing.
    lab.try_ask(lease(POOL)).unwrap_err();
    let released = told(&lab.control, "release 10.0.0.9 of 10.0.0.0/24");
    assert_eq!(released.len(), 2);
    assert!(UNIX_EPOCH < released[0] && released[0] <= released[1]);
}
