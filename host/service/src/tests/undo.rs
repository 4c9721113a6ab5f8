//! An answer that nobody got leaves nothing behind.

use super::harness::{Harness, host, lease, pool, release};
use crate::Limits;
use ipam_api::Kind;
use ipam_ledger::MemoryStore;

const POOL: &str = "10.0.0.0/24";

#[test]
fn what_was_granted_is_released_and_the_driver_told() {
    let harness = Harness::new();
    let pooled = harness.ask(pool(POOL)).unwrap();
    let leased = harness.ask(lease(POOL)).unwrap();
    harness.control.look();
    harness.handle.undo(leased.receipt.unwrap());
    assert_eq!(harness.try_ask(lease(POOL)), Ok(host(1)));
    harness.handle.undo(pooled.receipt.unwrap());
    assert_eq!(harness.try_ask(lease(POOL)), Err(Kind::NotFound));
    let calls = harness.control.look();
    let want = [
        "release 10.0.0.1 of 10.0.0.0/24",
        "address any of 10.0.0.0/24",
        "release 10.0.0.1 of 10.0.0.0/24",
        "release 10.0.0.0/24",
    ];
    assert_eq!(calls, want);
}

#[test]
fn a_receipt_is_void_once_its_grant_is_somebody_elses() {
    let harness = Harness::new();
    harness.ask(pool(POOL)).unwrap();
    let stale = harness.ask(lease(POOL)).unwrap().receipt.unwrap();
    harness.ask(release(POOL, "10.0.0.1")).unwrap();
    harness.ask(lease(POOL)).unwrap();
    harness.handle.undo(stale);
    assert_eq!(harness.try_ask(lease(POOL)), Ok(host(2)), "the first host is still leased");
}

#[test]
fn what_created_nothing_has_no_receipt() {
    let harness = Harness::new();
    harness.ask(pool(POOL)).unwrap();
    assert_eq!(harness.ask(release(POOL, "10.0.0.1")).unwrap().receipt, None);
}

#[test]
fn an_undo_finds_room_in_a_full_queue() {
    let limits = Limits { queue_max: 1, ..super::harness::limits() };
    let harness = Harness::with(Box::new(MemoryStore::default()), super::harness::REPLAYED, limits);
    harness.ask(pool(POOL)).unwrap();
    let leased = harness.ask(lease(POOL)).unwrap();
    let (go, _held) = harness.hold(POOL);
    let waiting = harness.submit(lease(POOL));
    harness.handle.undo(leased.receipt.unwrap());
    assert_eq!(harness.submit(lease(POOL)).recv().unwrap(), Err(Kind::Unavailable));
    drop(go);
    assert_eq!(waiting.recv().unwrap(), Ok(host(3)));
    assert_eq!(harness.try_ask(lease(POOL)), Ok(host(1)));
}
