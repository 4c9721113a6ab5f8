//! A store that fails takes nothing with it.

use super::harness::{
    Control, FakeFactory, FlakyStore, Harness, REPLAYED, Twist, host, id, lease, lease_of, limits,
    pool, release,
};
use crate::{Limits, LoadOptions, Origin, Service, ask, sync::lock};
use ipam_api::{Capability, DriverName, Kind, PoolRequest, Request};
use ipam_ledger::{Changes, State, Store, StoreError, View};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

const POOL: &str = "10.0.0.0/24";

fn flaky(is_volatile: bool, capability: Capability) -> (Harness, Arc<AtomicBool>) {
    let store = FlakyStore::new(is_volatile);
    let fails = store.fails.clone();
    let harness = Harness::with(Box::new(store), capability, limits());
    harness.ask(pool(POOL)).unwrap();
    harness.ask(lease(POOL)).unwrap();
    harness.control.look();
    (harness, fails)
}

#[test]
fn a_failed_commit_grants_nothing_and_nothing_is_granted_until_the_store_works() {
    for is_volatile in [true, false] {
        let (harness, fails) = flaky(is_volatile, REPLAYED);
        fails.store(true, Ordering::SeqCst);
        assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::Unavailable));
        assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::Unavailable));
        assert_eq!(harness.try_ask(pool("10.5.0.0/24")), Err(Kind::Unavailable));
        assert_eq!(harness.try_ask(lease_of(POOL, "10.0.0.1")), Err(Kind::Unavailable));
        fails.store(false, Ordering::SeqCst);
        assert_eq!(harness.try_ask(lease(POOL)), Ok(host(2)), "what failed was never granted");
        assert_eq!(harness.try_ask(lease_of(POOL, "10.0.0.1")), Err(Kind::Forbidden));
        let calls = harness.control.look();
        assert!(calls.contains(&"address 10.0.0.1 of 10.0.0.0/24 again".to_owned()), "{calls:?}");
    }
}

#[test]
fn nothing_is_granted_until_the_store_has_room_for_its_maintenance() {
    for is_volatile in [true, false] {
        let store = FlakyStore::new(is_volatile);
        let (fails, is_full) = (store.fails.clone(), store.fails_maintenance.clone());
        let harness = Harness::with(Box::new(store), REPLAYED, limits());
        harness.ask(pool(POOL)).unwrap();
        fails.store(true, Ordering::SeqCst);
        is_full.store(true, Ordering::SeqCst);
        assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::Unavailable));
        fails.store(false, Ordering::SeqCst);
        assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::Unavailable), "one record has room");
        is_full.store(false, Ordering::SeqCst);
        assert_eq!(harness.try_ask(lease(POOL)), Ok(host(1)));
    }
}

#[test]
fn a_receipt_stays_void_when_the_ledger_is_read_again() {
    let (harness, fails) = flaky(false, REPLAYED);
    let stale = harness.ask(lease(POOL)).unwrap().receipt.unwrap();
    harness.ask(release(POOL, "10.0.0.2")).unwrap();
    fails.store(true, Ordering::SeqCst);
    assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::Unavailable));
    fails.store(false, Ordering::SeqCst);
    assert_eq!(harness.try_ask(lease(POOL)), Ok(host(2)));
    harness.handle.undo(stale);
    assert_eq!(harness.try_ask(lease(POOL)), Ok(host(3)), "somebody else holds the second host");
}

#[test]
fn a_store_that_cannot_be_read_is_the_loads_error() {
    struct Unreadable;
    impl Store for Unreadable {
        fn load(&mut self, _: &DriverName) -> Result<State, StoreError> {
            Err(StoreError::new("not a ledger"))
        }

        fn commit(&mut self, _: &[Changes]) -> Result<bool, StoreError> {
            Err(StoreError::new("not a ledger"))
        }

        fn view(&mut self) -> Result<Box<dyn View>, StoreError> {
            Err(StoreError::new("not a ledger"))
        }
    }
    let service = Service::new(Box::new(Unreadable), limits()).unwrap();
    let control = Arc::new(Control::default());
    lock(&control.registers).push(("lab".into(), REPLAYED));
    let loaded = service.load(Arc::new(FakeFactory(control)), LoadOptions::new(Origin::BuiltIn));
    assert_eq!(loaded.unwrap_err().to_string(), "the ledger's store failed: not a ledger");
}

