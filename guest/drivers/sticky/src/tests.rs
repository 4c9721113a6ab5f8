//! Who gets which address, on a pool of six.

use crate::Policy;
use ipam_driver::{
    AddressRequest, Code, Error, Options, PoolChoice, PoolRequest, SubnetStatus, names,
};
use ipam_pools::{Memory, PoolName};
use std::net::IpAddr;

mod property;

const POOL: &str = "LocalDefault/10.0.0.0/29";
const SUB_POOL: &str = "LocalDefault/10.0.0.0/29/10.0.0.4/30";
const LARGE: (usize, usize) = (1 << 20, 1000);

fn policy(config: &str, store: Memory) -> Policy<Memory> {
    let mut policy = Policy::new(config, store).unwrap();
    for id in [POOL, SUB_POOL] {
        assert_eq!(policy.request_pool(&pool(id)).unwrap().pool_id, id);
    }
    policy
}

fn fresh() -> Policy<Memory> {
    policy("{}", Memory::new(LARGE.0, LARGE.1))
}

fn pool(id: &str) -> PoolRequest {
    let name = PoolName::parse(id).unwrap();
    PoolRequest {
        address_space: name.scope.name().into(),
        pool: PoolChoice::Exact(name.pool),
        sub_pool: name.sub_pool,
        options: Options::new(),
        exclude: Vec::new(),
    }
}

fn request(id: &str, who: &str, address: Option<&str>) -> AddressRequest {
    let mut options = Options::new();
    if !who.is_empty() {
        options.insert(names::ENDPOINT_NAME.into(), who.into());
    }
    let address = address.map(|address| address.parse().unwrap());
    AddressRequest { pool_id: id.into(), address, options }
}

/// The last number of the address that somebody gets; "" is nobody.
fn lease(policy: &mut Policy<Memory>, request: &AddressRequest) -> Result<u8, Error> {
    let address = policy.request_address(request)?.address.unwrap();
    assert_eq!(address.prefix_len(), 29);
    match address.addr() {
        IpAddr::V4(address) => Ok(address.octets()[3]),
        IpAddr::V6(address) => panic!("{address}"),
    }
}

#[track_caller]
fn gets(policy: &mut Policy<Memory>, who: &str, want: u8) {
    assert_eq!(lease(policy, &request(POOL, who, None)), Ok(want), "{who}");
}

#[track_caller]
fn gets_named(policy: &mut Policy<Memory>, who: &str, address: &str) {
    assert!(lease(policy, &request(POOL, who, Some(address))).is_ok(), "{who} {address}");
}

#[track_caller]
fn release(policy: &mut Policy<Memory>, last: u8) {
    policy.release_address(POOL, IpAddr::from([10, 0, 0, last])).unwrap();
}

fn store(policy: &mut Policy<Memory>) -> &mut Memory {
    policy.reservations().parts().1
}

/// A new instance, to which nothing is replayed but the pools.
fn again(policy: &mut Policy<Memory>) -> Policy<Memory> {
    self::policy("{}", store(policy).clone())
}

#[test]
fn who_comes_back_gets_the_address_it_had() {
    let mut policy = fresh();
    gets(&mut policy, "web", 1);
    gets(&mut policy, "db", 2);
    release(&mut policy, 1);
    gets(&mut policy, "cache", 3);
    gets(&mut policy, "", 4);
    gets(&mut policy, "web", 1);
    release(&mut policy, 1);
    release(&mut policy, 2);
    let mut policy = again(&mut policy);
    gets(&mut policy, "", 4);
    gets(&mut policy, "db", 2);
    gets(&mut policy, "web", 1);
}

#[test]
fn reservations_outlive_the_pool() {
    let mut policy = fresh();
    gets(&mut policy, "web", 1);
    release(&mut policy, 1);
    policy.release_pool(POOL).unwrap();
    policy.release_pool(SUB_POOL).unwrap();
    policy.request_pool(&pool(POOL)).unwrap();
    gets(&mut policy, "db", 2);
    gets(&mut policy, "web", 1);
}

