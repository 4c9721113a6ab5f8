//! Who may wait commits by itself, where nobody else is at it.

use super::lab::{FlakyStore, Lab, REPLAYED, host, lease, lease_of, limits, pool, release, shown};
use crate::{Limits, Origin, ask, lock};
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
const PATIENCE: Duration = Duration::from_secs(60);

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

    fn commit(&mut self, changes: &[Changes]) -> Result<(), StoreError> {
        self.say("commit");
        self.medium.commit(changes)
    }

    fn view(&mut self) -> Result<Box<dyn View>, StoreError> {
        self.medium.view()
    }

    fn after_commit(&mut self) -> Result<(), StoreError> {
        self.say("after");
        Ok(())
    }

    fn is_after_commit_due(&self) -> bool {
        self.is_due.load(Ordering::SeqCst)
    }

    fn tidy(&mut self) -> Result<(), StoreError> {
        self.say("tidy");
        Ok(())
    }
}

type Said = mpsc::Receiver<(&'static str, ThreadId)>;

fn lab(origin: Origin, store_idle: Duration) -> (Lab, Said, Arc<AtomicBool>) {
    let (said, hears) = mpsc::channel();
    let is_due = Arc::new(AtomicBool::new(false));
    let store = Spoken { medium: MemoryStore::default(), said, is_due: is_due.clone() };
    let lab = Lab::of(origin, Box::new(store), REPLAYED, Limits { store_idle, ..limits() });
    lab.ask(pool(POOL)).unwrap();
    (lab, hears, is_due)
}

/// Leases and releases until a commit is made here, in so many tries.
fn is_committed_here(lab: &Lab, said: &Said, tries: usize) -> bool {
    let me = thread::current().id();
    (0..tries).any(|_| {
        said.try_iter().for_each(drop);
        let leased = lab.try_ask(lease(POOL)).unwrap();
        lab.ask(release(POOL, leased.strip_suffix("/24").unwrap())).unwrap();
        said.try_iter().any(|it| it == ("commit", me))
    })
}

#[test]
fn an_address_of_a_built_in_driver() {
    let (lab, said, _) = lab(Origin::BuiltIn, PATIENCE);
    assert!(is_committed_here(&lab, &said, 1000));
}

#[test]
fn nothing_of_a_component() {
    let (lab, said, _) = lab(Origin::Component, PATIENCE);
    assert!(!is_committed_here(&lab, &said, 100));
}

#[test]
fn nothing_for_who_may_not_wait() {
    let (lab, said, _) = lab(Origin::BuiltIn, PATIENCE);
    let me = thread::current().id();
    for _ in 0..100 {
        lab.submit(lease(POOL)).recv().unwrap().unwrap();
    }
    assert!(said.try_iter().all(|(_, thread)| thread != me));
}

#[test]
fn what_is_to_be_done_after_it_is_done_on_the_committers_thread() {
    let (lab, said, is_due) = lab(Origin::BuiltIn, PATIENCE);
    is_due.store(true, Ordering::SeqCst);
    let me = thread::current().id();
    let mut here = 0;
    while here < 3 {
        lab.ask(lease(POOL)).unwrap();
        lab.ask(release(POOL, "10.0.0.1")).unwrap();
        let next = || said.recv_timeout(PATIENCE).unwrap();
        loop {
            match next() {
                ("commit", thread) if thread == me => here += 1,
                ("after", thread) if thread != me => break,
                (what, _) => assert_eq!(what, "commit"),
            }
        }
    }
}

#[test]
fn the_store_is_put_in_order_when_nothing_has_come_for_a_while() {
    let idle = Duration::from_millis(20);
    let (lab, said, _) = lab(Origin::BuiltIn, idle);
    for _ in 0..2 {
        assert!(is_committed_here(&lab, &said, 1000));
        while said.recv_timeout(PATIENCE).unwrap().0 != "tidy" {}
        // Once is enough.
        assert_eq!(said.recv_timeout(3 * idle), Err(mpsc::RecvTimeoutError::Timeout));
    }
}

#[test]
fn and_not_before() {
    let idle = Duration::from_millis(500);
    let (lab, said, _) = lab(Origin::BuiltIn, idle);
    assert!(is_committed_here(&lab, &said, 1000));
    let begin = Instant::now();
    while begin.elapsed() < 3 * idle {
        lab.ask(lease(POOL)).unwrap();
        lab.ask(release(POOL, "10.0.0.1")).unwrap();
    }
    assert!(said.try_iter().all(|(what, _)| what != "tidy"));
}

#[test]
fn a_commit_that_fails_here_is_as_any_other() {
    let store = FlakyStore::new(false);
    let (fails, committed) = (store.fails.clone(), store.committed.clone());
    let lab = Lab::of(Origin::BuiltIn, Box::new(store), REPLAYED, limits());
    lab.ask(pool(POOL)).unwrap();
    for _ in 0..50 {
        assert_eq!(lab.try_ask(lease(POOL)), Ok(host(1)));
        fails.store(true, Ordering::SeqCst);
        assert_eq!(lab.try_ask(lease(POOL)), Err(Kind::Unavailable));
        assert_eq!(lab.try_ask(release(POOL, "10.0.0.1")), Err(Kind::Unavailable));
        fails.store(false, Ordering::SeqCst);
        // The release was kept, and what failed was never granted.
        assert_eq!(lab.try_ask(lease(POOL)), Ok(host(1)));
        lab.ask(release(POOL, "10.0.0.1")).unwrap();
    }
    assert!(!lock(&committed).is_empty());
}

/// A lab with a pool, whose store fails when told to, and whose commits each say
/// that they begin and wait for a word.
fn gated() -> (Lab, Arc<AtomicBool>, mpsc::Receiver<usize>, mpsc::Sender<()>) {
    let mut store = FlakyStore::new(false);
    let fails = store.fails.clone();
    let (began, begins) = mpsc::channel();
    let (go, goes) = mpsc::channel();
    store.gate = Some((began, goes));
    let lab = Lab::of(Origin::BuiltIn, Box::new(store), REPLAYED, limits());
    let pooled = lab.submit(pool(POOL));
    begins.recv_timeout(PATIENCE).unwrap();
    go.send(()).unwrap();
    pooled.recv_timeout(PATIENCE).unwrap().unwrap();
    // The driver's thread may be on its way to sleep.
    thread::sleep(Duration::from_millis(100));
    (lab, fails, begins, go)
}

/// The committer's thread waits for the store while the commit here fails.
#[test]
fn what_was_staged_on_a_commit_that_fails_here_is_never_committed() {
    let (lab, fails, begins, go) = gated();
    thread::scope(|scope| {
        let here = scope.spawn(|| lab.try_ask(lease(POOL)));
        begins.recv_timeout(PATIENCE).unwrap();
        let follows = lab.submit(lease(POOL));
        thread::sleep(Duration::from_millis(100));
        fails.store(true, Ordering::SeqCst);
        go.send(()).unwrap();
        assert_eq!(here.join().unwrap(), Err(Kind::Unavailable));
        fails.store(false, Ordering::SeqCst);
        let changes = begins.recv_timeout(PATIENCE).unwrap();
        drop(go);
        assert_eq!(follows.recv_timeout(PATIENCE).unwrap(), Err(Kind::Unavailable));
        assert_eq!(changes, 0, "the next transaction is a probe");
        drop(begins);
    });
}

/// A refusal that rests on a commit here is said when that has come to be.
#[test]
fn a_refusal_waits_for_the_commit_here_that_it_rests_on() {
    let (lab, _fails, begins, go) = gated();
    thread::scope(|scope| {
        let here = scope.spawn(|| lab.try_ask(lease_of(POOL, "10.0.0.7")));
        begins.recv_timeout(PATIENCE).unwrap();
        let refused = lab.submit(lease_of(POOL, "10.0.0.7"));
        let early = refused.recv_timeout(Duration::from_millis(100));
        assert_eq!(early, Err(mpsc::RecvTimeoutError::Timeout));
        drop((go, begins));
        assert_eq!(here.join().unwrap(), Ok("10.0.0.7/24".into()));
        assert_eq!(refused.recv_timeout(PATIENCE).unwrap(), Err(Kind::Forbidden));
    });
}

/// Some wait and some do not: what is committed is what was applied, in order.
#[test]
fn the_order_of_commits_is_that_of_the_answers() {
    const THREADS: usize = 4;
    let store = FlakyStore::new(false);
    let committed = store.committed.clone();
    let lab = Lab::of(Origin::BuiltIn, Box::new(store), REPLAYED, limits());
    lab.ask(pool("10.0.0.0/30")).unwrap();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..500 {
                    let leased = match ask(&*lab.mount, lease("10.0.0.0/30")) {
                        Ok(served) => shown(&served.answer),
                        Err(_) => continue,
                    };
                    let address = leased.strip_suffix("/30").unwrap();
                    lab.submit(release("10.0.0.0/30", address)).recv().unwrap().unwrap();
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
