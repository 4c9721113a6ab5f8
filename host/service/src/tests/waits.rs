//! No stranger's code holds up anybody else for long, nor the end.

use super::harness::{
    Control, FakeFactory, FlakyStore, Harness, PATIENCE, REPLAYED, any_pool, host, lease, limits,
    pool, pool_request, release, trap,
};
use crate::serve::deferred::{DeferredRelease, decided};
use crate::{Limits, LoadError, LoadOptions, NotNow, Origin, Service, UpgradeError, sync::lock};
use ipam_api::{Capability, Factory, Family, Kind, PoolChoice, PoolRequest, Request};
use ipam_ledger::{Event, MemoryStore, State};
use std::{
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

const POOL: &str = "10.0.0.0/24";
const SHORT: Duration = Duration::from_millis(20);

fn plain(name: &str, capability: Capability) -> (Arc<Control>, Arc<dyn Factory>) {
    let control = Arc::new(Control::default());
    lock(&control.registers).push((name.into(), capability));
    (control.clone(), Arc::new(FakeFactory(control)))
}

/// A service over a ledger that has one pool and one lease of `lab`, which is
/// not loaded.
fn with_ledger(limits: Limits) -> Arc<Service> {
    let store = FlakyStore::new(true);
    let medium = store.medium.clone();
    let harness = Harness::with(Box::new(store), REPLAYED, limits.clone());
    harness.ask(pool(POOL)).unwrap();
    harness.ask(lease(POOL)).unwrap();
    drop(harness);
    let store = FlakyStore { medium, ..FlakyStore::new(true) };
    Arc::new(Service::new(Box::new(store), limits).unwrap())
}

fn component() -> LoadOptions {
    LoadOptions::new(Origin::Component)
}

#[test]
fn who_learns_too_slowly_is_out_of_service_and_its_releases_go_on() {
    let service = with_ledger(Limits {
        replay_time: Duration::ZERO,
        backoff_min: PATIENCE * 60,
        backoff_max: PATIENCE * 60,
        ..limits()
    });
    let (_, factory) = plain("lab", REPLAYED);
    let names = service.load(factory, component()).unwrap();
    let problem = service.inspect().remove(0).problem.unwrap();
    assert!(problem.reason.contains("did not learn the ledger within"), "{problem:?}");
    let handle = service.handle(&names[0]).unwrap();
    let kind = |request| crate::ask(&*handle, request).map_err(|it| it.contract().kind());
    assert_eq!(kind(lease(POOL)).unwrap_err(), Kind::Unavailable);
    assert!(kind(release(POOL, "10.0.0.1")).is_ok());
}

#[test]
fn while_one_driver_loads_others_are_loaded_and_the_service_can_end() {
    let service = with_ledger(limits());
    let (control, factory) = plain("lab", REPLAYED);
    let (is_here, go) = control.hold_replay();
    let loading = thread::spawn({
        let service = service.clone();
        move || service.load(factory, component())
    });
    is_here.recv_timeout(PATIENCE).unwrap();
    let (_, other) = plain("other", REPLAYED);
    let names = service.load(other, component()).unwrap();
    assert!(crate::ask(&*service.handle(&names[0]).unwrap(), pool(POOL)).is_ok());
    let (_, again) = plain("other", REPLAYED);
    assert!(matches!(service.load(again, component()), Err(LoadError::Registration(_))));
    service.shutdown();
    drop(go);
    assert!(matches!(loading.join().unwrap(), Err(LoadError::ShutDown)));
}

#[test]
fn the_end_waits_for_no_call_and_grants_nothing_after_its_time() {
    let few = Limits { shutdown_time: SHORT, ..limits() };
    let harness = Harness::with(Box::new(FlakyStore::new(false)), REPLAYED, few);
    harness.ask(pool(POOL)).unwrap();
    harness.ask(lease(POOL)).unwrap();
    let (_go, held) = harness.hold(POOL);
    let behind = harness.submit(lease(POOL));
    let released = harness.submit(release(POOL, "10.0.0.1"));
    harness.service.shutdown();
    assert!(harness.control.is_halted.load(Ordering::SeqCst));
    assert_eq!(held.recv().unwrap(), Err(Kind::Internal));
    assert_eq!(behind.recv().unwrap(), Err(Kind::Unavailable));
    assert_eq!(released.recv().unwrap(), Ok("released".into()), "it is the ledger's to decide");
}

#[test]
fn a_thread_that_does_not_end_is_left_behind() {
    let few = Limits { shutdown_time: SHORT, halt_time: SHORT, ..limits() };
    let harness = Harness::with(Box::new(MemoryStore::default()), REPLAYED, few);
    let _never = harness.keep_busy();
    let began = Instant::now();
    harness.service.shutdown();
    assert!(began.elapsed() < PATIENCE);
}

/// Docker's server gives back what it cannot deliver when the commit is there.
#[test]
fn what_is_undone_while_the_service_ends_is_undone() {
    let (store, gate) = FlakyStore::gated();
    let committed = store.committed.clone();
    let harness = Harness::with(Box::new(store), REPLAYED, limits());
    let handle = harness.handle.clone();
    let reply = move |answer: Result<ipam_api::Served, _>| {
        handle.undo(answer.unwrap().receipt.unwrap());
    };
    harness.handle.submit(pool(POOL), Box::new(reply));
    gate.begun();
    thread::scope(|scope| {
        let ending = scope.spawn(|| harness.service.shutdown());
        while harness.service.handle(&"lab".parse().unwrap()).is_some() {
            thread::yield_now();
        }
        // Its queue is closed and empty.
        thread::sleep(SHORT);
        drop(gate);
        ending.join().unwrap();
    });
    let last = lock(&committed).last().cloned();
    assert!(matches!(last, Some(Event::PoolReleased(_))), "{last:?}");
}

#[test]
fn a_release_that_the_last_commit_lost_is_tried_once_more() {
    let (store, gate) = FlakyStore::gated();
    let (committed, fails) = (store.committed.clone(), store.fails.clone());
    let harness = Harness::with(Box::new(store), REPLAYED, limits());
    for request in [pool(POOL), Request::ReleasePool(super::harness::id(POOL))] {
        let answer = harness.submit(request);
        gate.begun();
        if lock(&committed).is_empty() {
            gate.pass();
            answer.recv().unwrap().unwrap();
        }
    }
    thread::scope(|scope| {
        let ending = scope.spawn(|| harness.service.shutdown());
        while harness.service.handle(&"lab".parse().unwrap()).is_some() {
            thread::yield_now();
        }
        fails.store(true, Ordering::SeqCst);
        gate.pass();
        gate.begun();
        fails.store(false, Ordering::SeqCst);
        drop(gate);
        ending.join().unwrap();
    });
    let last = lock(&committed).last().cloned();
    assert!(matches!(last, Some(Event::PoolReleased(_))), "{last:?}");
}

#[test]
fn an_upgrade_replaces_a_driver_that_is_being_rebuilt() {
    let harness = Harness::new();
    harness.ask(pool(POOL)).unwrap();
    harness.ask(pool("10.0.1.0/24")).unwrap();
    let (is_here, go) = harness.control.hold_replay();
    harness.control.twist(super::harness::Twist::Pool(Err(trap())));
    assert_eq!(harness.try_ask(any_pool()), Err(Kind::Internal));
    is_here.recv_timeout(PATIENCE).unwrap();
    harness.control.look();
    let (control, factory) = plain("lab", REPLAYED);
    let name = "lab".parse().unwrap();
    thread::scope(|scope| {
        let upgrade = || harness.service.upgrade(&name, &factory, Origin::Component, None, false);
        let upgrading = scope.spawn(upgrade);
        let queue = harness.service.registered_driver(&name).unwrap().queue.clone();
        while !queue.waiters.any() {
            thread::yield_now();
        }
        drop(go);
        assert_eq!(upgrading.join().unwrap().unwrap().len(), 1);
    });
    control.look();
    harness.ask(lease(POOL)).unwrap();
    assert_eq!(control.look(), ["address any of 10.0.0.0/24"], "the new version serves");
}

#[test]
fn one_upgrade_holds_up_no_other_and_not_an_operator() {
    let harness = Harness::with(
        Box::new(MemoryStore::default()),
        REPLAYED,
        Limits { swap_time: Duration::ZERO, ..limits() },
    );
    harness.load("other");
    harness.ask(pool(POOL)).unwrap();
    let upgrade = |name: &str, factory: &Arc<dyn Factory>| {
        let name = name.parse().unwrap();
        harness.service.upgrade(&name, factory, Origin::Component, None, false)
    };
    let (control, factory) = plain("lab", REPLAYED);
    let (is_here, go) = control.hold_replay();
    thread::scope(|scope| {
        let slow = scope.spawn(|| upgrade("lab", &factory));
        is_here.recv_timeout(PATIENCE).unwrap();
        assert_eq!(upgrade("other", &plain("other", REPLAYED).1).unwrap().len(), 1);
        let twice = upgrade("lab", &plain("lab", REPLAYED).1).unwrap_err().to_string();
        assert!(twice.contains("another upgrade of it is under way"), "{twice}");
        // What it is behind by when it is to take over, and has no time for.
        harness.ask(lease(POOL)).unwrap();
        drop(go);
        let behind = slow.join().unwrap().unwrap_err().to_string();
        assert!(behind.contains("too slow to follow"), "{behind}");
    });
    harness.control.look();
    assert_eq!(harness.try_ask(lease(POOL)), Ok(host(2)));
    assert_eq!(harness.control.look().len(), 1, "the version before serves on");
}

#[test]
fn an_operator_waits_for_a_busy_thread_for_a_while_only() {
    let harness = Harness::with(
        Box::new(MemoryStore::default()),
        REPLAYED,
        Limits { operator_patience: SHORT, ..limits() },
    );
    let name = "lab".parse().unwrap();
    let (go, is_done) = harness.keep_busy();
    assert_eq!(harness.service.reset(&name), Err(NotNow));
    assert_eq!(harness.service.look(&name, |state| state.lease_total()), None);
    assert_eq!(harness.service.check(&name).unwrap().notes, [NotNow.to_string()]);
    let (_, factory) = plain("lab", REPLAYED);
    let late = harness.service.upgrade(&name, &factory, Origin::Component, None, false);
    assert!(matches!(late, Err(UpgradeError::Interrupted { .. })), "{late:?}");
    assert!(crate::ask_within(&*harness.handle, pool(POOL), SHORT).is_none());
    drop(go);
    is_done.recv().unwrap();
    assert_eq!(harness.service.look(&name, |state| state.pools().count()), Some(1));
}

#[test]
fn who_proposes_what_is_excluded_is_not_asked_for_ever() {
    let few = Limits { exclude_time: Duration::ZERO, ..limits() };
    let harness = Harness::with(Box::new(MemoryStore::default()), REPLAYED, few);
    let excluded = PoolRequest {
        exclude: vec!["10.0.0.0/8".parse().unwrap()],
        ..pool_request(PoolChoice::Automatic(Family::Ipv4))
    };
    assert!(harness.ask(Request::Pool(excluded)).is_err());
    let asked = harness.control.look().iter().filter(|call| *call == "pool any").count();
    assert_eq!(asked, 1);
    assert_eq!(harness.try_ask(any_pool()), Ok(POOL.into()), "nothing of it is held");
}

#[test]
fn who_is_owed_much_serves_in_between() {
    let few = Limits { owed_time: Duration::ZERO, ..limits() };
    let harness = Harness::with(Box::new(MemoryStore::default()), Capability::default(), few);
    harness.ask(pool(POOL)).unwrap();
    (0..4).for_each(|_| drop(harness.ask(lease(POOL)).unwrap()));
    *lock(&harness.control.start_fails) = Some(trap());
    lock(&harness.control.release_fails).push_back(trap());
    for last in 1..=4 {
        harness.ask(release(POOL, &format!("10.0.0.{last}"))).unwrap();
    }
    *lock(&harness.control.start_fails) = None;
    harness.control.look();
    // It has forgotten its pool; that it is asked is enough.
    drop(harness.ask(lease(POOL)));
    let mut calls = Vec::new();
    while calls.iter().filter(|call: &&String| call.starts_with("release")).count() < 4 {
        calls.extend(harness.control.look());
        thread::yield_now();
    }
    let asked = calls.iter().position(|call| call.starts_with("address any")).unwrap();
    let told = calls[..asked].iter().filter(|call| call.starts_with("release")).count();
    assert!(told < 4, "{calls:?}");
}

#[test]
fn a_pool_that_the_store_could_not_release_is_one_decision() {
    for in_flight in [true, false] {
        let store = FlakyStore::new(true);
        let (fails, committed) = (store.fails.clone(), store.committed.clone());
        let few = Limits { releases_kept_max: 1, ..limits() };
        let harness = Harness::with(Box::new(store), REPLAYED, few);
        harness.ask(pool(POOL)).unwrap();
        (0..3).for_each(|_| drop(harness.ask(lease(POOL)).unwrap()));
        fails.store(true, Ordering::SeqCst);
        if !in_flight {
            assert_eq!(harness.try_ask(any_pool()), Err(Kind::Unavailable));
        }
        let released = harness.try_ask(Request::ReleasePool(super::harness::id(POOL)));
        assert_eq!(released, Err(Kind::Unavailable));
        fails.store(false, Ordering::SeqCst);
        assert_eq!(harness.try_ask(pool(POOL)), Ok(POOL.into()), "it was released");
        let gone =
            |event: &&Event| matches!(event, Event::AddressReleased(_) | Event::PoolReleased(_));
        assert_eq!(lock(&committed).iter().filter(gone).count(), 4);
    }
}

#[test]
fn a_pool_is_released_with_all_its_holds_if_that_was_decided() {
    let store = FlakyStore::new(true);
    let committed = store.committed.clone();
    let harness = Harness::with(Box::new(store), REPLAYED, limits());
    harness.ask(pool(POOL)).unwrap();
    (0..2).for_each(|_| drop(harness.ask(lease(POOL)).unwrap()));
    let mut state = State::default();
    lock(&committed).iter().for_each(|event| state.apply(event));
    let held = state.pool(&super::harness::id(POOL)).unwrap().clone();
    let (pool_id, generation) = (held.pool_id.clone(), held.generation);
    state.apply(&Event::PoolHeld { pool_id, generation, claim: None });
    let leases = state.leases_of(&held.pool_id).cloned().map(Event::AddressReleased);
    let want: Vec<_> = leases.chain([Event::PoolReleased(held.clone())]).collect();
    let kept = decided(want.iter().map(|event| ((), event.clone())).collect());
    let [((), kept @ DeferredRelease::Pool(_))] = &kept[..] else { panic!("{kept:?}") };
    let got = kept.events(&state);
    assert_eq!(got.len(), want.len());
    assert!(want.iter().all(|event| got.contains(event)), "{got:?}");
}
