//! Where we differ from the reference, on purpose. Each test is named after its
//! difference; there are no others.
#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

mod transcript;

use ipam_allocator::{Allocator, Choice, Family, LOCAL, local_predefined, reserved};
use ipnet::IpNet;
use transcript::play;

/// Two defects of the reference, which remembers only the last prefix that was in its
/// way: a short one nested in a long one hides the long one.
#[test]
fn an_automatic_pool_is_the_lowest_free_one_and_never_overlaps() {
    play(
        "pool LocalDefault any -> LocalDefault/172.17.0.0/16
pool LocalDefault any -> LocalDefault/172.18.0.0/16
pool LocalDefault any -> LocalDefault/172.19.0.0/16
pool LocalDefault any -> LocalDefault/172.20.0.0/16
# the reference: LocalDefault/172.21.0.0/16
pool LocalDefault any not=172.20.0.0/15 => LocalDefault/172.22.0.0/16",
    );
    play(
        "pool LocalDefault 172.17.0.0/16 -> LocalDefault/172.17.0.0/16
pool LocalDefault 172.18.0.0/16 -> LocalDefault/172.18.0.0/16
pool LocalDefault 172.19.0.0/16 -> LocalDefault/172.19.0.0/16
pool LocalDefault 172.20.0.0/15 -> LocalDefault/172.20.0.0/15
pool LocalDefault 172.20.0.0/16 sub=172.20.1.0/24 -> LocalDefault/172.20.0.0/16/172.20.1.0/24
# the reference: LocalDefault/172.21.0.0/16
pool LocalDefault any => LocalDefault/172.22.0.0/16",
    );
}

#[test]
fn an_ipv6_slash_127_gives_two_addresses_and_a_slash_128_one() {
    play(
        "pool LocalDefault fd00:5::/127 v6 -> LocalDefault/fd00:5::/127
# the reference: 1 fd00:5::1/127 fd00:5::1/127 full
fill LocalDefault/fd00:5::/127 => 2 fd00:5::/127 fd00:5::1/127 full
pool LocalDefault fd00:6::1/128 v6 -> LocalDefault/fd00:6::1/128
# the reference: 0 - - full
fill LocalDefault/fd00:6::1/128 => 1 fd00:6::1/128 fd00:6::1/128 full",
    );
}

#[test]
fn a_reserved_address_cannot_be_released_into_circulation() {
    for prefix in ["192.0.2.0/24", "192.0.2.0/30", "2001:db8::/64", "2001:db8::/126"] {
        let mut allocator = Allocator::new(vec![], vec![]).unwrap();
        let pool: IpNet = prefix.parse().unwrap();
        let choice = Choice::Exact { pool, sub_pool: Some(pool) };
        let id = allocator.request_pool(LOCAL, choice, &[]).unwrap().id;
        for address in reserved(pool) {
            let before = allocator.status(&id).unwrap();
            allocator.release_address(&id, address).unwrap();
            assert_eq!(allocator.status(&id).unwrap(), before);
            assert!(allocator.request_address(&id, Some(address), false).is_err(), "{address}");
        }
    }
}

#[test]
fn a_sub_pool_outside_its_pool_is_refused() {
    play(
        "# the reference: LocalDefault/10.30.0.0/24/10.31.0.0/24
pool LocalDefault 10.30.0.0/24 sub=10.31.0.0/24 => ! invalid address subpool
# the reference: LocalDefault/10.30.0.0/24/10.30.0.0/24
pool LocalDefault 10.30.0.0/24 sub=10.31.0.0/16 => ! invalid address subpool
# Nothing was created by the refused ones.
pool LocalDefault 10.30.0.0/16 -> LocalDefault/10.30.0.0/16",
    );
}

#[test]
fn the_family_comes_from_the_prefix() {
    play(
        "pool LocalDefault fd01::/64 -> LocalDefault/fd01::/64
# the reference: ! cannot find address pool for poolID:fd01::/64/invalid Prefix
address LocalDefault/fd01::/64 => fd01::1/64
pool LocalDefault fd01::/80 v6 => ! invalid pool request: Pool overlaps with other one on this address space
release-pool LocalDefault/fd01::/64 => ok",
    );
}

/// The reference calls both an internal error.
#[test]
fn a_bad_pool_and_an_empty_address_space_are_bad_requests() {
    use ipam_allocator::Error;

    let mut allocator = Allocator::new(local_predefined(), vec![]).unwrap();
    let mut request = |space, choice| allocator.request_pool(space, choice, &[]);
    let empty = Err(Error::InvalidAddressSpace(String::new()));
    assert_eq!(request("", Choice::Automatic(Family::V4)), empty);
    assert_eq!(request(LOCAL, Choice::Sized(Family::V4, 33)), Err(Error::InvalidPool));
    assert_eq!(request(LOCAL, Choice::Sized(Family::V6, u8::MAX)), Err(Error::InvalidPool));
}
