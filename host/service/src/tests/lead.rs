//! A driver's thread commits by itself where nobody else is at it and nothing
//! else waits for it.

use super::harness::{
    FlakyStore, Gate, Harness, PATIENCE, REPLAYED, host, lease, lease_of, limits, meet, pool,
    release, shown, submit,
};
use crate::{Limits, ask, sync::lock};
use ipam_api::{DriverName, Kind};
use ipam_ledger::{Changes, Event, MemoryStore, State, Store, StoreError, View};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

const POOL: &str = "10.0.0.0/24";

/// A store that says who does what.
struct Spoken {
    medium: MemoryStore,
    said: mpsc::Sender<(&'static str, ThreadId)>,
    is_due: Arc<AtomicBool>,
}

impl Spoken {
    fn say(&self, what: &'static str) {
        // A test that has ended listens no more.
        let _ = self.said.send((what, thread::current().id()));
    }
}

impl Store for Spoken {
    fn load(&mut self, driver: &DriverName) -> Result<State, StoreError> {
        Store::load(&mut self.medium, driver)
    }

    fn commit(&mut self, changes: &[Changes]) -> Result<bool, StoreError> {
        self.say("commit");
        self.medium.commit(changes)?;
        Ok(self.is_due.load(Ordering::SeqCst))
    }

    fn view(&mut self) -> Result<Box<dyn View>, StoreError> {
        self.medium.view()
    }

