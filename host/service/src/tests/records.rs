//! What a driver's system of record holds: asked for, and removed, in order with the
//! driver's requests.

use super::{
    harness::{
        FlakyStore, Harness, REPLAYED, Waiting, host, id, lease, lease_of, limits, meet, pool,
        release, trap,
    },
    system::{System, held},
};
use crate::sync::lock;
use ipam_api::{
    Answer, Capability, Error, Failure, HeldRecord, IpNet, Kind, RecordPage, RecordsAnswer,
    RecordsRequest, Removal, Request,
};
use ipam_ledger::{MemoryStore, State};
use proptest::prelude::*;
use std::sync::atomic::Ordering;

const POOL: &str = "10.0.0.0/24";

/// A harness whose driver has a system of record, with a pool.
fn harness() -> Harness {
    recorded(Harness::new())
}

fn recorded(harness: Harness) -> Harness {
    *lock(&harness.control.system) = Some(System::default());
    harness.ask(pool(POOL)).unwrap();
    harness.control.look();
    harness
}

/// Leaves an address behind, as a crash would.
fn left_behind(harness: &Harness, address: &str) -> u64 {
    let pool = POOL.parse().unwrap();
    let mut system = lock(&harness.control.system);
    system.as_mut().unwrap().make(pool, Some(address.parse().unwrap()))
}

/// What the system of record has, in order.
fn recorded_addresses(harness: &Harness) -> Vec<String> {
    let system = lock(&harness.control.system);
    let records = system.as_ref().unwrap().records.values();
    let mut all: Vec<_> = records.filter_map(|record| record.1).collect();
    all.sort();
    all.iter().map(ToString::to_string).collect()
}

fn request(request: RecordsRequest) -> Request {
    Request::Records(request)
}

fn list() -> Request {
    request(RecordsRequest::List { cursor: None, limit: 2 })
}

fn removal(id: u64, address: &str) -> Request {
    let pool: IpNet = POOL.parse().unwrap();
    request(RecordsRequest::Remove(held(id, (pool, Some(address.parse().unwrap())))))
}

fn has(pool: &str, address: Option<&str>) -> Request {
    let address = address.map(|address| address.parse().unwrap());
    request(RecordsRequest::Has(id(pool), address))
}

/// What came of a removal.
#[track_caller]
fn removed(harness: &Harness, id: u64, address: &str) -> Removal {
    let answer = harness.ask(removal(id, address)).unwrap().answer;
    let Answer::Records(RecordsAnswer::Removal(removal)) = answer else { panic!("{answer:?}") };
    removal
}

fn words(removal: Removal) -> Result<String, Kind> {
    Ok(format!("{:?}", RecordsAnswer::Removal(removal)))
}

#[track_caller]
fn answered(answer: &Waiting) -> Result<String, Kind> {
    answer.recv().unwrap()
}

#[test]
fn what_nobody_holds_is_removed_and_what_somebody_holds_stays() {
    let harness = harness();
    harness.ask(lease_of(POOL, "10.0.0.1")).unwrap();
    let behind = left_behind(&harness, "10.0.0.9");
    assert_eq!(removed(&harness, 2, "10.0.0.1"), Removal::Held);
    assert_eq!(removed(&harness, behind, "10.0.0.9"), Removal::Removed);
    assert_eq!(removed(&harness, behind, "10.0.0.9"), Removal::Gone);
    assert_eq!(recorded_addresses(&harness), ["10.0.0.1"]);
    // Of a pool, too; the driver is not even asked about one that is held.
    harness.control.look();
    let of_pool =
        |prefix: &str| request(RecordsRequest::Remove(held(1, (prefix.parse().unwrap(), None))));
    for prefix in [POOL, "10.0.0.0/8", "10.0.0.128/25"] {
        assert_eq!(harness.try_ask(of_pool(prefix)), words(Removal::Held), "{prefix}");
    }
    assert_eq!(harness.control.look(), [""; 0]);
    assert_eq!(harness.try_ask(of_pool("10.7.0.0/24")), words(Removal::Gone));
    // In a space that is not the driver's nothing is held, and nothing is removed.
    harness.control.look();
    let place = ("10.0.0.0/24".parse().unwrap(), Some("10.0.0.1".parse().unwrap()));
    let elsewhere = HeldRecord { address_space: "x".to_owned(), ..held(2, place) };
    let answer = harness.try_ask(request(RecordsRequest::Remove(elsewhere)));
    assert_eq!(answer, Err(Kind::BadRequest));
    assert_eq!(harness.control.look(), [""; 0]);
    assert_eq!(recorded_addresses(&harness), ["10.0.0.1"]);
}

