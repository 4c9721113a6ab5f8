//! The gateway that comes with a pool.

use super::harness::{Harness, Twist, granted, host, lease, leased, limits, pool, release};
use ipam_api::{Capability, Kind, names};
use ipam_ledger::MemoryStore;

const POOL: &str = "10.0.0.0/24";

fn with_gateway(gateway: &str) -> Twist {
    let Twist::Pool(Ok(mut grant)) = granted(POOL, POOL) else { panic!() };
    grant.data.insert(names::GATEWAY.into(), gateway.into());
    Twist::Pool(Ok(grant))
}

/// A plugin that has forgotten its gateway and leases it is not told to free
/// it: it would lease it again and again.
#[test]
fn a_driver_that_leases_its_gateway_is_left_in_that_belief() {
    let harness = Harness::with(Box::new(MemoryStore::default()), Capability::default(), limits());
    harness.control.twist(with_gateway("10.0.0.9/24"));
    harness.ask(pool(POOL)).unwrap();
    harness.control.look();
    harness.control.twist(leased(Some("10.0.0.9/24")));
    harness.control.twist(leased(Some("10.0.0.2/24")));
    assert_eq!(harness.try_ask(lease(POOL)), Ok(host(2)), "it is asked for the next one");
    let calls = harness.control.look();
    assert!(!calls.contains(&"start".to_owned()), "it is not broken: {calls:?}");
    assert!(!calls.iter().any(|call| call.starts_with("release")), "{calls:?}");
}

#[test]
fn a_pool_with_a_bad_gateway_is_given_back_to_a_driver_that_keeps_it_elsewhere() {
    let harness = Harness::with(Box::new(MemoryStore::default()), Capability::default(), limits());
    harness.control.twist(with_gateway("10.0.1.9/24"));
    assert_eq!(harness.try_ask(pool(POOL)), Err(Kind::Internal));
    harness.ask(pool("10.7.0.0/24")).unwrap();
    let calls = harness.control.look();
    assert!(calls.contains(&format!("release {POOL}")), "{calls:?}");
}

#[test]
fn a_release_of_a_gateway_is_a_success_that_no_driver_hears_of() {
    let harness = Harness::new();
    harness.control.twist(with_gateway("10.0.0.9/24"));
    harness.ask(pool(POOL)).unwrap();
    harness.control.look();
    assert_eq!(harness.try_ask(release(POOL, "10.0.0.9")), Ok("released".into()));
    assert_eq!(harness.control.look(), [""; 0]);
}