#[test]
fn who_asks_by_name_gets_it_and_has_it_from_then_on() {
    let mut policy = fresh();
    gets(&mut policy, "web", 1);
    release(&mut policy, 1);
    gets_named(&mut policy, "web", "10.0.0.3");
    release(&mut policy, 3);
    gets(&mut policy, "db", 1);
    gets(&mut policy, "web", 3);
    release(&mut policy, 3);
    // It passes to whom it was given by name.
    gets_named(&mut policy, "cache", "10.0.0.3");
    gets(&mut policy, "web", 2);
    release(&mut policy, 3);
    gets(&mut policy, "cache", 3);
    let taken = lease(&mut policy, &request(POOL, "web", Some("10.0.0.3"))).unwrap_err();
    assert_eq!(taken.code(), Code::IpAlreadyAllocated);
}

#[test]
fn who_has_no_name_changes_no_reservation() {
    let mut policy = fresh();
    gets(&mut policy, "web", 1);
    release(&mut policy, 1);
    gets_named(&mut policy, "", "10.0.0.1");
    release(&mut policy, 1);
    gets(&mut policy, "", 2);
    gets(&mut policy, "web", 1);
    release(&mut policy, 1);
    // But whoever comes while it is leased moves.
    gets_named(&mut policy, "", "10.0.0.1");
    gets(&mut policy, "web", 3);
    release(&mut policy, 1);
    release(&mut policy, 3);
    gets(&mut policy, "web", 3);
}

#[test]
fn a_gateway_is_given_no_reservation() {
    let mut policy = fresh();
    let mut gateway = request(POOL, "web", None);
    gateway.options.insert(names::REQUEST_ADDRESS_TYPE.into(), names::GATEWAY.into());
    assert_eq!(lease(&mut policy, &gateway), Ok(1));
    release(&mut policy, 1);
    assert!(store(&mut policy).entries().is_empty());
}

#[test]
fn in_a_full_pool_the_reservation_that_is_free_the_longest_is_taken() {
    let mut policy = fresh();
    for (who, last) in [("a", 1), ("b", 2), ("c", 3), ("d", 4), ("e", 5), ("f", 6)] {
        gets(&mut policy, who, last);
    }
    for last in [5, 2, 3] {
        release(&mut policy, last);
    }
    let status = SubnetStatus { ips_in_use: 5, dynamic_ips_available: 3 };
    assert_eq!(policy.status(POOL), Ok(status), "what is reserved can be had");
    gets(&mut policy, "new", 5);
    gets(&mut policy, "", 2);
    gets(&mut policy, "b", 3);
    for who in ["c", ""] {
        let full = lease(&mut policy, &request(POOL, who, None)).unwrap_err();
        assert_eq!(full.code(), Code::NoAvailableIps, "{who}");
    }
}

#[test]
fn a_network_with_a_sub_pool_stays_in_it() {
    let mut policy = fresh();
    let sub_pool = |who, address| request(SUB_POOL, who, address);
    assert_eq!(lease(&mut policy, &sub_pool("web", Some("10.0.0.1"))), Ok(1));
    release(&mut policy, 1);
    // By name it was outside.
    assert_eq!(lease(&mut policy, &sub_pool("web", None)), Ok(4));
    // The same name in another network is somebody else.
    gets(&mut policy, "web", 1);
    for last in [5, 6] {
        assert_eq!(lease(&mut policy, &sub_pool("", None)), Ok(last));
    }
    release(&mut policy, 1);
    let full = lease(&mut policy, &sub_pool("", None)).unwrap_err();
    assert_eq!(full.code(), Code::NoAvailableIps, "10.0.0.1 is not of the sub-pool");
}

