//! What a driver writes to its store becomes durable with what came of the same
//! call, or not at all.

use super::{
    harness::{
        FakeFactory, FlakyStore, Harness, REPLAYED, Twist, counted, granted, host, lease, leased,
        limits, pool, pool_request, refusal, release, trap,
    },
    upgrade::{upgrade, version},
};
use crate::{Limits, LoadOptions, Origin, Service, ask, sync::lock};
use ipam_api::{Kind, PoolChoice, PoolRequest, Request};
use ipam_ledger::{Event, MemoryStore, Store as _};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

const POOL: &str = "10.0.0.0/24";

struct Counting {
    harness: Harness,
    medium: Arc<Mutex<MemoryStore>>,
    fails: Arc<AtomicBool>,
    committed: Arc<Mutex<Vec<Event>>>,
}

impl Counting {
    /// A driver that counts, with a pool and a lease.
    fn new(is_volatile: bool) -> Self {
        let store = FlakyStore::new(is_volatile);
        let (medium, fails) = (store.medium.clone(), store.fails.clone());
        let committed = store.committed.clone();
        let harness = Harness::with(Box::new(store), REPLAYED, limits());
        harness.control.counts.store(true, Ordering::SeqCst);
        harness.ask(pool(POOL)).unwrap();
        harness.ask(lease(POOL)).unwrap();
        harness.control.look();
        let this = Self { harness, medium, fails, committed };
        this.check("leases=1 pools=1");
        this
    }

    /// What is durable is what is applied, and this.
    #[track_caller]
    fn check(&self, want: &str) {
        let name = "lab".parse().unwrap();
        let applied = self.harness.service.look(&name, |state| counted(state.stored())).unwrap();
        let durable = counted(lock(&self.medium).load(&name).unwrap().stored());
        assert_eq!((&*applied, &*durable), (want, want));
    }
}

#[test]
fn what_is_written_is_staged_behind_what_came_of_the_call() {
    let Counting { harness, committed, .. } = &Counting::new(false);
    harness.ask(release(POOL, "10.0.0.1")).unwrap();
    let committed = lock(committed);
    // Every change is followed by what was written for it.
    let is_stored = |event: &&Event| matches!(event, Event::Stored(_));
    let others: Vec<&Event> = committed.iter().filter(|event| !is_stored(event)).collect();
    let [_, Event::PoolGranted(_), Event::AddressLeased(_), Event::AddressReleased(_)] = others[..]
    else {
        panic!("{others:?}")
    };
    let kinds: Vec<bool> = committed.iter().map(|event| is_stored(&event)).collect();
    assert_eq!(kinds, [false, false, true, false, true, false, true]);
}

#[test]
fn a_proposal_that_breaks_the_contract_writes_nothing() {
    for twist in [leased(Some(&host(1))), leased(Some("10.9.0.1/24"))] {
        let counting = Counting::new(false);
        counting.harness.control.twist(twist);
        assert_eq!(counting.harness.try_ask(lease(POOL)), Err(Kind::Internal));
        counting.check("leases=1 pools=1");
        counting.harness.control.look();
        counting.harness.ask(lease(POOL)).unwrap();
        counting.check("leases=2 pools=1");
    }
    let counting = Counting::new(true);
    counting.harness.control.twist(granted("10.0.0.0/24", "10.7.0.0/24"));
    assert_eq!(counting.harness.try_ask(pool("10.7.0.0/24")), Err(Kind::Internal));
    counting.check("leases=1 pools=1");
}

#[test]
fn a_trap_and_a_refusal_write_nothing() {
    for (twist, kind) in [
        (Twist::Panic, Kind::Internal),
        (Twist::Address(Err(trap())), Kind::Internal),
        (Twist::Address(Err(refusal())), Kind::BadRequest),
    ] {
        let counting = Counting::new(false);
        counting.harness.control.twist(twist);
        assert_eq!(counting.harness.try_ask(lease(POOL)), Err(kind));
        counting.check("leases=1 pools=1");
        counting.harness.ask(lease(POOL)).unwrap();
        counting.check("leases=2 pools=1");
    }
}

#[test]
fn the_store_is_there_before_the_start_and_replay_does_not_change_it() {
    let counting = Counting::new(false);
    counting.harness.control.twist(Twist::Panic);
    assert_eq!(counting.harness.try_ask(lease(POOL)), Err(Kind::Internal));
    assert_eq!(counting.harness.try_ask(lease(POOL)), Ok(host(2)));
    let calls = counting.harness.control.look();
    let again = ["pool 10.0.0.0/24 again", "address 10.0.0.1 of 10.0.0.0/24 again"];
    let want = [&["start", "stored leases=1 pools=1"][..], &again].concat();
    assert_eq!(calls[1..5], want);
    counting.check("leases=2 pools=1");
}

#[test]
fn a_refused_release_writes_nothing_and_the_lease_is_gone() {
    let counting = Counting::new(false);
    lock(&counting.harness.control.release_fails).push_back(refusal());
    assert_eq!(counting.harness.try_ask(release(POOL, "10.0.0.1")), Ok("released".into()));
    counting.check("leases=1 pools=1");
}