#[test]
fn a_grant_in_flight_is_never_removed() {
    let harness = harness();
    let (first, second) = (left_behind(&harness, "10.0.0.7"), left_behind(&harness, "10.0.0.8"));
    // The driver is in a call: what comes now waits in its queue.
    let (go, _held) = harness.hold(POOL);
    let granted = harness.submit(lease_of(POOL, "10.0.0.7"));
    let kept = harness.submit(removal(first, "10.0.0.7"));
    let given_back = harness.submit(removal(second, "10.0.0.8"));
    let granted_anew = harness.submit(lease_of(POOL, "10.0.0.8"));
    drop(go);
    assert_eq!(answered(&granted), Ok(host(7)));
    assert_eq!(answered(&kept), words(Removal::Held), "it was granted before");
    assert_eq!(answered(&given_back), words(Removal::Removed), "nobody had asked for it");
    assert_eq!(answered(&granted_anew), Ok(host(8)));
    assert_eq!(recorded_addresses(&harness), ["10.0.0.1", "10.0.0.7", "10.0.0.8"]);
    // The id stands for nothing now: the address was recorded anew.
    harness.ask(release(POOL, "10.0.0.8")).unwrap();
    assert_eq!(removed(&harness, second, "10.0.0.8"), Removal::Gone);
}

#[test]
fn a_grant_whose_commit_is_under_way_is_held() {
    let (store, commits) = FlakyStore::gated();
    let harness = Harness::with(Box::new(store), REPLAYED, limits());
    *lock(&harness.control.system) = Some(System::default());
    let pooled = harness.submit(pool(POOL));
    commits.begun();
    commits.pass();
    answered(&pooled).unwrap();
    let behind = left_behind(&harness, "10.0.0.7");
    let (is_here, go, leased) =
        meet(&harness.control, &*harness.handle, lease_of(POOL, "10.0.0.7"));
    is_here.recv().unwrap();
    let kept = harness.submit(removal(behind, "10.0.0.7"));
    drop(go);
    commits.begun();
    assert!(kept.try_recv().is_err(), "its answer rests on a grant that is not durable yet");
    drop(commits);
    assert_eq!(answered(&leased), Ok(host(7)));
    assert_eq!(answered(&kept), words(Removal::Held));
    assert_eq!(recorded_addresses(&harness), ["10.0.0.7"]);
}

#[test]
fn nothing_is_removed_while_the_ledger_cannot_be_written() {
    let store = FlakyStore::new(false);
    let fails = store.fails.clone();
    let harness = recorded(Harness::with(Box::new(store), REPLAYED, limits()));
    let behind = left_behind(&harness, "10.0.0.9");
    fails.store(true, Ordering::SeqCst);
    assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::Unavailable));
    for request in [list(), has(POOL, None), removal(behind, "10.0.0.9")] {
        assert_eq!(harness.try_ask(request), Err(Kind::Unavailable));
    }
    assert!(recorded_addresses(&harness).contains(&"10.0.0.9".to_owned()));
    fails.store(false, Ordering::SeqCst);
    assert_eq!(removed(&harness, behind, "10.0.0.9"), Removal::Removed);
}

#[test]
fn what_breaks_the_driver_counts_as_in_every_other_call() {
    let harness = harness();
    let page = |answer| {
        let mut system = lock(&harness.control.system);
        system.as_mut().unwrap().pages.push_back(answer);
    };
    let (unavailable, space) = (Error::other(Kind::Unavailable, "away"), "elsewhere".to_owned());
    page(Err(Failure::Refused(unavailable)));
    assert_eq!(harness.try_ask(list()), Err(Kind::Unavailable));
    assert_eq!(harness.service.readings()[0].faults, 0, "its system may be away");
    page(Err(trap()));
    assert_eq!(harness.try_ask(list()), Err(Kind::Internal));
    // Nothing is held in a space that is not its own, so everything would be removed.
    let mut record = held(1, (POOL.parse().unwrap(), None));
    record.address_space = space;
    page(Ok(RecordPage { records: vec![record], next: None }));
    assert_eq!(harness.try_ask(list()), Err(Kind::Internal));
    let reading = &harness.service.readings()[0];
    assert_eq!((reading.faults, reading.violations), (2, 1));
    assert!(harness.try_ask(list()).is_ok(), "a new instance serves");
}

