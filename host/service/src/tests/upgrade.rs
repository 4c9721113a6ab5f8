//! Another version takes over, or does not; and what operators see.

use super::harness::{
    Control, FakeFactory, FlakyStore, Harness, REPLAYED, Twist, any_pool, host, id, lease, limits,
    pool, release,
};
use crate::{Origin, UpgradeError, Upgraded, sync::lock};
use ipam_api::{Capability, DriverName, Factory, Kind, Receipt, Request};
use ipam_ledger::{MemoryStore, Store as _};
use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    thread,
};

const POOL: &str = "10.0.0.0/24";

fn name() -> DriverName {
    "lab".parse().unwrap()
}

fn owed(medium: &Mutex<MemoryStore>) -> usize {
    lock(medium).load(&name()).unwrap().owed().len()
}

/// A new version that registers so.
pub(super) fn version(registers: &str, capability: Capability) -> (Arc<Control>, Arc<dyn Factory>) {
    let control = Arc::new(Control::default());
    lock(&control.registers).push((registers.into(), capability));
    (control.clone(), Arc::new(FakeFactory(control)))
}

pub(super) fn upgrade(
    harness: &Harness,
    factory: &Arc<dyn Factory>,
    insist: bool,
) -> Result<Vec<Upgraded>, UpgradeError> {
    harness.service.upgrade(&name(), factory, Origin::Component, None, insist)
}

fn harness_with_lease() -> Harness {
    let harness = Harness::new();
    harness.ask(pool(POOL)).unwrap();
    harness.ask(lease(POOL)).unwrap();
    harness.control.look();
    harness
}

#[test]
fn the_new_version_is_shown_the_ledger_and_serves() {
    let harness = harness_with_lease();
    let (control, factory) = version("lab", REPLAYED);
    let upgraded = upgrade(&harness, &factory, false).unwrap();
    assert_eq!((upgraded[0].replayed, upgraded[0].followed), (2, 0));
    let told = ["pool 10.0.0.0/24 again", "address 10.0.0.1 of 10.0.0.0/24 again"];
    assert_eq!(control.look(), [&["start", "start"], &told[..]].concat());
    assert_eq!(harness.try_ask(lease(POOL)), Ok(host(2)));
    assert_eq!(control.look(), ["address any of 10.0.0.0/24"]);
    assert_eq!(harness.control.look(), [""; 0], "the old version is asked no more");
    assert_eq!(harness.service.check(&name()).unwrap().differences, [""; 0]);
}

#[test]
fn a_version_that_disagrees_changes_nothing_and_says_where() {
    let harness = harness_with_lease();
    let (control, factory) = version("lab", REPLAYED);
    *lock(&control.replay_answers) = Some(id("other"));
    let refused = upgrade(&harness, &factory, true).unwrap_err().to_string();
    assert!(refused.contains("pool 10.0.0.0/24") && refused.contains("other"), "{refused}");
    assert_eq!(harness.try_ask(lease(POOL)), Ok(host(2)));
    assert_eq!(harness.control.look(), ["address any of 10.0.0.0/24"]);
}

#[test]
fn names_and_needs_change_only_if_the_operator_insists() {
    for (registers, capability) in [("lab", Capability::default()), ("other", REPLAYED)] {
        let harness = harness_with_lease();
        let (_, factory) = version(registers, capability);
        let refused = upgrade(&harness, &factory, false).unwrap_err();
        assert!(matches!(refused, UpgradeError::Registration { .. }), "{refused}");
        upgrade(&harness, &factory, true).unwrap();
        assert_eq!(harness.handle.capability(), capability);
        assert!(harness.service.handle(&name()).is_some(), "it keeps the name it is served under");
    }
}

