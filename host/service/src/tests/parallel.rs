//! Many threads at once.

use super::harness::{FlakyStore, Harness, REPLAYED, any_pool, id, lease, limits, pool, release};
use crate::{
    Limits,
    Origin::{BuiltIn, Component},
    ask,
};
use ipam_api::{Answer, DriverHandle, Request};
use ipam_ledger::{MemoryStore, Store};
use std::{
    collections::BTreeSet,
    net::IpAddr,
    sync::{Arc, Mutex},
    thread,
};

const THREADS: usize = 16;

fn in_threads(handle: &Arc<dyn DriverHandle>, run: impl Fn(&dyn DriverHandle) + Sync) {
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| run(&**handle));
        }
    });
}

fn leased(answer: Answer) -> IpAddr {
    match answer {
        Answer::Address(grant) => grant.address.unwrap().addr(),
        Answer::Pool(_) | Answer::Released | Answer::Status(_) | Answer::Records(_) => {
            panic!("{answer:?}")
        }
    }
}

#[test]
fn addresses_leased_and_released_by_many_are_never_held_twice() {
    // The last must often wait for the store.
    let one_batch = Limits { staged_batches_max: 1, batch_max: 1, ..limits() };
    let labs: [(Box<dyn Store>, Limits); 4] = [
        (Box::new(MemoryStore::default()), limits()),
        (Box::new(MemoryStore::default()), limits()),
        (Box::new(FlakyStore::new(false)), limits()),
        (Box::new(FlakyStore::new(false)), one_batch),
    ];
    let origins = [Component, BuiltIn, Component, BuiltIn];
    for (origin, (store, limits)) in origins.into_iter().zip(labs) {
        let harness = Harness::of(origin, store, REPLAYED, limits);
        harness.ask(pool("10.0.0.0/24")).unwrap();
        let held = Mutex::new(BTreeSet::new());
        in_threads(&harness.handle, |handle| {
            for _ in 0..50 {
                let address = leased(ask(handle, lease("10.0.0.0/24")).unwrap().answer);
                assert!(held.lock().unwrap().insert(address), "{address} is held twice");
                assert!(held.lock().unwrap().remove(&address));
                ask(handle, release("10.0.0.0/24", &address.to_string())).unwrap();
            }
        });
        assert_eq!(harness.try_ask(Request::Status(id("10.0.0.0/24"))), Ok("0 in use".into()));
    }
}

#[test]
fn as_many_as_there_are_are_leased_and_no_more() {
    let harness = Harness::new();
    harness.ask(pool("10.0.0.0/24")).unwrap();
    let (held, refused) = (Mutex::new(BTreeSet::new()), Mutex::new(0));
    in_threads(&harness.handle, |handle| {
        for _ in 0..20 {
            match ask(handle, lease("10.0.0.0/24")) {
                Ok(served) => assert!(held.lock().unwrap().insert(leased(served.answer))),
                Err(_) => *refused.lock().unwrap() += 1,
            }
        }
    });
    assert_eq!((held.into_inner().unwrap().len(), refused.into_inner().unwrap()), (254, 66));
}

#[test]
fn automatic_pools_are_all_different() {
    let harness = Harness::new();
    let pools = Mutex::new(BTreeSet::new());
    in_threads(&harness.handle, |handle| {
        for _ in 0..10 {
            let Answer::Pool(grant) = ask(handle, any_pool()).unwrap().answer else { panic!() };
            assert!(pools.lock().unwrap().insert(grant.pool));
        }
    });
    assert_eq!(pools.into_inner().unwrap().len(), 10 * THREADS);
}

#[test]
fn shutdown_serves_what_waits_and_refuses_what_comes() {
    let harness = Harness::new();
    harness.ask(pool("10.0.0.0/24")).unwrap();
    let (go, first) = harness.hold("10.0.0.0/24");
    let waiting: Vec<_> = (0..100).map(|_| harness.submit(lease("10.0.0.0/24"))).collect();
    drop(go);
    harness.service.shutdown();
    assert!(first.try_recv().unwrap().is_ok());
    assert!(waiting.into_iter().all(|answer| answer.try_recv().unwrap().is_ok()));
    assert!(harness.submit(lease("10.0.0.0/24")).try_recv().unwrap().is_err());
    harness.service.shutdown();
}
