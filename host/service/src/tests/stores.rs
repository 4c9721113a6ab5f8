//! Nothing is answered before it is durable, and a store that fails takes
//! nothing with it.

use super::lab::{
    Control, FlakyStore, Lab, PlainFactory, REPLAYED, Twist, host, id, lease, lease_of, leased,
    limits, meet, pool, release,
};
use crate::{Limits, LoadOptions, Origin, Service, ask, sync::lock};
use ipam_api::{Capability, DriverName, Kind, PoolRequest, Request};
use ipam_ledger::{Changes, MemoryStore, State, Store, StoreError, View};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

const POOL: &str = "10.0.0.0/24";
/// For what comes at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// A lab whose commits each wait for a word.
fn gated() -> (Lab, mpsc::Receiver<usize>, mpsc::Sender<()>) {
    let mut store = FlakyStore::new(false);
    let (began, begins) = mpsc::channel();
    let (go, goes) = mpsc::channel();
    store.gate = Some((began, goes));
    (Lab::with(Box::new(store), REPLAYED, limits()), begins, go)
}

#[test]
fn an_answer_waits_for_its_commit_and_a_refusal_for_what_it_rests_on() {
    let (lab, begins, go) = gated();
    let pooled = lab.submit(pool(POOL));
    begins.recv().unwrap();
    assert_eq!(pooled.try_recv(), Err(mpsc::TryRecvError::Empty));
    go.send(()).unwrap();
    assert_eq!(pooled.recv().unwrap(), Ok(POOL.into()));
    // The driver's thread goes on while the store is busy: others wait for it.
    let (is_here, on, leased) = meet(&lab.control, &*lab.handle, lease_of(POOL, "10.0.0.7"));
    is_here.recv().unwrap();
    let refused = lab.submit(lease_of(POOL, "10.0.0.7"));
    let (is_here, gate, _held) = meet(&lab.control, &*lab.handle, lease(POOL));
    drop(on);
    begins.recv().unwrap();
    is_here.recv().unwrap();
    assert_eq!(refused.try_recv(), Err(mpsc::TryRecvError::Empty), "rests on a lease in flight");
    drop((gate, begins, go));
    assert_eq!(leased.recv().unwrap(), Ok("10.0.0.7/24".into()));
    assert_eq!(refused.recv().unwrap(), Err(Kind::Forbidden));
}

#[test]
fn what_several_drivers_stage_is_one_transaction() {
    let (lab, begins, go) = gated();
    let (control, handle) = lab.load("other");
    let drivers = [(&*lab.control, &*lab.handle), (&*control, &*handle)];
    for (control, handle) in drivers {
        let (is_here, on, pooled) = meet(control, handle, pool(POOL));
        is_here.recv().unwrap();
        drop(on);
        assert_eq!(begins.recv().unwrap(), 1);
        go.send(()).unwrap();
        pooled.recv().unwrap().unwrap();
    }
    let (on, first) = lab.hold(POOL);
    // Something waits behind it, so it is the committer's thread that commits.
    let mut behind = Some(meet(&lab.control, &*lab.handle, lease(POOL)));
    drop(on);
    assert_eq!(begins.recv().unwrap(), 1);
    // While that commit takes its time, each driver stages one lease. It has
    // done so when it hears of the next.
    let mut held = Vec::new();
    let mut staged = Vec::new();
    for (control, handle) in drivers {
        let (is_here, on, lease_staged) =
            behind.take().unwrap_or_else(|| meet(control, handle, lease(POOL)));
        is_here.recv().unwrap();
        let (is_here, on_hold, _) = meet(control, handle, lease(POOL));
        drop(on);
        is_here.recv().unwrap();
        staged.push(lease_staged);
        held.push(on_hold);
    }
    go.send(()).unwrap();
    first.recv().unwrap().unwrap();
    assert_eq!(begins.recv().unwrap(), 2, "the changes of both drivers");
    drop((begins, go, held));
    assert!(staged.into_iter().all(|answer| answer.recv().unwrap().is_ok()));
}

