//! Nothing is answered before it is durable, and a store that fails takes
//! nothing with it.

use super::lab::{
    FlakyStore, Lab, REPLAYED, Twist, host, id, lease, lease_of, limits, meet, pool, release,
};
use crate::{Limits, ask};
use ipam_api::{Capability, Kind, Request};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
    mpsc,
};

const POOL: &str = "10.0.0.0/24";

/// A lab whose commits each wait for a word.
fn gated() -> (Lab, mpsc::Receiver<usize>, mpsc::Sender<()>) {
    let (mut store, _) = FlakyStore::new(false);
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
    // The driver's thread goes on while the store is busy.
    let leased = lab.submit(lease_of(POOL, "10.0.0.7"));
    let refused = lab.submit(lease_of(POOL, "10.0.0.7"));
    let (gate, _held) = lab.hold(POOL);
    assert_eq!(refused.try_recv(), Err(mpsc::TryRecvError::Empty), "rests on a lease in flight");
    drop((gate, begins, go));
    assert_eq!(pooled.recv().unwrap(), Ok(POOL.into()));
    assert_eq!(leased.recv().unwrap(), Ok("10.0.0.7/24".into()));
    assert_eq!(refused.recv().unwrap(), Err(Kind::Forbidden));
}

#[test]
fn what_several_drivers_stage_is_one_transaction() {
    let (lab, begins, go) = gated();
    let (control, mount) = lab.load("other");
    let drivers = [(&*lab.control, &*lab.mount), (&*control, &*mount)];
    for (control, mount) in drivers {
        let (is_here, on, pooled) = meet(control, mount, pool(POOL));
        is_here.recv().unwrap();
        drop(on);
        assert_eq!(begins.recv().unwrap(), 1);
        go.send(()).unwrap();
        pooled.recv().unwrap().unwrap();
    }
    let (on, first) = lab.hold(POOL);
    drop(on);
    assert_eq!(begins.recv().unwrap(), 1);
    // While that commit takes its time, each driver stages one lease. It has
    // done so when it hears of the next.
    let mut held = Vec::new();
    let mut staged = Vec::new();
    for (control, mount) in drivers {
        let (is_here, on, lease_staged) = meet(control, mount, lease(POOL));
        is_here.recv().unwrap();
        let (is_here, on_hold, _) = meet(control, mount, lease(POOL));
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

fn flaky(is_volatile: bool, capability: Capability) -> (Lab, Arc<AtomicBool>) {
    let (store, fails) = FlakyStore::new(is_volatile);
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
        lab.mount.undo(receipt);
        assert_eq!(lab.try_ask(lease(POOL)), Err(Kind::Unavailable));
        fails.store(false, Ordering::SeqCst);
        assert_eq!(lab.try_ask(lease(POOL)), Ok(host(2)));
    }
}

#[test]
fn releases_that_are_kept_are_bounded() {
    let (store, fails) = FlakyStore::new(false);
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
    let (other, mount) = lab.load("other");
    lab.control.twist(Twist::Panic);
    assert_eq!(lab.try_ask(pool(POOL)), Err(Kind::Internal));
    assert!(ask(&*mount, pool(POOL)).is_ok());
    assert_eq!(other.look(), ["start", "pool 10.0.0.0/24"]);
}