#[test]
fn after_a_restart_what_was_read_may_be_claimed_once_by_an_engine_that_began_too() {
    let in_global = |request| {
        let Request::Pool(exact) = request else { panic!("it asks for a pool") };
        Request::Pool(PoolRequest { address_space: "global".to_owned(), ..exact })
    };
    let (global, local) = (|| in_global(pool("10.7.0.0/24")), || pool(POOL));
    let named = || lease_of(POOL, "10.0.0.9");
    let store = FlakyStore::new(false);
    let (medium, fails) = (store.medium.clone(), Arc::new(AtomicBool::new(false)));
    let harness = Harness::with(Box::new(store), REPLAYED, limits());
    harness.ask(global()).unwrap();
    harness.handle.begin_session();
    harness.ask(local()).unwrap();
    harness.ask(named()).unwrap();
    drop(harness);

    let store = FlakyStore { medium, fails: fails.clone(), ..FlakyStore::new(false) };
    let service = Service::new(Box::new(store), limits()).unwrap();
    let control = Arc::new(Control::default());
    lock(&control.registers).push(("lab".into(), REPLAYED));
    service
        .load(Arc::new(FakeFactory(control.clone())), LoadOptions::new(Origin::BuiltIn))
        .unwrap();
    let again = [
        "start",
        "pool 10.7.0.0/24 again",
        "pool 10.0.0.0/24 again",
        "address 10.0.0.9 of 10.0.0.0/24 again",
    ];
    assert_eq!(control.look(), again);
    assert_eq!(service.loaded(&"lab".parse().unwrap()), Some(3));
    let handle = service.handle(&"lab".parse().unwrap()).unwrap();
    let can = |request| ask(&*handle, request).is_ok();
    assert_eq!([can(global()), can(local()), can(named())], [false; 3], "no engine began");
    handle.begin_session();
    assert_eq!([can(global()), can(local())], [true; 2]);
    // What is claimed stays so when the ledger is read again.
    fails.store(true, Ordering::SeqCst);
    assert!(!can(lease(POOL)));
    fails.store(false, Ordering::SeqCst);
    assert_eq!([can(global()), can(local())], [false; 2]);
    assert_eq!([can(named()), can(named())], [true, false]);
    handle.begin_session();
    assert_eq!([can(global()), can(local()), can(named())], [true, false, false]);
}

#[test]
fn a_release_that_the_store_cannot_take_is_made_when_it_can() {
    for is_volatile in [true, false] {
        let (harness, fails) = flaky(is_volatile, REPLAYED);
        harness.ask(lease(POOL)).unwrap();
        fails.store(true, Ordering::SeqCst);
        // The first is staged and lost, the second comes when nothing is staged.
        assert_eq!(harness.try_ask(release(POOL, "10.0.0.1")), Err(Kind::Unavailable));
        assert_eq!(harness.try_ask(release(POOL, "10.0.0.2")), Err(Kind::Unavailable));
        assert_eq!(harness.try_ask(release(POOL, "10.0.0.2")), Err(Kind::Unavailable));
        fails.store(false, Ordering::SeqCst);
        assert_eq!(harness.try_ask(lease(POOL)), Ok(host(1)));
        assert_eq!(harness.try_ask(lease(POOL)), Ok(host(2)));
    }
}

#[test]
fn a_whole_pool_released_while_the_store_fails_is_gone_when_it_works() {
    for is_volatile in [true, false] {
        let (harness, fails) = flaky(is_volatile, REPLAYED);
        fails.store(true, Ordering::SeqCst);
        assert_eq!(harness.try_ask(Request::ReleasePool(id(POOL))), Err(Kind::Unavailable));
        fails.store(false, Ordering::SeqCst);
        assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::NotFound));
        assert_eq!(harness.try_ask(pool(POOL)), Ok(POOL.into()));
    }
}

