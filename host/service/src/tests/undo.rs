//! An answer that nobody got leaves nothing behind.

use super::lab::{Lab, host, lease, pool, release};
use crate::Limits;
use ipam_api::Kind;
use ipam_ledger::MemoryStore;

const POOL: &str = "10.0.0.0/24";

#[test]
fn what_was_granted_is_released_and_the_driver_told() {
    let lab = Lab::new();
    let pooled = lab.ask(pool(POOL)).unwrap();
    let leased = lab.ask(lease(POOL)).unwrap();
    lab.control.look();
    lab.handle.undo(leased.receipt.unwrap());
    assert_eq!(lab.try_ask(lease(POOL)), Ok(host(1)));
    lab.handle.undo(pooled.receipt.unwrap());
    assert_eq!(lab.try_ask(lease(POOL)), Err(Kind::NotFound));
    let calls = lab.control.look();
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
    let lab = Lab::new();
    lab.ask(pool(POOL)).unwrap();
    let stale = lab.ask(lease(POOL)).unwrap().receipt.unwrap();
    lab.ask(release(POOL, "10.0.0.1")).unwrap();
    lab.ask(lease(POOL)).unwrap();
    lab.handle.undo(stale);
    assert_eq!(lab.try_ask(lease(POOL)), Ok(host(2)), "the first host is still leased");
}

#[test]
fn what_created_nothing_has_no_receipt() {
    let lab = Lab::new();
    lab.ask(pool(POOL)).unwrap();
    assert_eq!(lab.ask(release(POOL, "10.0.0.1")).unwrap().receipt, None);
}

#[test]
fn an_undo_finds_room_in_a_full_queue() {
    let limits = Limits { queue_max: 1, ..super::lab::limits() };
    let lab = Lab::with(Box::new(MemoryStore::default()), super::lab::REPLAYED, limits);
    lab.ask(pool(POOL)).unwrap();
    let leased = lab.ask(lease(POOL)).unwrap();
    let (go, _held) = lab.hold(POOL);
    let waiting = lab.submit(lease(POOL));
    lab.handle.undo(leased.receipt.unwrap());
    assert_eq!(lab.submit(lease(POOL)).recv().unwrap(), Err(Kind::Unavailable));
    drop(go);
    assert_eq!(waiting.recv().unwrap(), Ok(host(3)));
    assert_eq!(lab.try_ask(lease(POOL)), Ok(host(1)));
}