#[test]
fn who_is_not_there_or_is_built_in_is_not_upgraded() {
    let harness =
        Harness::of(Origin::BuiltIn, Box::new(MemoryStore::default()), REPLAYED, limits());
    let (_, factory) = version("lab", REPLAYED);
    assert!(matches!(upgrade(&harness, &factory, true), Err(UpgradeError::BuiltIn(_))));
    let nobody = "nobody".parse().unwrap();
    let refused = harness.service.upgrade(&nobody, &factory, Origin::Component, None, true);
    assert!(matches!(refused, Err(UpgradeError::NoDriver(_))));
}

#[test]
fn a_driver_that_is_out_of_service_is_put_back_by_a_better_version() {
    let harness = harness_with_lease();
    *lock(&harness.control.start_fails) = Some(super::harness::trap());
    harness.control.twist(Twist::Panic);
    assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::Internal));
    assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::Unavailable));
    assert!(harness.service.inspect()[0].problem.is_some());
    let (_, factory) = version("lab", REPLAYED);
    upgrade(&harness, &factory, false).unwrap();
    assert_eq!(harness.try_ask(lease(POOL)), Ok(host(2)));
    assert_eq!(harness.service.inspect()[0].problem, None);
}

#[test]
fn a_check_finds_a_driver_that_forgot() {
    let harness = harness_with_lease();
    assert_eq!(harness.service.check(&name()).unwrap().entries, 2);
    *lock(&harness.control.replay_answers) = Some(id("other"));
    let report = harness.service.check(&name()).unwrap();
    assert!(report.differences[0].contains("pool 10.0.0.0/24"), "{report:?}");
    assert_eq!(harness.try_ask(lease(POOL)).map(drop), Ok(()), "it is still served");
}

#[test]
fn what_is_taken_back_is_just_what_was_granted_then() {
    let harness = harness_with_lease();
    let receipt = harness.ask(lease(POOL)).unwrap().receipt.unwrap();
    let stale = Receipt { generation: receipt.generation + 1, ..receipt.clone() };
    let take_back = |receipt, as_of| harness.try_ask(Request::TakeBack { receipt, as_of });
    let as_of = receipt.generation;
    assert_eq!(take_back(stale, as_of), Err(Kind::NotFound));
    assert_eq!(take_back(receipt.clone(), as_of), Ok("released".into()));
    assert_eq!(take_back(receipt.clone(), as_of), Err(Kind::NotFound));
    assert_eq!(harness.try_ask(lease(POOL)), Ok(host(2)));
}

#[test]
fn what_a_driver_is_owed_outlives_the_process() {
    let store = FlakyStore::new(false);
    let medium = store.medium.clone();
    let harness = Harness::with(Box::new(store), Capability::default(), limits());
    harness.ask(pool(POOL)).unwrap();
    harness.ask(lease(POOL)).unwrap();
    *lock(&harness.control.start_fails) = Some(super::harness::trap());
    harness.control.twist(Twist::Panic);
    assert_eq!(harness.try_ask(any_pool()), Err(Kind::Internal));
    assert_eq!(harness.try_ask(release(POOL, "10.0.0.1")), Ok("released".into()));
    drop(harness);
    assert_eq!(owed(&medium), 1);

    let store = FlakyStore { medium: medium.clone(), ..FlakyStore::new(false) };
    let service = crate::Service::new(Box::new(store), limits()).unwrap();
    let (control, factory) = version("lab", Capability::default());
    service.load(factory, crate::LoadOptions::new(Origin::Component)).unwrap();
    let handle = service.handle(&name()).unwrap();
    crate::ask(&*handle, pool("10.5.0.0/24")).unwrap();
    let want = ["start", "release 10.0.0.1 of 10.0.0.0/24", "pool 10.5.0.0/24"];
    assert_eq!(control.look(), want);
    drop(service);
    assert_eq!(owed(&medium), 0, "it was told");
}