#[test]
fn only_what_is_held_is_looked_for() {
    let harness = harness();
    harness.ask(lease_of(POOL, "10.0.0.1")).unwrap();
    let answer = |has| Ok(format!("{:?}", RecordsAnswer::Has(has)));
    assert_eq!(harness.try_ask(has(POOL, None)), answer(Some(true)));
    assert_eq!(harness.try_ask(has(POOL, Some("10.0.0.1"))), answer(Some(true)));
    let gone = POOL.parse().unwrap();
    lock(&harness.control.system).as_mut().unwrap().delete(gone, "10.0.0.1".parse().ok());
    assert_eq!(harness.try_ask(has(POOL, Some("10.0.0.1"))), answer(Some(false)));
    assert_eq!(harness.try_ask(has(POOL, Some("10.0.0.2"))), answer(None));
    assert_eq!(harness.try_ask(has("10.7.0.0/24", None)), answer(None));
}

#[test]
fn a_driver_without_a_system_of_record_says_so() {
    let harness = Harness::new();
    harness.ask(pool(POOL)).unwrap();
    assert!(!harness.service.inspect()[0].has_records);
    for request in [list(), has(POOL, None), removal(1, "10.0.0.9")] {
        assert_eq!(harness.try_ask(request), Err(Kind::NotImplemented));
    }
    assert!(self::harness().service.inspect()[0].has_records);
}

#[derive(Debug, Clone)]
enum Op {
    Lease(u8),
    Release(u8),
    /// A crash left the address behind, before anything else happened.
    LeaveBehind(u8),
    /// By the number that it had at first.
    Remove(u8),
}

fn op() -> impl Strategy<Value = Op> {
    (0..4_u8, 1..6_u8).prop_map(|(kind, host)| match kind {
        0 => Op::Lease(host),
        1 => Op::Release(host),
        2 => Op::LeaveBehind(host),
        _ => Op::Remove(host),
    })
}

proptest! {
    /// Whatever waits in the queue, in whatever order: what the ledger holds is in the
    /// system of record. A driver that keeps its state there is told nothing again.
    #[test]
    fn what_is_held_is_recorded(ops in prop::collection::vec(op(), 1..24)) {
        let replays = Capability { requires_request_replay: false, ..REPLAYED };
        let store = Box::new(MemoryStore::default());
        let harness = recorded(Harness::with(store, replays, limits()));
        let address = |host: u8| format!("10.0.0.{host}");
        let mut numbers = [0; 6];
        for op in &ops {
            if let Op::LeaveBehind(host) = op {
                numbers[usize::from(*host)] = left_behind(&harness, &address(*host));
            }
        }
        let (go, first) = harness.hold(POOL);
        let asked: Vec<_> = ops.iter().filter_map(|op| match op {
            Op::Lease(host) => Some(lease_of(POOL, &address(*host))),
            Op::Release(host) => Some(release(POOL, &address(*host))),
            Op::LeaveBehind(_) => None,
            Op::Remove(host) => Some(removal(numbers[usize::from(*host)], &address(*host))),
        }).map(|request| harness.submit(request)).collect();
        drop(go);
        for answer in asked.iter().chain([&first]) {
            prop_assert_ne!(answered(answer), Err(Kind::Internal));
        }
        let leases = |state: &State| -> Vec<String> {
            state.leases().map(|lease| lease.ip().to_string()).collect()
        };
        let recorded = recorded_addresses(&harness);
        for lease in harness.service.look(harness.handle.name(), leases).unwrap() {
            prop_assert!(recorded.contains(&lease), "{} in {:?}", lease, recorded);
        }
    }
}
