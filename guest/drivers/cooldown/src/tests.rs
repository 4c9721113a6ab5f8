//! Which address is leased again and when, on a pool of six. Times are seconds.

use crate::{Moment, Policy};
use ipam_driver::{
    AddressRequest, Code, Error, Options, PoolChoice, PoolRequest, SubnetStatus, names,
};
use ipam_pools::{Memory, PoolName, Store as _};
use std::net::IpAddr;

mod property;

const POOL: &str = "LocalDefault/10.0.0.0/29";
const SUB_POOL: &str = "LocalDefault/10.0.0.0/29/10.0.0.4/30";
const TEN: &str = r#"{"rest": 10}"#;

fn memory() -> Memory {
    Memory::new(1 << 20, 1000)
}

fn policy(config: &str, store: Memory) -> Policy<Memory> {
    let mut policy = Policy::new(config, store).unwrap();
    for id in [POOL, SUB_POOL] {
        assert_eq!(policy.request_pool(&pool(id)).unwrap().pool_id, id);
    }
    policy
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

fn request(id: &str, address: Option<u8>) -> AddressRequest {
    let address = address.map(|last| IpAddr::from([10, 0, 0, last]));
    AddressRequest { pool_id: id.into(), address, options: Options::new() }
}

/// The last number of the address.
fn lease(policy: &mut Policy<Memory>, request: &AddressRequest, now: Moment) -> Result<u8, Error> {
    let address = policy.request_address(request, now * 1000)?.address.unwrap();
    assert_eq!(address.prefix_len(), 29);
    match address.addr() {
        IpAddr::V4(address) => Ok(address.octets()[3]),
        IpAddr::V6(address) => panic!("{address}"),
    }
}

#[track_caller]
fn gets(policy: &mut Policy<Memory>, now: Moment, want: u8) {
    assert_eq!(lease(policy, &request(POOL, None), now), Ok(want), "at {now}");
}

#[track_caller]
fn release(policy: &mut Policy<Memory>, now: Moment, last: u8) {
    policy.release_address(POOL, IpAddr::from([10, 0, 0, last]), now * 1000).unwrap();
}

#[test]
fn an_address_rests_before_it_is_leased_again() {
    let mut policy = policy(TEN, memory());
    gets(&mut policy, 100, 1);
    release(&mut policy, 100, 1);
    gets(&mut policy, 100, 2);
    gets(&mut policy, 109, 3);
    gets(&mut policy, 110, 1);
    assert!(policy.store().entries().is_empty());
}

#[test]
fn rests_are_remembered() {
    let mut first = policy(TEN, memory());
    gets(&mut first, 100, 1);
    gets(&mut first, 100, 2);
    release(&mut first, 101, 2);
    release(&mut first, 102, 1);
    let mut second = policy(TEN, first.store().clone());
    gets(&mut second, 103, 3);
    gets(&mut second, 111, 2);
    gets(&mut second, 112, 1);
}

#[test]
fn rests_outlive_the_pool() {
    let mut policy = policy(TEN, memory());
    gets(&mut policy, 100, 1);
    release(&mut policy, 100, 1);
    policy.release_pool(POOL).unwrap();
    policy.release_pool(SUB_POOL).unwrap();
    policy.request_pool(&pool(POOL)).unwrap();
    gets(&mut policy, 101, 2);
    gets(&mut policy, 110, 1);
}

#[test]
fn where_nothing_else_is_free_the_longest_rest_is_over() {
    let mut policy = policy(TEN, memory());
    for last in 1..=6 {
        gets(&mut policy, 100, last);
    }
    assert_eq!(
        lease(&mut policy, &request(POOL, None), 100).unwrap_err().code(),
        Code::NoAvailableIps
    );
    for (last, now) in [(5, 101), (2, 102), (6, 103)] {
        release(&mut policy, now, last);
    }
    let status = SubnetStatus { ips_in_use: 5, dynamic_ips_available: 3 };
    assert_eq!(policy.status(POOL), Ok(status), "what rests can be had");
    gets(&mut policy, 104, 5);
    assert_eq!(
        lease(&mut policy, &request(SUB_POOL, None), 104),
        Ok(6),
        "2 is not of the sub-pool"
    );
    let full = lease(&mut policy, &request(SUB_POOL, None), 104).unwrap_err();
    assert_eq!(full.code(), Code::NoAvailableIps);
    gets(&mut policy, 104, 2);
}

/// With so many addresses to spare, and one that is given back and one that is taken each
/// second, each rests for as many seconds: all that are to spare go before it.
#[test]
fn a_rest_is_as_long_as_the_pool_affords() {
    for spare in [1, 2, 3, 5] {
        let mut policy = policy(TEN, memory());
        let mut held: std::collections::VecDeque<u8> =
            (spare..6).map(|_| lease(&mut policy, &request(POOL, None), 0).unwrap()).collect();
        let mut released = std::collections::BTreeMap::new();
        for now in 1..40 {
            let gone = held.pop_front().unwrap();
            release(&mut policy, now, gone);
            released.insert(gone, now);
            let next = lease(&mut policy, &request(POOL, None), now).unwrap();
            held.push_back(next);
            if now > 6 {
                assert_eq!(now - released[&next], spare, "at {now}");
            }
        }
    }
}

#[test]
fn who_asks_by_name_does_not_wait() {
    let mut policy = policy(TEN, memory());
    assert_eq!(lease(&mut policy, &request(POOL, Some(3)), 100), Ok(3));
    release(&mut policy, 100, 3);
    assert_eq!(policy.store().entries().len(), 1);
    assert_eq!(lease(&mut policy, &request(POOL, Some(3)), 101), Ok(3));
    assert!(policy.store().entries().is_empty());
    let taken = lease(&mut policy, &request(POOL, Some(3)), 200).unwrap_err();
    assert_eq!(taken.code(), Code::IpAlreadyAllocated);
}

#[test]
fn a_gateway_does_not_rest_also_after_replay() {
    let mut gateway = request(POOL, None);
    gateway.options.insert(names::REQUEST_ADDRESS_TYPE.into(), names::GATEWAY.into());
    for is_replayed in [false, true] {
        let mut policy = policy(TEN, memory());
        if is_replayed {
            gateway.address = Some(IpAddr::from([10, 0, 0, 1]));
            gateway.options.insert(names::REPLAY.into(), names::REPLAY_AUTOMATIC.into());
        }
        assert_eq!(lease(&mut policy, &gateway, 100), Ok(1));
        release(&mut policy, 100, 1);
        gets(&mut policy, 100, 1);
        // Now it is somebody's.
        release(&mut policy, 100, 1);
        gets(&mut policy, 100, 2);
    }
}

#[test]
fn without_room_the_rest_that_began_first_ends_and_no_release_is_refused() {
    let two_keys = Memory::new(1 << 20, 2);
    let few_bytes = Memory::new(100, 1000);
    for (config, store) in
        [(TEN, two_keys), (TEN, few_bytes), (r#"{"rest": 10, "max-resting": 2}"#, memory())]
    {
        let mut policy = policy(config, store);
        for last in 1..=4 {
            gets(&mut policy, 100, last);
        }
        for (last, now) in [(2, 101), (1, 102), (3, 103)] {
            release(&mut policy, now, last);
        }
        assert_eq!(policy.store().entries().len(), 2, "{config}");
        gets(&mut policy, 104, 2);
        policy.store().resize(0, 0);
        release(&mut policy, 105, 4);
        assert!(policy.store().entries().is_empty(), "the others had to go for nothing");
        gets(&mut policy, 105, 1);
    }
}

#[test]
fn a_clock_that_is_set_back_makes_rests_longer_and_refuses_nobody() {
    let mut policy = policy(TEN, memory());
    for last in 1..=6 {
        gets(&mut policy, 100, last);
    }
    release(&mut policy, 100, 1);
    gets(&mut policy, 0, 1);
    release(&mut policy, 100, 1);
    release(&mut policy, 0, 2);
    gets(&mut policy, 10, 2);
    gets(&mut policy, 10, 1);
}

#[test]
fn replay_writes_nothing_and_is_answered_as_it_was() {
    let mut first = policy(TEN, memory());
    gets(&mut first, 100, 1);
    release(&mut first, 100, 1);
    let mut second = policy(TEN, first.store().clone());
    let writes = second.store().writes;
    for last in [2, 1] {
        let mut request = request(POOL, Some(last));
        request.options.insert(names::REPLAY.into(), names::REPLAY_AUTOMATIC.into());
        assert_eq!(lease(&mut second, &request, 50), Ok(last));
    }
    assert_eq!(second.store().writes, writes);
    gets(&mut second, 200, 3);
}

#[test]
fn what_does_not_rest_in_the_store_is_left_alone() {
    let mut memory = memory();
    for (key, value) in [
        ("x", "1"),
        ("LocalDefault/10.0.0.0/29/10.0.0.1", "soon"),
        ("LocalDefault/10.0.0.0/29/10.0.0.7", "1"),
        ("LocalDefault/10.0.0.0/29/10.0.0.2", "100000"),
    ] {
        memory.set(key, value.as_bytes()).unwrap();
    }
    let mut policy = policy(TEN, memory);
    gets(&mut policy, 100, 1);
    gets(&mut policy, 100, 3);
    gets(&mut policy, 110, 2);
    assert_eq!(policy.store().entries().len(), 3);
}

#[test]
fn a_configuration_that_is_not_understood_is_refused_by_key() {
    for (config, words) in [
        (r#"{"rest": 0}"#, "rest must be from 1 to 31622400 seconds"),
        (r#"{"rest": 31622401}"#, "rest must be from 1 to 31622400 seconds"),
        (r#"{"rest": "5m"}"#, "config: rest: invalid type"),
        (r#"{"max-resting": 200001}"#, "max-resting must be from 1 to 200000"),
        (r#"{"rests": 5}"#, "unknown field `rests`"),
    ] {
        let error = Policy::new(config, memory()).unwrap_err();
        assert_eq!(error.code(), Code::InvalidRequest, "{config}");
        assert!(error.text().contains(words), "{config}: {error}");
    }
}