#[test]
fn an_undo_that_the_store_cannot_take_is_made_when_it_can() {
    for is_volatile in [true, false] {
        let (harness, fails) = flaky(is_volatile, REPLAYED);
        let receipt = harness.ask(lease(POOL)).unwrap().receipt.unwrap();
        fails.store(true, Ordering::SeqCst);
        harness.handle.undo(receipt);
        assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::Unavailable));
        fails.store(false, Ordering::SeqCst);
        assert_eq!(harness.try_ask(lease(POOL)), Ok(host(2)));
    }
}

#[test]
fn releases_that_are_kept_are_bounded() {
    let store = FlakyStore::new(false);
    let fails = store.fails.clone();
    let limits = Limits { releases_kept_max: 1, ..limits() };
    let harness = Harness::with(Box::new(store), REPLAYED, limits);
    harness.ask(pool(POOL)).unwrap();
    harness.ask(lease(POOL)).unwrap();
    harness.ask(lease(POOL)).unwrap();
    fails.store(true, Ordering::SeqCst);
    assert_eq!(harness.try_ask(release(POOL, "10.0.0.1")), Err(Kind::Unavailable));
    assert_eq!(harness.try_ask(release(POOL, "10.0.0.2")), Err(Kind::Unavailable));
    fails.store(false, Ordering::SeqCst);
    assert_eq!(harness.try_ask(lease(POOL)), Ok(host(1)));
    assert_eq!(harness.try_ask(lease(POOL)), Ok(host(3)), "the second release was lost");
}

#[test]
fn what_a_driver_is_owed_is_bounded_when_the_store_loses_it_too() {
    let store = FlakyStore::new(false);
    let fails = store.fails.clone();
    let limits = Limits { releases_kept_max: 1, ..limits() };
    let harness = Harness::with(Box::new(store), Capability::default(), limits);
    harness.ask(pool(POOL)).unwrap();
    harness.ask(lease(POOL)).unwrap();
    let (on, first) = harness.hold(POOL);
    let lost: Vec<_> = [(); 2].map(|()| harness.submit(lease(POOL))).into();
    fails.store(true, Ordering::SeqCst);
    let released = harness.submit(release(POOL, "10.0.0.1"));
    drop(on);
    assert!(lost.into_iter().chain([first, released]).all(|it| it.recv().unwrap().is_err()));
    fails.store(false, Ordering::SeqCst);
    harness.control.look();
    harness.ask(pool("10.5.0.0/24")).unwrap();
    let told = harness.control.look().into_iter().filter(|call| call.starts_with("release"));
    assert_eq!(told.count(), 1, "three leases were lost and one released");
}

#[test]
fn a_driver_without_replay_must_forget_what_the_store_lost() {
    let (harness, fails) = flaky(false, Capability::default());
    fails.store(true, Ordering::SeqCst);
    assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::Unavailable));
    fails.store(false, Ordering::SeqCst);
    assert_eq!(harness.try_ask(pool("10.5.0.0/24")), Ok("10.5.0.0/24".into()));
    let calls = harness.control.look();
    let want = [
        "address any of 10.0.0.0/24",
        "start",
        "release 10.0.0.2 of 10.0.0.0/24",
        "pool 10.5.0.0/24",
    ];
    assert_eq!(calls, want);
}

#[test]
fn another_driver_does_not_notice_that_one_broke() {
    let harness = Harness::new();
    let (other, handle) = harness.load("other");
    harness.control.twist(Twist::Panic);
    assert_eq!(harness.try_ask(pool(POOL)), Err(Kind::Internal));
    assert!(ask(&*handle, pool(POOL)).is_ok());
    assert_eq!(other.look(), ["start", "pool 10.0.0.0/24"]);
}