#[test]
fn who_is_served_does_not_wait_for_long_for_those_behind() {
    let limits = Limits { batch_time_max: Duration::ZERO, ..limits() };
    let lab = Lab::with(Box::new(MemoryStore::default()), REPLAYED, limits);
    lab.ask(pool(POOL)).unwrap();
    let (go, first) = lab.hold(POOL);
    // Both wait in the queue, and the second one takes its time.
    lab.control.twist(leased(Some("10.0.0.7/24")));
    let quick = lab.submit(lease_of(POOL, "10.0.0.7"));
    let (is_here, on, slow) = meet(&lab.control, &*lab.handle, lease_of(POOL, "10.0.0.8"));
    drop(go);
    first.recv_timeout(PATIENCE).unwrap().unwrap();
    is_here.recv_timeout(PATIENCE).unwrap();
    assert_eq!(quick.recv_timeout(PATIENCE).unwrap(), Ok("10.0.0.7/24".into()));
    drop(on);
    assert_eq!(slow.recv_timeout(PATIENCE).unwrap(), Ok("10.0.0.8/24".into()));
}

fn flaky(is_volatile: bool, capability: Capability) -> (Lab, Arc<AtomicBool>) {
    let store = FlakyStore::new(is_volatile);
    let fails = store.fails.clone();
    let lab = Lab::with(Box::new(store), capability, limits());
    lab.ask(pool(POOL)).unwrap();
    lab.ask(lease(POOL)).unwrap();
    lab.control.look();
    (lab, fails)
}

#[test]
fn a_failed_commit_grants_nothing_and_nothing_is_granted_until_the_store_works() {
    for is_volatile in [true, false] {
        let (lab, fails) = flaky(is_volatile, REPLAYED);
        fails.store(true, Ordering::SeqCst);
        assert_eq!(lab.try_ask(lease(POOL)), Err(Kind::Unavailable));
        assert_eq!(lab.try_ask(lease(POOL)), Err(Kind::Unavailable));
        assert_eq!(lab.try_ask(pool("10.5.0.0/24")), Err(Kind::Unavailable));
        assert_eq!(lab.try_ask(lease_of(POOL, "10.0.0.1")), Err(Kind::Unavailable));
        fails.store(false, Ordering::SeqCst);
        assert_eq!(lab.try_ask(lease(POOL)), Ok(host(2)), "what failed was never granted");
        assert_eq!(lab.try_ask(lease_of(POOL, "10.0.0.1")), Err(Kind::Forbidden));
        let calls = lab.control.look();
        assert!(calls.contains(&"address 10.0.0.1 of 10.0.0.0/24 again".to_owned()), "{calls:?}");
    }
}

#[test]
fn nothing_is_granted_until_the_store_has_room_for_its_maintenance() {
    for is_volatile in [true, false] {
        let store = FlakyStore::new(is_volatile);
        let (fails, is_full) = (store.fails.clone(), store.fails_maintenance.clone());
        let lab = Lab::with(Box::new(store), REPLAYED, limits());
        lab.ask(pool(POOL)).unwrap();
        fails.store(true, Ordering::SeqCst);
        is_full.store(true, Ordering::SeqCst);
        assert_eq!(lab.try_ask(lease(POOL)), Err(Kind::Unavailable));
        fails.store(false, Ordering::SeqCst);
        assert_eq!(lab.try_ask(lease(POOL)), Err(Kind::Unavailable), "one record has room");
        is_full.store(false, Ordering::SeqCst);
        assert_eq!(lab.try_ask(lease(POOL)), Ok(host(1)));
    }
}

#[test]
fn what_was_staged_on_a_failed_commit_is_never_committed() {
    let mut store = FlakyStore::new(false);
    let fails = store.fails.clone();
    let (began, begins) = mpsc::channel();
    let (go, goes) = mpsc::channel();
    store.gate = Some((began, goes));
    let lab = Lab::with(Box::new(store), REPLAYED, limits());
    // The lease waits behind the pool, which the committer's thread commits.
    let (is_here, pool_on, pooled) = meet(&lab.control, &*lab.handle, pool(POOL));
    is_here.recv().unwrap();
    let (is_here, on, leased) = meet(&lab.control, &*lab.handle, lease(POOL));
    drop(pool_on);
    begins.recv().unwrap();
    // Staged on a pool that will never be, before the driver waits.
    is_here.recv().unwrap();
    let (is_here, on_hold, _) = meet(&lab.control, &*lab.handle, lease(POOL));
    drop(on);
    is_here.recv().unwrap();
    fails.store(true, Ordering::SeqCst);
    go.send(()).unwrap();
    assert_eq!(pooled.recv().unwrap(), Err(Kind::Unavailable));
    fails.store(false, Ordering::SeqCst);
    assert_eq!(leased.recv().unwrap(), Err(Kind::Unavailable));
    drop(on_hold);
    assert_eq!(begins.recv().unwrap(), 0, "the next transaction is a probe");
    drop((begins, go));
    assert_eq!(lab.try_ask(lease(POOL)), Err(Kind::NotFound));
}

