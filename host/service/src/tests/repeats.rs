//! Swarm managers repeat what they hold; everybody else is mistaken.

use super::lab::{Lab, id, lease_of, pool, pool_request, release};
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
    lab.mount.begin_session();
    assert_eq!(lab.try_ask(pool(POOL)), Err(Kind::Forbidden));
    assert_eq!(lab.try_ask(managers_lease()), Err(Kind::Forbidden));
    assert_eq!(lab.control.look(), [""; 0]);
}

#[test]
fn in_the_global_space_a_repeat_is_a_claim_once_per_session() {
    let lab = Lab::new();
    lab.ask(global()).unwrap();
    lab.ask(managers_lease()).unwrap();
    assert_eq!(lab.try_ask(global()), Err(Kind::Forbidden), "no session has begun");
    lab.control.look();
    for _session in 0..2 {
        lab.mount.begin_session();
        assert_eq!(lab.try_ask(global()), Ok(POOL.into()));
        assert_eq!(lab.try_ask(managers_lease()), Ok("10.0.0.9/24".into()));
        assert_eq!(lab.try_ask(lease_of(POOL, "10.0.0.9")), Err(Kind::Forbidden));
        assert_eq!(lab.try_ask(managers_lease()), Err(Kind::Forbidden));
        assert_eq!(lab.try_ask(global()), Err(Kind::Forbidden));
    }
    assert_eq!(lab.control.look(), [""; 0], "claims are the ledger's business");
}

/// Two claims and the first request are three holds; a manager releases once.
#[test]
fn a_pool_goes_with_its_last_hold_or_when_no_gateway_is_left_in_it() {
    for is_gateway_released in [false, true] {
        let lab = Lab::new();
        lab.ask(global()).unwrap();
        lab.ask(gateway()).unwrap();
        for _session in 0..2 {
            lab.mount.begin_session();
            lab.ask(global()).unwrap();
        }
        lab.ask(managers_lease()).unwrap();
        lab.control.look();
        let mut told = vec!["release 10.0.0.9 of 10.0.0.0/24", "release 10.0.0.0/24"];
        if is_gateway_released {
            lab.ask(release(POOL, GATEWAY)).unwrap();
        } else {
            for _hold in 0..2 {
                lab.ask(Request::ReleasePool(id(POOL))).unwrap();
                assert_eq!(lab.control.look(), [""; 0], "a network is left");
            }
            told.insert(0, "release 10.0.0.1 of 10.0.0.0/24");
        }
        lab.control.look();
        lab.ask(Request::ReleasePool(id(POOL))).unwrap();
        assert_eq!(lab.control.look(), told);
        assert_eq!(lab.try_ask(Request::ReleasePool(id(POOL))), Err(Kind::BadRequest));
    }
}

#[test]
fn an_undelivered_claim_may_be_made_again() {
    let lab = Lab::new();
    lab.ask(global()).unwrap();
    lab.mount.begin_session();
    let claim = lab.ask(global()).unwrap();
    lab.mount.undo(claim.receipt.unwrap());
    assert_eq!(lab.try_ask(global()), Ok(POOL.into()));
}

#[test]
fn a_request_belongs_to_the_session_it_was_made_in() {
    let lab = Lab::new();
    lab.ask(global()).unwrap();
    let (go, _first) = lab.hold(POOL);
    let before = lab.submit(global());
    lab.mount.begin_session();
    let after = lab.submit(global());
    drop(go);
    assert_eq!(before.recv().unwrap(), Err(Kind::Forbidden));
    assert_eq!(after.recv().unwrap(), Ok(POOL.into()));
}
