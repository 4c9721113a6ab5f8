//! Swarm managers repeat what they hold; everybody else is mistaken.

use super::harness::{Harness, id, lease, lease_of, pool, pool_request, release};
use ipam_api::{AddressRequest, Kind, Options, PoolChoice, PoolRequest, Request, names};

const POOL: &str = "10.0.0.0/24";
const GATEWAY: &str = "10.0.0.1";

fn global() -> Request {
    let exact = pool_request(PoolChoice::Exact(POOL.parse().unwrap()));
    Request::Pool(PoolRequest { address_space: "global".to_owned(), ..exact })
}

fn managers_lease() -> Request {
    let options = Options::from([(names::ALLOC_SERIAL_PREFIX.to_owned(), "true".to_owned())]);
    let address = Some("10.0.0.9".parse().unwrap());
    Request::Address(AddressRequest { pool_id: id(POOL), address, options })
}

fn gateway() -> Request {
    let kind = (names::REQUEST_ADDRESS_TYPE.to_owned(), names::GATEWAY.to_owned());
    let address = Some(GATEWAY.parse().unwrap());
    Request::Address(AddressRequest { pool_id: id(POOL), address, options: Options::from([kind]) })
}

#[test]
fn in_the_local_space_a_repeat_is_refused() {
    let harness = Harness::new();
    harness.ask(pool(POOL)).unwrap();
    harness.ask(lease_of(POOL, "10.0.0.9")).unwrap();
    harness.control.look();
    harness.handle.begin_session();
    assert_eq!(harness.try_ask(pool(POOL)), Err(Kind::Forbidden));
    assert_eq!(harness.try_ask(managers_lease()), Err(Kind::Forbidden));
    assert_eq!(harness.control.look(), [""; 0]);
}

#[test]
fn in_the_global_space_what_was_granted_before_the_session_is_claimed_once() {
    let harness = Harness::new();
    harness.ask(global()).unwrap();
    harness.ask(managers_lease()).unwrap();
    assert_eq!(harness.try_ask(global()), Err(Kind::Forbidden), "no session has begun");
    harness.control.look();
    for _session in 0..2 {
        harness.handle.begin_session();
        assert_eq!(harness.try_ask(managers_lease()), Err(Kind::Forbidden), "the pool comes first");
        assert_eq!(harness.try_ask(global()), Ok(POOL.into()));
        assert_eq!(harness.try_ask(managers_lease()), Ok("10.0.0.9/24".into()));
        assert_eq!(harness.try_ask(lease_of(POOL, "10.0.0.9")), Err(Kind::Forbidden));
        assert_eq!(harness.try_ask(managers_lease()), Err(Kind::Forbidden));
        assert_eq!(harness.try_ask(global()), Err(Kind::Forbidden));
    }
    assert_eq!(harness.control.look(), [""; 0], "claims are the ledger's business");
}

/// However often a manager asked for its pool, it releases it once.
#[test]
fn a_pool_goes_when_no_gateway_is_left_in_it() {
    let harness = Harness::new();
    harness.ask(global()).unwrap();
    harness.ask(gateway()).unwrap();
    for _session in 0..2 {
        harness.handle.begin_session();
        harness.ask(global()).unwrap();
    }
    harness.ask(managers_lease()).unwrap();
    harness.control.look();
    for _ in 0..3 {
        harness.ask(Request::ReleasePool(id(POOL))).unwrap();
        assert_eq!(harness.control.look(), [""; 0], "a network is left");
    }
    harness.ask(release(POOL, GATEWAY)).unwrap();
    harness.control.look();
    harness.ask(Request::ReleasePool(id(POOL))).unwrap();
    assert_eq!(harness.control.look(), ["release 10.0.0.9 of 10.0.0.0/24", "release 10.0.0.0/24"]);
    assert_eq!(harness.try_ask(Request::ReleasePool(id(POOL))), Err(Kind::BadRequest));
}

#[test]
fn a_claim_whose_answer_was_lost_may_be_made_again() {
    let harness = Harness::new();
    harness.ask(global()).unwrap();
    harness.ask(managers_lease()).unwrap();
    harness.handle.begin_session();
    for claimed in [global, managers_lease] {
        let claim = harness.ask(claimed()).unwrap();
        harness.handle.undo(claim.receipt.unwrap());
        assert!(harness.ask(claimed()).is_ok());
        assert_eq!(harness.try_ask(claimed()), Err(Kind::Forbidden));
    }
    harness.control.look();
    assert_eq!(harness.try_ask(lease(POOL)), Ok("10.0.0.1/24".into()), "nothing was released");
    assert_eq!(harness.control.look(), ["address any of 10.0.0.0/24"]);
}

#[test]
fn a_request_belongs_to_the_session_it_was_made_in() {
    let harness = Harness::new();
    harness.ask(global()).unwrap();
    let (go, _first) = harness.hold(POOL);
    let before = harness.submit(global());
    harness.handle.begin_session();
    let after = harness.submit(global());
    drop(go);
    assert_eq!(before.recv().unwrap(), Err(Kind::Forbidden));
    assert_eq!(after.recv().unwrap(), Ok(POOL.into()));
}