/// Whatever becomes of it.
#[test]
fn what_a_store_does_after_a_commit_holds_up_nobody_who_is_answered() {
    struct Slow(MemoryStore, mpsc::Sender<()>, mpsc::Receiver<StoreError>);
    impl Store for Slow {
        fn load(&mut self, driver: &DriverName) -> Result<State, StoreError> {
            Store::load(&mut self.0, driver)
        }

        fn commit(&mut self, changes: &[Changes]) -> Result<bool, StoreError> {
            self.0.commit(changes)?;
            Ok(true)
        }

        fn view(&mut self) -> Result<Box<dyn View>, StoreError> {
            self.0.view()
        }

        fn maintain(&mut self, idle: bool) -> Result<(), StoreError> {
            // A test that has ended holds nothing up.
            if idle || self.1.send(()).is_err() {
                return Ok(());
            }
            Err(self.2.recv().expect("nothing to say"))
        }
    }
    let (began, begins) = mpsc::channel();
    let (go, goes) = mpsc::channel();
    let store = Slow(MemoryStore::default(), began, goes);
    let lab = Lab::with(Box::new(store), REPLAYED, limits());
    let answer = |request| lab.submit(request).recv_timeout(PATIENCE).unwrap();
    assert!(answer(pool(POOL)).is_ok());
    begins.recv_timeout(PATIENCE).unwrap();
    go.send(StoreError::new("it is slow")).unwrap();
    assert!(answer(lease(POOL)).is_ok());
    begins.recv_timeout(PATIENCE).unwrap();
    // It panics, and is asked again.
    drop(go);
    assert!(answer(lease(POOL)).is_ok());
    begins.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn a_receipt_stays_void_when_the_ledger_is_read_again() {
    let (lab, fails) = flaky(false, REPLAYED);
    let stale = lab.ask(lease(POOL)).unwrap().receipt.unwrap();
    lab.ask(release(POOL, "10.0.0.2")).unwrap();
    fails.store(true, Ordering::SeqCst);
    assert_eq!(lab.try_ask(lease(POOL)), Err(Kind::Unavailable));
    fails.store(false, Ordering::SeqCst);
    assert_eq!(lab.try_ask(lease(POOL)), Ok(host(2)));
    lab.handle.undo(stale);
    assert_eq!(lab.try_ask(lease(POOL)), Ok(host(3)), "somebody else holds the second host");
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
    let loaded = service.load(Arc::new(PlainFactory(control)), LoadOptions::new(Origin::BuiltIn));
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
    let lab = Lab::with(Box::new(store), REPLAYED, limits());
    lab.ask(global()).unwrap();
    lab.handle.begin_session();
    lab.ask(local()).unwrap();
    lab.ask(named()).unwrap();
    drop(lab);

    let store = FlakyStore { medium, fails: fails.clone(), ..FlakyStore::new(false) };
    let service = Service::new(Box::new(store), limits()).unwrap();
    let control = Arc::new(Control::default());
    lock(&control.registers).push(("lab".into(), REPLAYED));
    service
        .load(Arc::new(PlainFactory(control.clone())), LoadOptions::new(Origin::BuiltIn))
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
        let (lab, fails) = flaky(is_volatile, REPLAYED);
        lab.ask(lease(POOL)).unwrap();
        fails.store(true, Ordering::SeqCst);
        // The first is staged and lost, the second comes when nothing is staged.
        assert_eq!(lab.try_ask(release(POOL, "10.0.0.1")), Err(Kind::Unavailable));
        assert_eq!(lab.try_ask(release(POOL, "10.0.0.2")), Err(Kind::Unavailable));
        assert_eq!(lab.try_ask(release(POOL, "10.0.0.2")), Err(Kind::Unavailable));
        fails.store(false, Ordering::SeqCst);
        assert_eq!(lab.try_ask(lease(POOL)), Ok(host(1)));
        assert_eq!(lab.try_ask(lease(POOL)), Ok(host(2)));
    }
}