    fn maintain(&mut self, idle: bool) -> Result<(), StoreError> {
        self.say(if idle { "all" } else { "due" });
        Ok(())
    }
}

type Said = mpsc::Receiver<(&'static str, ThreadId)>;

fn harness(store_idle: Duration) -> (Harness, Said, Arc<AtomicBool>) {
    let (said, hears) = mpsc::channel();
    let is_due = Arc::new(AtomicBool::new(false));
    let store = Spoken { medium: MemoryStore::default(), said, is_due: is_due.clone() };
    let harness = Harness::with(Box::new(store), REPLAYED, Limits { store_idle, ..limits() });
    harness.ask(pool(POOL)).unwrap();
    (harness, hears, is_due)
}

/// The driver's thread, which is the one that serves.
fn driver(harness: &Harness) -> ThreadId {
    let inspected = harness.service.look(&"lab".parse().unwrap(), |_| thread::current().id());
    inspected.unwrap()
}

#[test]
fn what_comes_alone_is_committed_by_the_drivers_thread() {
    let (harness, said, _) = harness(PATIENCE);
    let driver = driver(&harness);
    said.try_iter().for_each(drop);
    for _ in 0..100 {
        harness.ask(lease(POOL)).unwrap();
        harness.ask(release(POOL, "10.0.0.1")).unwrap();
    }
    // The committer's thread has the store for a moment now and then.
    let (commits, maintained): (Vec<_>, Vec<_>) =
        said.try_iter().partition(|(what, _)| *what == "commit");
    let led = commits.iter().filter(|(_, thread)| *thread == driver).count();
    assert!(commits.len() == 200 && led > 150, "{led} of {}", commits.len());
    // That thread is woken for its own commits, once because it slept, and
    // perhaps late for the pool.
    assert!(maintained.len() <= commits.len() - led + 2, "{} wake-ups", maintained.len());
}

#[test]
fn what_has_others_behind_it_is_committed_while_they_are_served() {
    let (harness, gate) = gated(&[]);
    let (on, first) = harness.hold(POOL);
    // They wait in the queue when that is served.
    let (is_here, last_on, last) = meet(&harness.control, &*harness.handle, lease(POOL));
    drop(on);
    gate.begun();
    is_here.recv_timeout(PATIENCE).expect("it is served while the first is committed");
    drop((last_on, gate));
    assert!([first, last].into_iter().all(|answer| answer.recv().unwrap().is_ok()));
}

/// A disk that hangs under one driver's commit keeps its thread, and no other.
#[test]
fn a_commit_that_hangs_keeps_no_other_drivers_thread() {
    let (harness, gate) = gated(&["other"]);
    let waits = harness.submit(lease(POOL));
    gate.begun();
    let other = harness.service.handle(&"other".parse().unwrap()).unwrap();
    // Refused by its thread, and on nothing that is to be committed.
    let refused = ask(&*other, lease("10.9.0.0/24")).unwrap_err();
    assert_eq!(refused.contract().kind(), Kind::NotFound, "{refused}");
    drop(gate);
    waits.recv_timeout(PATIENCE).unwrap().unwrap();
}

#[test]
fn what_is_to_be_done_after_it_is_done_on_the_committers_thread() {
    let (harness, said, is_due) = harness(PATIENCE);
    let driver = driver(&harness);
    said.try_iter().for_each(drop);
    is_due.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        harness.ask(lease(POOL)).unwrap();
        harness.ask(release(POOL, "10.0.0.1")).unwrap();
        let next = || said.recv_timeout(PATIENCE).unwrap();
        loop {
            match next() {
                ("due", thread) if thread != driver => break,
                (what, _) => assert_eq!(what, "commit"),
            }
        }
    }
}

#[test]
fn the_store_is_put_in_order_when_nothing_has_come_for_a_while() {
    let idle = Duration::from_millis(20);
    let (harness, said, _) = harness(idle);
    for _ in 0..2 {
        harness.ask(lease(POOL)).unwrap();
        while said.recv_timeout(PATIENCE).unwrap().0 != "all" {}
        // Once is enough.
        assert_eq!(said.recv_timeout(3 * idle), Err(mpsc::RecvTimeoutError::Timeout));
    }
}

#[test]
fn and_not_before() {
    let idle = Duration::from_millis(500);
    let (harness, said, _) = harness(idle);
    let begin = Instant::now();
    while begin.elapsed() < 3 * idle {
        harness.ask(lease(POOL)).unwrap();
        harness.ask(release(POOL, "10.0.0.1")).unwrap();
    }
    assert!(said.try_iter().all(|(what, _)| what != "all"));
}

/// A harness with a pool, and further drivers, whose commits wait at a gate.
fn gated(others: &[&str]) -> (Harness, Gate) {
    let (harness, gate, _) = failing(others);
    (harness, gate)
}

/// [`gated`], with a store that fails when it is told to.
fn failing(others: &[&str]) -> (Harness, Gate, Arc<AtomicBool>) {
    let (store, gate) = FlakyStore::gated();
    let fails = store.fails.clone();
    let harness = Harness::with(Box::new(store), REPLAYED, limits());
    // Each driver's first commit has its version, too.
    let handles = others.iter().map(|name| harness.load(name).1).chain([harness.handle.clone()]);
    for handle in handles {
        let pooled = submit(&*handle, pool(POOL));
        gate.begun();
        gate.pass();
        pooled.recv_timeout(PATIENCE).unwrap().unwrap();
    }
    (harness, gate, fails)
}

/// What was served after a commit that fails, which the driver's thread makes.
#[test]
fn what_is_served_after_a_commit_that_fails_rests_on_what_there_was() {
    let (harness, gate, fails) = failing(&[]);
    let lost = harness.submit(lease(POOL));
    gate.begun();
    let follows = harness.submit(lease(POOL));
    fails.store(true, Ordering::SeqCst);
    gate.pass();
    assert_eq!(lost.recv_timeout(PATIENCE).unwrap(), Err(Kind::Unavailable));
    fails.store(false, Ordering::SeqCst);
    drop(gate);
    let follows = follows.recv_timeout(PATIENCE).unwrap();
    assert!([Ok(host(1)), Err(Kind::Unavailable)].contains(&follows), "{follows:?}");
}

/// A refusal that rests on a commit is said when that has come to be.
#[test]
fn a_refusal_waits_for_the_commit_that_it_rests_on() {
    let (harness, gate) = gated(&[]);
    let granted = harness.submit(lease_of(POOL, "10.0.0.7"));
    gate.begun();
    let refused = harness.submit(lease_of(POOL, "10.0.0.7"));
    let early = refused.recv_timeout(Duration::from_millis(100));
    assert_eq!(early, Err(mpsc::RecvTimeoutError::Timeout));
    drop(gate);
    assert_eq!(granted.recv_timeout(PATIENCE).unwrap(), Ok("10.0.0.7/24".into()));
    assert_eq!(refused.recv_timeout(PATIENCE).unwrap(), Err(Kind::Forbidden));
}

/// Some lead and some hand over: what is committed is what was applied, in order.
#[test]
fn the_order_of_commits_is_that_of_the_answers() {
    const THREADS: usize = 4;
    let store = FlakyStore::new(false);
    let committed = store.committed.clone();
    let harness = Harness::with(Box::new(store), REPLAYED, limits());
    harness.ask(pool("10.0.0.0/30")).unwrap();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..500 {
                    let leased = match ask(&*harness.handle, lease("10.0.0.0/30")) {
                        Ok(served) => shown(&served.answer),
                        Err(_) => continue,
                    };
                    let address = leased.strip_suffix("/30").unwrap();
                    harness.submit(release("10.0.0.0/30", address)).recv().unwrap().unwrap();
                }
            });
        }
    });
    let mut held = BTreeSet::new();
    for event in lock(&committed).iter() {
        if let Event::AddressLeased(lease) = event {
            assert!(held.insert(lease.address), "{lease:?}");
        }
        if let Event::AddressReleased(lease) = event {
            assert!(held.remove(&lease.address), "{lease:?}");
        }
    }
}
