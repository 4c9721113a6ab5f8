//! Nothing is answered before it is durable.

use super::harness::{
    FlakyStore, Gate, Harness, PATIENCE, REPLAYED, lease, lease_of, leased, limits, meet, pool,
};
use crate::Limits;
use ipam_api::{DriverName, Kind};
use ipam_ledger::{Changes, MemoryStore, State, Store, StoreError, View};
use std::{
    sync::{atomic::Ordering, mpsc},
    time::Duration,
};

const POOL: &str = "10.0.0.0/24";

/// A harness whose commits wait at a gate.
fn gated() -> (Harness, Gate) {
    let (store, gate) = FlakyStore::gated();
    (Harness::with(Box::new(store), REPLAYED, limits()), gate)
}

#[test]
fn an_answer_waits_for_its_commit_and_a_refusal_for_what_it_rests_on() {
    let (harness, commits) = gated();
    let pooled = harness.submit(pool(POOL));
    commits.begun();
    assert_eq!(pooled.try_recv(), Err(mpsc::TryRecvError::Empty));
    commits.pass();
    assert_eq!(pooled.recv().unwrap(), Ok(POOL.into()));
    // The driver's thread goes on while the store is busy: others wait for it.
    let (is_here, on, leased) =
        meet(&harness.control, &*harness.handle, lease_of(POOL, "10.0.0.7"));
    is_here.recv().unwrap();
    let refused = harness.submit(lease_of(POOL, "10.0.0.7"));
    let (is_here, gate, _held) = meet(&harness.control, &*harness.handle, lease(POOL));
    drop(on);
    commits.begun();
    is_here.recv().unwrap();
    assert_eq!(refused.try_recv(), Err(mpsc::TryRecvError::Empty), "rests on a lease in flight");
    drop((gate, commits));
    assert_eq!(leased.recv().unwrap(), Ok("10.0.0.7/24".into()));
    assert_eq!(refused.recv().unwrap(), Err(Kind::Forbidden));
}

#[test]
fn what_several_drivers_stage_is_one_transaction() {
    let (harness, commits) = gated();
    let (control, handle) = harness.load("other");
    let drivers = [(&*harness.control, &*harness.handle), (&*control, &*handle)];
    for (control, handle) in drivers {
        let (is_here, on, pooled) = meet(control, handle, pool(POOL));
        is_here.recv().unwrap();
        drop(on);
        assert_eq!(commits.begun(), 1);
        commits.pass();
        pooled.recv().unwrap().unwrap();
    }
    let (on, first) = harness.hold(POOL);
    // Something waits behind it, so it is the committer's thread that commits.
    let mut behind = Some(meet(&harness.control, &*harness.handle, lease(POOL)));
    drop(on);
    assert_eq!(commits.begun(), 1);
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
    commits.pass();
    first.recv().unwrap().unwrap();
    assert_eq!(commits.begun(), 2, "the changes of both drivers");
    drop((commits, held));
    assert!(staged.into_iter().all(|answer| answer.recv().unwrap().is_ok()));
}

#[test]
fn who_is_served_does_not_wait_for_long_for_those_behind() {
    let limits = Limits { batch_time_max: Duration::ZERO, ..limits() };
    let harness = Harness::with(Box::new(MemoryStore::default()), REPLAYED, limits);
    harness.ask(pool(POOL)).unwrap();
    let (go, first) = harness.hold(POOL);
    // Both wait in the queue, and the second one takes its time.
    harness.control.twist(leased(Some("10.0.0.7/24")));
    let quick = harness.submit(lease_of(POOL, "10.0.0.7"));
    let (is_here, on, slow) = meet(&harness.control, &*harness.handle, lease_of(POOL, "10.0.0.8"));
    drop(go);
    first.recv_timeout(PATIENCE).unwrap().unwrap();
    is_here.recv_timeout(PATIENCE).unwrap();
    assert_eq!(quick.recv_timeout(PATIENCE).unwrap(), Ok("10.0.0.7/24".into()));
    drop(on);
    assert_eq!(slow.recv_timeout(PATIENCE).unwrap(), Ok("10.0.0.8/24".into()));
}

#[test]
fn what_was_staged_on_a_failed_commit_is_never_committed() {
    let (store, commits) = FlakyStore::gated();
    let fails = store.fails.clone();
    let harness = Harness::with(Box::new(store), REPLAYED, limits());
    // The lease waits behind the pool, which the committer's thread commits.
    let (is_here, pool_on, pooled) = meet(&harness.control, &*harness.handle, pool(POOL));
    is_here.recv().unwrap();
    let (is_here, on, leased) = meet(&harness.control, &*harness.handle, lease(POOL));
    drop(pool_on);
    commits.begun();
    // Staged on a pool that will never be, before the driver waits.
    is_here.recv().unwrap();
    let (is_here, on_hold, _) = meet(&harness.control, &*harness.handle, lease(POOL));
    drop(on);
    is_here.recv().unwrap();
    fails.store(true, Ordering::SeqCst);
    commits.pass();
    assert_eq!(pooled.recv().unwrap(), Err(Kind::Unavailable));
    fails.store(false, Ordering::SeqCst);
    assert_eq!(leased.recv().unwrap(), Err(Kind::Unavailable));
    drop(on_hold);
    assert_eq!(commits.begun(), 0, "the next transaction is a probe");
    drop(commits);
    assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::NotFound));
}

/// Maintenance is slow, fails and panics, and answers wait for none of it.
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
    let harness = Harness::with(Box::new(store), REPLAYED, limits());
    // Dropped before the harness: a test that fails must not hang in the store.
    let (begins, go) = (begins, go);
    let answer = |request| harness.submit(request).recv_timeout(PATIENCE).unwrap();
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