#[test]
fn a_whole_pool_released_while_the_store_fails_is_gone_when_it_works() {
    for is_volatile in [true, false] {
        let (lab, fails) = flaky(is_volatile, REPLAYED);
        fails.store(true, Ordering::SeqCst);
        assert_eq!(lab.try_ask(Request::ReleasePool(id(POOL))), Err(Kind::Unavailable));
        fails.store(false, Ordering::SeqCst);
        assert_eq!(lab.try_ask(lease(POOL)), Err(Kind::NotFound));
        assert_eq!(lab.try_ask(pool(POOL)), Ok(POOL.into()));
    }
}

#[test]
fn an_undo_that_the_store_cannot_take_is_made_when_it_can() {
    for is_volatile in [true, false] {
        let (lab, fails) = flaky(is_volatile, REPLAYED);
        let receipt = lab.ask(lease(POOL)).unwrap().receipt.unwrap();
        fails.store(true, Ordering::SeqCst);
        lab.handle.undo(receipt);
        assert_eq!(lab.try_ask(lease(POOL)), Err(Kind::Unavailable));
        fails.store(false, Ordering::SeqCst);
        assert_eq!(lab.try_ask(lease(POOL)), Ok(host(2)));
    }
}

#[test]
fn releases_that_are_kept_are_bounded() {
    let store = FlakyStore::new(false);
    let fails = store.fails.clone();
    let limits = Limits { releases_kept_max: 1, ..limits() };
    let lab = Lab::with(Box::new(store), REPLAYED, limits);
    lab.ask(pool(POOL)).unwrap();
    lab.ask(lease(POOL)).unwrap();
    lab.ask(lease(POOL)).unwrap();
    fails.store(true, Ordering::SeqCst);
    assert_eq!(lab.try_ask(release(POOL, "10.0.0.1")), Err(Kind::Unavailable));
    assert_eq!(lab.try_ask(release(POOL, "10.0.0.2")), Err(Kind::Unavailable));
    fails.store(false, Ordering::SeqCst);
    assert_eq!(lab.try_ask(lease(POOL)), Ok(host(1)));
    assert_eq!(lab.try_ask(lease(POOL)), Ok(host(3)), "the second release was lost");
}

#[test]
fn what_a_driver_is_owed_is_bounded_when_the_store_loses_it_too() {
    let store = FlakyStore::new(false);
    let fails = store.fails.clone();
    let limits = Limits { releases_kept_max: 1, ..limits() };
    let lab = Lab::with(Box::new(store), Capability::default(), limits);
    lab.ask(pool(POOL)).unwrap();
    lab.ask(lease(POOL)).unwrap();
    let (on, first) = lab.hold(POOL);
    let lost: Vec<_> = [(); 2].map(|()| lab.submit(lease(POOL))).into();
    fails.store(true, Ordering::SeqCst);
    let released = lab.submit(release(POOL, "10.0.0.1"));
    drop(on);
    assert!(lost.into_iter().chain([first, released]).all(|it| it.recv().unwrap().is_err()));
    fails.store(false, Ordering::SeqCst);
    lab.control.look();
    lab.ask(pool("10.5.0.0/24")).unwrap();
    let told = lab.control.look().into_iter().filter(|call| call.starts_with("release"));
    assert_eq!(told.count(), 1, "three leases were lost and one released");
}

#[test]
fn a_driver_without_replay_must_forget_what_the_store_lost() {
    let (lab, fails) = flaky(false, Capability::default());
    fails.store(true, Ordering::SeqCst);
    assert_eq!(lab.try_ask(lease(POOL)), Err(Kind::Unavailable));
    fails.store(false, Ordering::SeqCst);
    assert_eq!(lab.try_ask(pool("10.5.0.0/24")), Ok("10.5.0.0/24".into()));
    let calls = lab.control.look();
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
    let lab = Lab::new();
    let (other, handle) = lab.load("other");
    lab.control.twist(Twist::Panic);
    assert_eq!(lab.try_ask(pool(POOL)), Err(Kind::Internal));
    assert!(ask(&*handle, pool(POOL)).is_ok());
    assert_eq!(other.look(), ["start", "pool 10.0.0.0/24"]);
}
