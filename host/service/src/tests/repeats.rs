//! Swarm managers repeat what they hold; everybody else is mistaken.

use super::lab::{Lab, id, lease, lease_of, pool, pool_request, release};
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
    let lab = Lab::new();
    lab.ask(pool(POOL)).unwrap();
    lab.ask(lease_of(POOL, "10.0.0.9")).unwrap();
    lab.control.look();
    lab.handle.begin_session();
    assert_eq!(lab.try_ask(pool(POOL)), Err(Kind::Forbidden));
    assert_eq!(lab.try_ask(managers_lease()), Err(Kind::Forbidden));
    assert_eq!(lab.control.look(), [""; 0]);
}

#[test]
fn in_the_global_space_what_was_granted_before_the_session_is_claimed_once() {
    let lab = Lab::new();
    lab.ask(global()).unwrap();
    lab.ask(managers_lease()).unwrap();
    assert_eq!(lab.try_ask(global()), Err(Kind::Forbidden), "no session has begun");
    lab.control.look();
    for _session in 0..2 {
        lab.handle.begin_session();
        assert_eq!(lab.try_ask(managers_lease()), Err(Kind::Forbidden), "the pool comes first");
        assert_eq!(lab.try_ask(global()), Ok(POOL.into()));
        assert_eq!(lab.try_ask(managers_lease()), Ok("10.0.0.9/24".into()));
        assert_eq!(lab.try_ask(lease_of(POOL, "10.0.0.9")), Err(Kind::Forbidden));
        assert_eq!(lab.try_ask(managers_lease()), Err(Kind::Forbidden));
        assert_eq!(lab.try_ask(global()), Err(Kind::Forbidden));
    }
    assert_eq!(lab.control.look(), [""; 0], "claims are the ledger's business");
}

/// However often a manager asked for its pool, it releases it once.
#[test]
fn a_pool_goes_when_no_gateway_is_left_in_it() {
    let lab = Lab::new();
    lab.ask(global()).unwrap();
    lab.ask(gateway()).unwrap();
    for _session in 0..2 {
        lab.handle.begin_session();
        lab.ask(global()).unwrap();
    }
    lab.ask(managers_lease()).unwrap();
    lab.control.look();
    for _ in 0..3 {
        lab.ask(Request::ReleasePool(id(POOL))).unwrap();
        assert_eq!(lab.control.look(), [""; 0], "a network is left");
    }
    lab.ask(release(POOL, GATEWAY)).unwrap();
    lab.control.look();
    lab.ask(Request::ReleasePool(id(POOL))).unwrap();
    assert_eq!(lab.control.look(), ["release 10.0.0.9 of 10.0.0.0/24", "release 10.0.0.0/24"]);
    assert_eq!(lab.try_ask(Request::ReleasePool(id(POOL))), Err(Kind::BadRequest));
}

#[test]
fn a_claim_whose_answer_was_lost_may_be_made_again() {
    let lab = Lab::new();
    lab.ask(global()).unwrap();
    lab.ask(managers_lease()).unwrap();
    lab.handle.begin_session();
    for claimed in [global, managers_lease] {
        let claim = lab.ask(claimed()).unwrap();
        lab.handle.undo(claim.receipt.unwrap());
        assert!(lab.ask(claimed()).is_ok());
        assert_eq!(lab.try_ask(claimed()), Err(Kind::Forbidden));
    }
    lab.control.look();
    assert_eq!(lab.try_ask(lease(POOL)), Ok("10.0.0.1/24".into()), "nothing was released");
    assert_eq!(lab.control.look(), ["address any of 10.0.0.0/24"]);
}

#[test]
fn a_request_belongs_to_the_session_it_was_made_in() {
    let lab = Lab::new();
    lab.ask(global()).unwrap();
    let (go, _first) = lab.hold(POOL);
    let before = lab.submit(global());
    lab.handle.begin_session();
    let after = lab.submit(global());
    drop(go);
    assert_eq!(before.recv().unwrap(), Err(Kind::Forbidden));
    assert_eq!(after.recv().unwrap(), Ok(POOL.into()));
}