#[test]
fn without_room_the_reservation_free_for_the_longest_time_is_dropped_and_nobody_refused() {
    let two_keys = Memory::new(LARGE.0, 2);
    let few_bytes = Memory::new(150, LARGE.1);
    for (config, store) in [
        ("{}", two_keys),
        ("{}", few_bytes),
        (r#"{"max-reservations": 2}"#, Memory::new(LARGE.0, LARGE.1)),
    ] {
        let mut policy = policy(config, store);
        gets(&mut policy, "a", 1);
        gets(&mut policy, "b", 2);
        release(&mut policy, 2);
        release(&mut policy, 1);
        gets(&mut policy, "c", 3);
        let kept: Vec<&str> =
            self::store(&mut policy).entries().keys().map(String::as_str).collect();
        assert_eq!(
            kept,
            ["LocalDefault/10.0.0.0/29/10.0.0.1", "LocalDefault/10.0.0.0/29/10.0.0.3"]
        );
        gets(&mut policy, "a", 1);
        // All are in use: it gets an address, and no reservation.
        gets(&mut policy, "d", 2);
        release(&mut policy, 2);
        gets(&mut policy, "", 2);
        gets(&mut policy, "d", 4);
    }
}

#[test]
fn a_store_that_became_smaller_refuses_no_release() {
    let mut policy = fresh();
    for (who, last) in [("a", 1), ("b", 2), ("c", 3)] {
        gets(&mut policy, who, last);
    }
    store(&mut policy).resize(0, 0);
    for last in [1, 2, 3] {
        release(&mut policy, last);
    }
    assert!(store(&mut policy).entries().is_empty());
    gets(&mut policy, "c", 1);
    gets(&mut policy, "b", 2);
}

#[test]
fn replay_writes_nothing_and_is_answered_as_it_was() {
    let mut policy = fresh();
    gets(&mut policy, "web", 1);
    gets(&mut policy, "db", 2);
    release(&mut policy, 1);
    gets_named(&mut policy, "", "10.0.0.1");
    let mut policy = again(&mut policy);
    let writes = store(&mut policy).writes;
    for (who, address) in [("db", "10.0.0.2"), ("", "10.0.0.1"), ("unknown", "10.0.0.5")] {
        let mut request = request(POOL, who, Some(address));
        request.options.insert(names::REPLAY.into(), names::REPLAY_AUTOMATIC.into());
        let granted = policy.request_address(&request).unwrap().address.unwrap();
        assert_eq!(granted.to_string(), format!("{address}/29"));
    }
    assert_eq!(store(&mut policy).writes, writes);
    release(&mut policy, 1);
    gets(&mut policy, "web", 1);
}

#[test]
fn what_is_no_reservation_in_the_store_is_left_alone() {
    use ipam_pools::Store as _;
    let mut memory = Memory::new(LARGE.0, LARGE.1);
    for (key, value) in [
        ("x", "1 - endpoint web"),
        ("LocalDefault/10.0.0.0/29/10.0.0.1", "what"),
        ("LocalDefault/10.0.0.0/29/10.0.0.7", "1 - endpoint web"),
        ("LocalDefault/10.0.0.0/29/10.0.0.2", "18446744073709551615 - endpoint db"),
        ("LocalDefault/10.0.0.0/29/10.0.0.3", "1 - endpoint db"),
        ("LocalDefault/10.0.0.0/29/10.0.0.4", "2 - endpoint db"),
    ] {
        memory.set(key, value.as_bytes()).unwrap();
    }
    let mut policy = policy("{}", memory);
    gets(&mut policy, "web", 1);
    gets(&mut policy, "db", 3);
    gets(&mut policy, "", 2);
    assert_eq!(store(&mut policy).entries().len(), 6);
}

#[test]
fn a_configuration_that_is_not_understood_is_refused_by_key() {
    for (config, words) in [
        (r#"{"max-reservations": 0}"#, "max-reservations must be from 1 to 200000"),
        (r#"{"max-reservations": -1}"#, "max-reservations: invalid value"),
        (r#"{"keys": ["mac"]}"#, "unknown field `keys`"),
        (r#"{"default-address-pools": [{"base": "x", "size": 24}]}"#, "is not a prefix"),
    ] {
        let error = Policy::new(config, Memory::new(0, 0)).unwrap_err();
        assert_eq!(error.code(), Code::InvalidRequest, "{config}");
        assert!(error.text().contains(words), "{config}: {error}");
    }
}

#[test]
fn mac_addresses_are_asked_for_where_they_are_looked_at() {
    use ipam_driver::Driver as _;
    for (config, wants) in [("{}", true), (r#"{"key": ["endpoint"]}"#, false)] {
        let registrations = crate::Sticky::registrations(config).unwrap();
        let capability = registrations[0].capability;
        assert_eq!(capability.requires_mac_address, wants, "{config}");
        assert!(capability.requires_request_replay);
    }
}
