//! A driver that lies: its caller hears of an internal error, nothing of the
//! lie is recorded, and a new instance serves the next request.

use super::harness::{
    Harness, Twist, any_pool, granted, host, id, lease, lease_of, leased, pool, pool_request,
    release,
};
use ipam_api::{
    Answer, Code, Error, Failure, Family, IpNet, Kind, PoolChoice, PoolRequest, Request,
};

/// Asks for something that the driver answers with `lie`.
#[track_caller]
fn check(request: Request, lie: Twist) {
    let harness = Harness::new();
    harness.ask(pool("10.0.0.0/24")).unwrap();
    harness.ask(lease("10.0.0.0/24")).unwrap();
    harness.control.look();
    harness.control.twist(lie);
    let failure = harness.ask(request.clone()).unwrap_err();
    assert!(matches!(failure, Failure::Broken { .. }), "{failure:?}");
    assert_eq!(failure.contract(), Error::from(Code::IpamInternalError));
    let again = ["start", "pool 10.0.0.0/24 again", "address 10.0.0.1 of 10.0.0.0/24 again"];
    assert_eq!(harness.try_ask(lease("10.0.0.0/24")), Ok(host(2)), "after {request:?}");
    let calls = harness.control.look();
    assert_eq!(calls[1..4], again, "after {request:?}");
}

#[test]
fn a_pool_id_that_means_something_else() {
    check(any_pool(), granted("10.0.0.0/24", "10.9.0.0/24"));
}

#[test]
fn a_pool_that_was_not_asked_for() {
    check(pool("10.7.0.0/24"), granted("new", "10.8.0.0/24"));
    check(any_pool(), granted("new", "fd00::/64"));
    let sized = pool_request(PoolChoice::Sized(Family::Ipv4, 20));
    check(Request::Pool(sized), granted("new", "10.8.0.0/24"));
}

#[test]
fn an_automatic_pool_that_overlaps_a_live_one() {
    check(any_pool(), granted("new", "10.0.0.0/8"));
}

#[test]
fn an_address_outside_its_pool_or_of_another_length() {
    check(lease("10.0.0.0/24"), leased(Some("10.1.0.9/24")));
    check(lease("10.0.0.0/24"), leased(Some("10.0.0.9/32")));
}

#[test]
fn an_address_that_somebody_holds() {
    check(lease("10.0.0.0/24"), leased(Some("10.0.0.1/24")));
}

#[test]
fn an_address_that_was_not_the_one_asked_for() {
    check(lease_of("10.0.0.0/24", "10.0.0.7"), leased(Some("10.0.0.8/24")));
    check(lease_of("10.0.0.0/24", "10.0.0.7"), leased(None));
}

#[test]
fn what_the_ledger_knows_better_never_reaches_the_driver() {
    let harness = Harness::new();
    harness.ask(pool("10.0.0.0/24")).unwrap();
    harness.ask(lease("10.0.0.0/24")).unwrap();
    harness.control.look();
    let refused = |request: Request, kind: Kind, text: &str| {
        let error = harness.ask(request).unwrap_err().contract();
        assert_eq!((error.kind(), error.to_string().as_str()), (kind, text));
    };
    let unknown = "cannot find address pool for poolID:nowhere";
    let out_of_range = Code::IpOutOfRange.engine_text();
    refused(lease("nowhere"), Kind::NotFound, unknown);
    refused(Request::Status(id("nowhere")), Kind::NotFound, unknown);
    refused(release("nowhere", "10.0.0.1"), Kind::NotFound, unknown);
    refused(Request::ReleasePool(id("nowhere")), Kind::BadRequest, Code::BadPool.engine_text());
    refused(lease_of("10.0.0.0/24", "10.1.0.1"), Kind::BadRequest, out_of_range);
    refused(lease_of("10.0.0.0/24", "fd00::1"), Kind::BadRequest, out_of_range);
    refused(release("10.0.0.0/24", "fd00::1"), Kind::BadRequest, out_of_range);
    refused(lease_of("10.0.0.0/24", "10.0.0.1"), Kind::Forbidden, Code::IpAlreadyAllocated.text());
    assert_eq!(harness.try_ask(release("10.0.0.0/24", "10.0.0.99")), Ok("released".into()));
    assert_eq!(harness.control.look(), [""; 0]);
}