/// A component with two names, of which the second cannot take over because a
/// commit of it has just failed: then neither has changed.
#[test]
fn the_names_of_a_component_change_together_or_not_at_all() {
    let store = FlakyStore::new(false);
    let fails = store.fails.clone();
    let service = crate::Service::new(Box::new(store), limits()).unwrap();
    let two = |tag: &str| {
        let (control, factory) = version("lab", REPLAYED);
        lock(&control.registers).push(("other".to_owned(), REPLAYED));
        lock(&control.calls).push(tag.to_owned());
        (control, factory)
    };
    let (old, factory) = two("old");
    let options = crate::LoadOptions::new(Origin::Component);
    service.load(factory, crate::LoadOptions { names_max: 2, ..options }).unwrap();
    let handle = |name: &str| service.handle(&name.parse().unwrap()).unwrap();
    for name in ["lab", "other"] {
        crate::ask(&*handle(name), pool(POOL)).unwrap();
    }
    fails.store(true, Ordering::SeqCst);
    assert!(crate::ask(&*handle("other"), lease(POOL)).is_err());
    let (new, factory) = two("new");
    let refused = service.upgrade(&name(), &factory, Origin::Component, None, false).unwrap_err();
    assert!(matches!(refused, UpgradeError::Interrupted { .. }), "{refused}");
    fails.store(false, Ordering::SeqCst);
    old.look();
    new.look();
    for name in ["lab", "other"] {
        crate::ask(&*handle(name), lease(POOL)).unwrap();
    }
    assert_eq!(new.look(), [""; 0], "no name is served by the new version");
    // And the next upgrade is not held up by what this one left.
    let (new, factory) = two("newer");
    service.upgrade(&name(), &factory, Origin::Component, None, false).unwrap();
    new.look();
    for name in ["lab", "other"] {
        crate::ask(&*handle(name), lease(POOL)).unwrap();
    }
    assert_eq!(new.look().len(), 2);
}

#[test]
fn an_upgrade_that_is_too_far_behind_is_given_up() {
    let few = crate::Limits { upgrade_events_max: 1, ..limits() };
    let harness = Harness::with(Box::new(MemoryStore::default()), REPLAYED, few);
    harness.ask(pool(POOL)).unwrap();
    let (control, factory) = version("lab", REPLAYED);
    // While it is shown the ledger, two more leases come about.
    let (shown, go) = control.hold_replay();
    thread::scope(|scope| {
        let upgrading = scope.spawn(|| upgrade(&harness, &factory, false));
        shown.recv().unwrap();
        harness.ask(lease(POOL)).unwrap();
        harness.ask(lease(POOL)).unwrap();
        drop(go);
        let refused = upgrading.join().unwrap().unwrap_err();
        assert!(refused.to_string().contains("try again"), "{refused}");
    });
    assert_eq!(harness.try_ask(lease(POOL)), Ok(host(3)), "the old one serves on");
}

#[test]
fn an_upgrade_that_a_failed_commit_overtakes_is_given_up() {
    let store = FlakyStore::new(false);
    let fails = store.fails.clone();
    let harness = Harness::with(Box::new(store), REPLAYED, limits());
    harness.ask(pool(POOL)).unwrap();
    let (control, factory) = version("lab", REPLAYED);
    let (shown, go) = control.hold_replay();
    thread::scope(|scope| {
        let upgrading = scope.spawn(|| upgrade(&harness, &factory, false));
        shown.recv().unwrap();
        fails.store(true, Ordering::SeqCst);
        assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::Unavailable));
        fails.store(false, Ordering::SeqCst);
        assert_eq!(harness.try_ask(lease(POOL)), Ok(host(1)), "the store works again");
        drop(go);
        let refused = upgrading.join().unwrap().unwrap_err();
        assert!(matches!(refused, UpgradeError::Interrupted { .. }), "{refused}");
    });
    assert_eq!(harness.try_ask(lease(POOL)), Ok(host(2)), "the old one serves on");
    assert_eq!(harness.service.check(&name()).unwrap().differences, [""; 0]);
}