#[test]
fn what_a_failed_commit_was_to_write_is_gone() {
    for is_volatile in [true, false] {
        let counting = Counting::new(is_volatile);
        counting.fails.store(true, Ordering::SeqCst);
        assert_eq!(counting.harness.try_ask(lease(POOL)), Err(Kind::Unavailable));
        counting.fails.store(false, Ordering::SeqCst);
        counting.harness.control.look();
        assert_eq!(counting.harness.try_ask(lease(POOL)), Ok(host(2)));
        let calls = counting.harness.control.look();
        assert!(calls.contains(&"stored leases=1 pools=1".to_owned()), "{calls:?}");
        counting.check("leases=2 pools=1");
    }
}

#[test]
fn what_is_undone_is_told_and_written() {
    let counting = Counting::new(false);
    let receipt = counting.harness.ask(lease(POOL)).unwrap().receipt.unwrap();
    counting.harness.handle.undo(receipt);
    counting.harness.ask(lease(POOL)).unwrap();
    counting.check("leases=3 pools=1 released=1");
}

#[test]
fn a_pool_that_the_caller_excludes_is_granted_and_released_in_one_request() {
    let counting = Counting::new(false);
    let exclude = vec!["10.0.1.0/24".parse().unwrap()];
    let any = pool_request(PoolChoice::Automatic(ipam_api::Family::Ipv4));
    let request = Request::Pool(PoolRequest { exclude, ..any });
    assert_eq!(counting.harness.try_ask(request.clone()), Ok("10.0.2.0/24".into()));
    counting.check("leases=1 pools=3 released=1");
    let stored =
        lock(&counting.committed).iter().filter(|it| matches!(it, Event::Stored(_))).count();
    assert_eq!(stored, 3, "one for each request");
    // Nothing comes of a request that breaks the driver, wherever it does.
    counting.harness.control.twist(granted("10.0.1.0/24", "10.0.1.0/24"));
    counting.harness.control.twist(Twist::Panic);
    assert_eq!(counting.harness.try_ask(request), Err(Kind::Internal));
    counting.check("leases=1 pools=3 released=1");
}

#[test]
fn drivers_have_stores_of_their_own() {
    let counting = Counting::new(false);
    let (control, handle) = counting.harness.load("other");
    control.counts.store(true, Ordering::SeqCst);
    ask(&*handle, pool(POOL)).unwrap();
    counting.check("leases=1 pools=1");
    control.twist(Twist::Panic);
    assert!(ask(&*handle, lease(POOL)).is_err());
    ask(&*handle, lease(POOL)).unwrap();
    assert!(control.look().contains(&"stored pools=1".to_owned()));
}

#[test]
fn what_is_stored_outlives_the_process() {
    let Counting { harness, medium, .. } = Counting::new(false);
    let control = harness.control.clone();
    drop(harness);
    control.look();
    let store = FlakyStore { medium, ..FlakyStore::new(false) };
    let service = Service::new(Box::new(store), limits()).unwrap();
    service
        .load(Arc::new(FakeFactory(control.clone())), LoadOptions::new(Origin::Component))
        .unwrap();
    let calls = control.look();
    assert_eq!(calls[..4], ["start", "stored ", "start", "stored leases=1 pools=1"]);
    let handle = service.handle(&"lab".parse().unwrap()).unwrap();
    ask(&*handle, lease(POOL)).unwrap();
    drop(service);
}

#[test]
fn another_version_starts_with_what_is_stored() {
    let counting = Counting::new(false);
    let (control, factory) = version("lab", REPLAYED);
    control.counts.store(true, Ordering::SeqCst);
    upgrade(&counting.harness, &factory, false).unwrap();
    let starts = |calls: Vec<String>| -> Vec<String> {
        calls.into_iter().filter(|call| call.starts_with("stored")).collect()
    };
    assert_eq!(starts(control.look()), ["stored ", "stored leases=1 pools=1"]);
    counting.harness.ask(lease(POOL)).unwrap();
    counting.check("leases=2 pools=1");
}

#[test]
fn another_version_knows_what_was_written_while_it_was_shown_the_ledger() {
    let counting = Counting::new(false);
    let (control, factory) = version("lab", REPLAYED);
    control.counts.store(true, Ordering::SeqCst);
    let (shown, go) = control.hold_replay();
    thread::scope(|scope| {
        let upgrading = scope.spawn(|| upgrade(&counting.harness, &factory, false));
        shown.recv().unwrap();
        counting.harness.ask(lease(POOL)).unwrap();
        drop(go);
        upgrading.join().unwrap().unwrap();
    });
    assert!(control.look().contains(&"stored leases=2 pools=1".to_owned()));
    counting.harness.ask(lease(POOL)).unwrap();
    counting.check("leases=3 pools=1");
}

#[test]
fn a_batch_ends_when_much_was_written() {
    for (written_bytes_max, commits) in [(0, 4), (usize::MAX, 2)] {
        let mut store = FlakyStore::new(true);
        let (began, begins) = mpsc::channel();
        let (_, goes) = mpsc::channel();
        store.gate = Some((began, goes));
        let limits = Limits { written_bytes_max, ..limits() };
        let harness = Harness::with(Box::new(store), REPLAYED, limits);
        harness.control.counts.store(true, Ordering::SeqCst);
        harness.ask(pool(POOL)).unwrap();
        begins.try_iter().for_each(drop);
        let (on, first) = harness.hold(POOL);
        let others = [(); 3].map(|()| harness.submit(lease(POOL)));
        drop(on);
        first.recv().unwrap().unwrap();
        others.iter().for_each(|other| drop(other.recv().unwrap().unwrap()));
        assert_eq!(begins.try_iter().count(), commits);
    }
}