#[test]
fn no_pool_may_be_granted_again_and_leases_nothing() {
    let harness = Harness::new();
    for _ in 0..2 {
        harness.control.twist(granted("none", "0.0.0.0/0"));
        assert_eq!(harness.try_ask(any_pool()), Ok("0.0.0.0/0".into()));
    }
    harness.control.twist(leased(None));
    assert_eq!(harness.try_ask(lease("none")), Ok("none".into()));
    harness.control.twist(leased(Some("10.0.0.1/0")));
    assert_eq!(harness.try_ask(lease("none")), Err(Kind::Internal));
}

fn avoiding(exclude: &[&str]) -> Request {
    let exclude = exclude.iter().map(|text| text.parse::<IpNet>().unwrap()).collect();
    Request::Pool(PoolRequest { exclude, ..pool_request(PoolChoice::Automatic(Family::Ipv4)) })
}

#[test]
fn pools_that_meet_what_is_excluded_are_passed_over_and_given_back() {
    let harness = Harness::new();
    assert_eq!(
        harness.try_ask(avoiding(&["10.0.0.0/24", "10.0.1.128/25"])),
        Ok("10.0.2.0/24".into())
    );
    let calls = harness.control.look();
    let want = ["pool any", "pool any", "pool any", "release 10.0.0.0/24", "release 10.0.1.0/24"];
    assert_eq!(calls, want);
    assert_eq!(harness.try_ask(any_pool()), Ok("10.0.0.0/24".into()));
}

#[test]
fn a_driver_is_asked_again_only_so_often() {
    let harness = Harness::new();
    assert_eq!(
        harness.ask(avoiding(&["10.0.0.0/8"])).unwrap_err(),
        Failure::from(Code::NoAvailablePool)
    );
    let calls = harness.control.look();
    assert_eq!(calls.iter().filter(|call| *call == "pool any").count(), 1 + 64);
    assert_eq!(calls.iter().filter(|call| call.starts_with("release")).count(), 1 + 64);
    assert_eq!(harness.try_ask(any_pool()), Ok("10.0.0.0/24".into()));
}

#[test]
fn a_driver_that_runs_out_while_it_avoids_has_no_available_pool() {
    let harness = Harness::new();
    harness.control.twist(granted("first", "10.0.0.0/24"));
    harness.control.twist(Twist::Pool(Err(Code::NoMoreSubnets.into())));
    let refused = harness.ask(avoiding(&["10.0.0.0/24"])).unwrap_err();
    assert_eq!(refused, Failure::from(Code::NoAvailablePool));
}

#[test]
fn a_driver_that_ignores_what_it_holds_for_an_exclusion_is_caught() {
    let harness = Harness::new();
    harness.control.twist(granted("first", "10.0.0.0/24"));
    harness.control.twist(granted("second", "10.0.0.0/24"));
    assert_eq!(harness.try_ask(avoiding(&["10.0.0.0/24"])), Err(Kind::Internal));
    assert_eq!(harness.try_ask(any_pool()), Ok("10.0.0.0/24".into()));
}

#[test]
fn an_exact_pool_is_granted_whatever_is_excluded() {
    let harness = Harness::new();
    let exclude = vec!["10.0.0.0/8".parse().unwrap()];
    let exact = PoolChoice::Exact("10.3.0.0/24".parse().unwrap());
    let request = Request::Pool(PoolRequest { exclude, ..pool_request(exact) });
    let served = harness.ask(request).unwrap();
    assert!(matches!(served.answer, Answer::Pool(_)) && served.receipt.is_some());
}
