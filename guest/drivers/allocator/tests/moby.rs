//! moby's own tables, played against our allocator. Each test is named after the Go test
//! it comes from, in `daemon/libnetwork/ipams/defaultipam` unless it says otherwise.
#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

mod transcript;

use ipam_allocator::{Allocator, Choice, Error, Family, LOCAL, Predefined};
use ipnet::IpNet;
use transcript::play;

/// `allocator_test.go`, `TestAddSubnets`.
#[test]
fn add_subnets() {
    play(
        "pool LocalDefault 10.0.0.0/8 -> LocalDefault/10.0.0.0/8
pool GlobalDefault 10.0.0.0/8 -> GlobalDefault/10.0.0.0/8
pool LocalDefault 10.0.0.0/8 -> ! invalid pool request: Pool overlaps with other one on this address space
pool LocalDefault 10.128.0.0/9 -> ! invalid pool request: Pool overlaps with other one on this address space
pool LocalDefault 10.0.0.0/8 sub=10.128.0.0/9 -> LocalDefault/10.0.0.0/8/10.128.0.0/9
pool LocalDefault 10.0.0.0/8 sub=10.128.0.0/9 -> ! invalid pool request: Pool overlaps with other one on this address space
pool LocalDefault 10.20.2.0/24 -> ! invalid pool request: Pool overlaps with other one on this address space
pool LocalDefault 1003:1:2:3:4:5:6::/112 -> LocalDefault/1003:1:2:3:4:5:6:0/112
pool LocalDefault 1003:1:2:3::/64 -> ! invalid pool request: Pool overlaps with other one on this address space",
    );
}

/// `allocator_test.go`, `TestDoublePoolRelease` and `TestAddReleasePoolID`.
#[test]
fn add_release_pool_id() {
    play(
        "pool LocalDefault 10.0.0.0/8 -> LocalDefault/10.0.0.0/8
release-pool LocalDefault/10.0.0.0/8 -> ok
release-pool LocalDefault/10.0.0.0/8 -> ! address space does not contain specified address pool
pool LocalDefault 10.0.0.0/8 -> LocalDefault/10.0.0.0/8
pool LocalDefault 10.0.0.0/8 sub=10.0.0.0/16 -> LocalDefault/10.0.0.0/8/10.0.0.0/16
release-pool LocalDefault/10.0.0.0/8/10.0.0.0/16 -> ok
pool LocalDefault 10.0.0.0/8 -> ! invalid pool request: Pool overlaps with other one on this address space
release-pool LocalDefault/10.0.0.0/8 -> ok
pool LocalDefault 10.0.0.0/8 sub=10.0.0.0/16 -> LocalDefault/10.0.0.0/8/10.0.0.0/16
release-pool LocalDefault/10.0.0.0/8/10.0.0.0/16 -> ok
pool LocalDefault 10.0.0.0/8 -> LocalDefault/10.0.0.0/8",
    );
}

/// `allocator_test.go`, `TestPredefinedPoolWithPreferredSubnetSize`, as far as its
/// requests can be typed.
#[test]
fn predefined_pool_with_preferred_subnet_size() {
    play(
        "pool LocalDefault 0.0.0.0/24 -> LocalDefault/172.17.0.0/24
pool LocalDefault any -> LocalDefault/172.18.0.0/16
pool LocalDefault 0.0.0.0/25 -> LocalDefault/172.17.1.0/25",
    );
}

/// `allocator_test.go`, `TestRemoveSubnet` and `TestGetSameAddress`.
#[test]
fn get_same_address() {
    play(
        "pool LocalDefault 192.168.100.0/24 -> LocalDefault/192.168.100.0/24
address LocalDefault/192.168.100.0/24 192.168.100.250 -> 192.168.100.250/24
address LocalDefault/192.168.100.0/24 192.168.100.250 -> ! Address already in use
pool GlobalDefault 2001:db8::/64 -> GlobalDefault/2001:db8::/64
release-pool GlobalDefault/2001:db8::/64 -> ok
release-pool LocalDefault/192.168.100.0/24 -> ok",
    );
}

/// `allocator_test.go`, `TestRequestFromSamePool` (moby issue 46756).
#[test]
fn request_from_same_pool() {
    play(
        "pool LocalDefault 10.0.0.0/8 sub=10.10.0.0/16 -> LocalDefault/10.0.0.0/8/10.10.0.0/16
pool LocalDefault 10.0.0.0/8 sub=10.10.0.0/16 -> ! invalid pool request: Pool overlaps with other one on this address space
pool LocalDefault 10.0.0.0/8 sub=10.10.0.0/17 -> LocalDefault/10.0.0.0/8/10.10.0.0/17
pool LocalDefault 10.0.0.0/8 sub=10.11.0.0/16 -> LocalDefault/10.0.0.0/8/10.11.0.0/16",
    );
}

/// `allocator_test.go`, `TestGetAddressSubPoolEqualPool`.
#[test]
fn get_address_sub_pool_equal_pool() {
    play(
        "pool LocalDefault 172.18.0.0/16 sub=172.18.0.0/16 -> LocalDefault/172.18.0.0/16/172.18.0.0/16
address LocalDefault/172.18.0.0/16/172.18.0.0/16 -> 172.18.0.1/16",
    );
}

/// `allocator_test.go`, `TestRequestReleaseAddressFromSubPool`.
#[test]
fn request_release_address_from_sub_pool() {
    play(
        "pool LocalDefault 172.28.0.0/16 sub=172.28.30.0/24 -> LocalDefault/172.28.0.0/16/172.28.30.0/24
fill LocalDefault/172.28.0.0/16/172.28.30.0/24 -> 256 172.28.30.0/16 172.28.30.255/16 full
release LocalDefault/172.28.0.0/16/172.28.30.0/24 172.28.30.97 -> ok
address LocalDefault/172.28.0.0/16/172.28.30.0/24 -> 172.28.30.97/16
pool LocalDefault 10.0.0.0/8 sub=10.0.0.0/16 -> LocalDefault/10.0.0.0/8/10.0.0.0/16
pool LocalDefault 10.0.0.0/16 sub=10.0.0.0/24 -> LocalDefault/10.0.0.0/16/10.0.0.0/24
fill LocalDefault/10.0.0.0/16/10.0.0.0/24 -> 255 10.0.0.1/16 10.0.0.255/16 full
release LocalDefault/10.0.0.0/16/10.0.0.0/24 10.0.0.79 -> ok
address LocalDefault/10.0.0.0/16/10.0.0.0/24 -> 10.0.0.79/16
fresh
pool LocalDefault 10.2.0.0/16 sub=10.2.2.0/24 -> LocalDefault/10.2.0.0/16/10.2.2.0/24
address LocalDefault/10.2.0.0/16/10.2.2.0/24 10.2.2.1 -> 10.2.2.1/16
address LocalDefault/10.2.0.0/16/10.2.2.0/24 -> 10.2.2.0/16
address LocalDefault/10.2.0.0/16/10.2.2.0/24 -> 10.2.2.2/16
release LocalDefault/10.2.0.0/16/10.2.2.0/24 10.2.2.0 -> ok
address LocalDefault/10.2.0.0/16/10.2.2.0/24 -> 10.2.2.0/16
release LocalDefault/10.2.0.0/16/10.2.2.0/24 10.2.2.1 -> ok
address LocalDefault/10.2.0.0/16/10.2.2.0/24 -> 10.2.2.1/16",
    );
}

/// `allocator_test.go`, `TestSerializeRequestReleaseAddressFromSubPool`.
#[test]
fn serialize_request_release_address_from_sub_pool() {
    play(
        "pool LocalDefault 172.28.0.0/16 sub=172.28.30.0/24 -> LocalDefault/172.28.0.0/16/172.28.30.0/24
fill LocalDefault/172.28.0.0/16/172.28.30.0/24 serial -> 256 172.28.30.0/16 172.28.30.255/16 full
release LocalDefault/172.28.0.0/16/172.28.30.0/24 172.28.30.97 -> ok
address LocalDefault/172.28.0.0/16/172.28.30.0/24 serial -> 172.28.30.97/16
fresh
pool LocalDefault 10.2.0.0/16 sub=10.2.2.0/24 -> LocalDefault/10.2.0.0/16/10.2.2.0/24
address LocalDefault/10.2.0.0/16/10.2.2.0/24 10.2.2.1 serial -> 10.2.2.1/16
address LocalDefault/10.2.0.0/16/10.2.2.0/24 serial -> 10.2.2.0/16
address LocalDefault/10.2.0.0/16/10.2.2.0/24 serial -> 10.2.2.2/16
release LocalDefault/10.2.0.0/16/10.2.2.0/24 10.2.2.0 -> ok
address LocalDefault/10.2.0.0/16/10.2.2.0/24 serial -> 10.2.2.3/16
release LocalDefault/10.2.0.0/16/10.2.2.0/24 10.2.2.1 -> ok
address LocalDefault/10.2.0.0/16/10.2.2.0/24 serial -> 10.2.2.4/16",
    );
}

/// `allocator_test.go`, `TestRequestSyntaxCheck`, as far as its requests can be typed.
#[test]
fn request_syntax_check() {
    play(
        "pool \"\" any => ! invalid address space
release-pool \"\" -> ! invalid pool id: 
pool LocalDefault 192.168.0.0/16 -> LocalDefault/192.168.0.0/16
address \"\" -> ! invalid pool id: 
address LocalDefault/192.168.0.0/16 172.17.0.23 -> ! requested address is out of range
address LocalDefault/192.168.0.0/16 192.168.0.50 -> 192.168.0.50/16
release \"\" 192.168.0.50 -> ! invalid pool id: 
release LocalDefault/192.168.0.0/16 172.17.0.23 -> ! requested address is out of range
release LocalDefault/192.168.0.0/16 192.168.0.50 -> ok",
    );
}

/// `allocator_test.go`, `TestRequest`: the address that the so-manieth request gets.
#[test]
fn request() {
    for (pool, count, want) in [
        ("192.168.59.0/24", 254, "192.168.59.254/24"),
        ("192.168.240.0/20", 255, "192.168.240.255/20"),
        ("192.168.0.0/16", 255, "192.168.0.255/16"),
        ("192.168.0.0/16", 256, "192.168.1.0/16"),
        ("10.16.0.0/16", 255, "10.16.0.255/16"),
        ("10.128.0.0/12", 255, "10.128.0.255/12"),
        ("10.0.0.0/8", 256, "10.0.1.0/8"),
        ("192.168.128.0/18", 1023, "192.168.131.255/18"),
    ] {
        let (mut allocator, id) = with_pool(pool);
        let mut next = || allocator.request_address(&id, None, false).unwrap();
        for _ in 1..count {
            next();
        }
        assert_eq!(next().to_string(), want, "address {count} of {pool}");
    }
}

/// `allocator_test.go`, `TestOverlappingRequests`. An unspecified address makes a
/// request a wish for a size, which needs predefined pools that no row overlaps.
#[test]
fn overlapping_requests() {
    const BASES: [&str; 2] = ["172.16.0.0/12:16", "2001:db8::/48:64"];
    for (held, asked, is_granted) in [
        ("10.0.0.0/8", "11.0.0.0/8", true),
        ("74.0.0.0/7", "9.111.99.72/30", true),
        ("0.0.0.0/16", "0.0.0.0/16", true),
        ("16.182.0.0/15", "16.182.0.0/16", false),
        ("64.0.0.0/6", "64.0.0.0/3", false),
        ("96.0.0.0/3", "0.0.0.0/1", false),
        ("95.0.0.0/8", "92.0.0.0/6", false),
        ("10.0.0.0/8", "10.0.0.0/6", false),
        ("25.173.144.0/20", "25.173.143.0/16", false),
        ("::/0", "::/0", true),
        ("f000::/4", "::/0", true),
        ("f656::/0", "f656:bdd9:d20:3f25:88c4:1d36:9b1a:6ba0/123", false),
        ("8000::/1", "8fe8:e7c4:5779::/49", false),
        ("f656::/20", "f656::/16", false),
        ("c000::/2", "8000::/1", false),
        ("7c00::/6", "::/1", false),
        ("cf80::/9", "c000::/4", false),
        ("ff77:93f8::/29", "ff77:93f7::/28", false),
    ] {
        let local = BASES.map(transcript::predefined).to_vec();
        let mut allocator = Allocator::new(local, vec![]).unwrap();
        let mut request = |text: &str| {
            let family = if text.contains(':') { "v6" } else { "" };
            let choice = transcript::choice(&["pool", LOCAL, text, family]);
            allocator.request_pool(LOCAL, choice, &[])
        };
        request(held).unwrap();
        assert_eq!(request(asked).is_ok(), is_granted, "{held}, then {asked}");
    }
}

/// `allocator_test.go`, `TestUnusualSubnets`.
#[test]
fn unusual_subnets() {
    play(
        "pool LocalDefault 192.168.0.2/31 -> LocalDefault/192.168.0.2/31
address LocalDefault/192.168.0.2/31 192.168.0.1 -> ! requested address is out of range
address LocalDefault/192.168.0.2/31 192.168.0.4 -> ! requested address is out of range
address LocalDefault/192.168.0.2/31 192.168.0.100 -> ! requested address is out of range
fill LocalDefault/192.168.0.2/31 -> 2 192.168.0.2/31 192.168.0.3/31 full",
    );
}

/// `allocator_test.go`, `TestRelease`: of a full pool, what was released is what is next.
#[test]
fn release() {
    let (mut allocator, id) = with_pool("192.168.0.0/23");
    while allocator.request_address(&id, None, false).is_ok() {}
    for offset in [1, 2, 3, 4, 5, 9, 20, 62, 63, 64, 127, 128, 200, 254, 255, 256, 300, 509, 510] {
        let address = std::net::Ipv4Addr::from_bits((192 << 24 | 168 << 16) + offset).into();
        allocator.release_address(&id, address).unwrap();
        assert_eq!(allocator.request_address(&id, None, false).unwrap().addr(), address);
        assert_eq!(allocator.request_address(&id, None, false), Err(Error::NoAvailableIps));
    }
}

/// `allocator_test.go`, `TestGetAddress`: every address of pools of every size is given,
/// in order, and then no more.
#[test]
fn get_address() {
    for len in 16..=31 {
        let pool: IpNet = format!("10.0.0.0/{len}").parse().unwrap();
        let (mut allocator, id) = with_pool(&pool.to_string());
        for host in pool.hosts() {
            let address = allocator.request_address(&id, None, false).unwrap();
            assert_eq!((address.addr(), address.prefix_len()), (host, len));
        }
        assert_eq!(allocator.request_address(&id, None, false), Err(Error::NoAvailableIps));
    }
}

/// `parallel_test.go`, `TestRequestPoolParallel`: a driver serves one call at a time, so
/// the order is part of the promise.
#[test]
fn request_pool_parallel() {
    let predefined = Predefined { base: "10.0.0.0/10".parse().unwrap(), size: 24 };
    let mut allocator = Allocator::new(vec![predefined], vec![]).unwrap();
    let mut next = || allocator.request_pool(LOCAL, Choice::Automatic(Family::V4), &[]);
    for want in predefined.base.subnets(24).unwrap() {
        assert_eq!(next().unwrap().prefix, want);
    }
    assert_eq!(next(), Err(Error::NoMoreSubnets));
}

/// `address_space_test.go`, `TestDynamicPoolAllocation`: predefined pools, size, held
/// pools, excluded prefixes and what an automatic request gets. Held pools overlap here,
/// as sub-pools make them. In the last rows moby's base has host bits, which no public
/// call leaves in it; here it has none.
#[test]
fn dynamic_pool_allocation() {
    let check = |predefined: &str, size, held: &str, exclude: &str, want: &str| {
        let local = predefined.split(' ').map(transcript::predefined).collect();
        let mut allocator = Allocator::new(local, vec![]).unwrap();
        for pool in prefixes(held) {
            let choice = Choice::Exact { pool, sub_pool: Some(pool) };
            let answer = allocator.request_pool(LOCAL, choice, &[]);
            assert!(matches!(answer, Ok(_) | Err(Error::PoolOverlap)));
        }
        let choice = Choice::Sized(Family::V4, size);
        let answer = allocator.request_pool(LOCAL, choice, &prefixes(exclude));
        let got = answer.map_or_else(|error| error.to_string(), |pool| pool.prefix.to_string());
        assert_eq!(got, want, "{predefined} size {size}, {held} held, {exclude} excluded");
    };
    let no_more = "all predefined address pools have been fully subnetted";
    let invalid = "invalid address pool";
    let (p24, p10) = ("192.168.0.0/16:24", "10.0.0.0/8:24 192.168.0.0/16:24");
    let p20 = "10.20.0.0/16:24 192.168.0.0/16:24";
    let p22 = "10.20.0.0/22:24 192.168.0.0/16:24";
    let p15 = "172.16.0.0/15:16 192.168.0.0/16:24";
    let p23 = "172.16.0.0/15:16 192.168.0.0/23:24";
    check(p24, 0, "192.168.255.0/24", "", "192.168.0.0/24");
    check(p10, 0, "10.0.0.0/8", "10.0.0.0/7", "192.168.0.0/24");
    check(p20, 0, "10.0.0.0/8 192.168.128.0/24", "", "192.168.0.0/24");
    check(p20, 0, "10.0.0.0/8 192.168.128.0/24 192.168.0.0/24", "", "192.168.1.0/24");
    let three = "10.20.0.0/24 10.20.1.0/24 10.20.2.0/24";
    check(p22, 0, &format!("{three} 192.168.128.0/24"), "10.20.3.0/24", "192.168.0.0/24");
    check(p20, 0, "10.20.0.0/17 10.20.128.0/17", "200.1.2.0/24", "192.168.0.0/24");
    check(p22, 0, &format!("{three} 10.20.3.0/24"), "10.20.3.0/24", "192.168.0.0/24");
    let run = "192.168.0.0/24 192.168.1.0/24";
    check(p24, 0, &format!("{run} 192.168.2.0/23 192.168.4.3/30"), "", "192.168.5.0/24");
    let hosts = "10.0.0.0/32 100.0.0.0/32 200.0.0.0/32";
    check("10.0.0.0/31:31 192.168.0.0/16:24", 0, hosts, "", "192.168.0.0/24");
    let excluded = "192.168.2.4/30 192.168.3.0/30 192.168.4.0/23";
    check(p24, 0, &format!("{run} 192.168.2.3/30"), excluded, "192.168.6.0/24");
    check(p24, 0, "192.168.0.0/24", "192.168.0.0/24", "192.168.1.0/24");
    check(p10, 0, "10.0.0.0/24", "192.168.0.0/24", "10.0.1.0/24");
    let nested = "10.0.0.0/8:24 10.0.0.0/16:24 10.10.0.0/16:24 192.168.0.0/16:24";
    check(nested, 0, "", "10.0.0.0/8", "192.168.0.0/24");
    check("172.16.0.0/15:16", 0, "172.16.0.0/16", "", "172.17.0.0/16");
    check(p15, 0, "172.16.0.0/16 172.17.0.0/17", "", "192.168.0.0/24");
    check("172.16.0.0/15:16", 0, "172.16.0.0/16 172.17.0.0/17", "", no_more);
    let both = "172.16.0.0/16 172.17.0.0/16";
    check("172.16.0.0/15:16", 0, &format!("{both} 192.168.0.0/24"), "", no_more);
    check("172.16.0.0/15:16", 0, both, "192.168.0.0/24", no_more);
    check(p23, 0, &format!("{both} {run}"), "", no_more);
    let touched = "172.16.0.0/16 172.17.128.0/17 192.168.0.1/32 192.168.1.0/24";
    check(p23, 0, touched, "", no_more);
    check(p23, 0, "172.16.0.0/16 172.17.128.0/17 172.17.128.0/17", "", "192.168.0.0/24");
    let many = "172.16.0.0/16 172.16.120.0/24 172.17.128.0/17 172.17.128.0/24 172.17.128.0/17";
    check(p23, 0, many, "", "192.168.0.0/24");
    check("172.16.0.0/12:16", 24, "", "", "172.16.0.0/24");
    check("172.16.0.0/12:20", 16, "", "", "172.16.0.0/16");
    check("172.16.0.0/12:20", 150, "", "", invalid);
    check("172.16.0.0/12:16", 24, "172.16.0.0/20", "", "172.16.16.0/24");
    check("172.16.0.0/12:16", 24, "172.16.0.0/20 172.17.0.0/20", "", "172.16.16.0/24");
    check("172.16.0.0/12:16", 0, "172.16.0.0/24", "", "172.17.0.0/16");
    check("172.16.0.0/12:24 10.0.0.0/12:20", 20, "", "", "10.0.0.0/20");
    check("172.16.0.0/24:24 172.17.0.0/20:24 10.0.0.0/24:24", 16, "", "", invalid);
    check("172.16.0.0/12:16", 33, "", "", invalid);
}

/// `address_space_test.go`, `TestPoolAllocateAndRelease` (moby issue 48069).
#[test]
fn pool_allocate_and_release() {
    play(
        "pool LocalDefault any not=172.17.0.0/16 -> LocalDefault/172.18.0.0/16
pool LocalDefault any not=172.17.0.0/16 -> LocalDefault/172.19.0.0/16
release-pool LocalDefault/172.18.0.0/16 -> ok
pool LocalDefault any not=172.17.0.0/16 -> LocalDefault/172.18.0.0/16
pool LocalDefault any not=172.17.0.0/16 -> LocalDefault/172.20.0.0/16
release-pool LocalDefault/172.19.0.0/16 -> ok
release-pool LocalDefault/172.18.0.0/16 -> ok
pool LocalDefault any -> LocalDefault/172.17.0.0/16
pool LocalDefault any -> LocalDefault/172.18.0.0/16
pool LocalDefault any -> LocalDefault/172.19.0.0/16
pool LocalDefault any -> LocalDefault/172.21.0.0/16",
    );
}

/// `internal/addrset/addrset_test.go`, through pools.
#[test]
fn addrset() {
    play(
        "pool LocalDefault 10.20.30.40/16 sub=10.20.30.40/24 -> LocalDefault/10.20.0.0/16/10.20.30.0/24
address LocalDefault/10.20.0.0/16/10.20.30.0/24 -> 10.20.30.0/16
address LocalDefault/10.20.0.0/16 -> 10.20.0.1/16
release LocalDefault/10.20.0.0/16 10.20.30.44 -> ok
pool LocalDefault fddd::dddd/56 sub=fddd:0:0:f0::/60 -> LocalDefault/fddd::/56/fddd:0:0:f0::/60
address LocalDefault/fddd::/56 fddd::ff:ffff:ffff:ffff:ffff -> fddd::ff:ffff:ffff:ffff:ffff/56
address LocalDefault/fddd::/56/fddd:0:0:f0::/60 -> fddd:0:0:f0::/56
address LocalDefault/fddd::/56 -> fddd::1/56
status LocalDefault/fddd::/56 -> 4 18446744073709551615",
    );
}

/// `internal/addrset/addrset.go`: a bitmap has at most 2^63 addresses and a cursor of its
/// own, which goes with its last address (reference, sections 2.5 and 2.6).
#[test]
fn addrset_cursors() {
    play(
        "pool LocalDefault fd00::/64 sub=fd00::8000:0:0:0/65 -> LocalDefault/fd00::/64/fd00::8000:0:0:0/65
address LocalDefault/fd00::/64 serial -> fd00::1/64
address LocalDefault/fd00::/64/fd00::8000:0:0:0/65 serial -> fd00::8000:0:0:0/64
address LocalDefault/fd00::/64/fd00::8000:0:0:0/65 serial -> fd00::8000:0:0:1/64
release LocalDefault/fd00::/64 fd00::1 -> ok
address LocalDefault/fd00::/64 serial -> fd00::2/64
release LocalDefault/fd00::/64 fd00::8000:0:0:0 -> ok
address LocalDefault/fd00::/64/fd00::8000:0:0:0/65 serial -> fd00::8000:0:0:2/64
release LocalDefault/fd00::/64 fd00::8000:0:0:1 -> ok
release LocalDefault/fd00::/64 fd00::8000:0:0:2 -> ok
address LocalDefault/fd00::/64/fd00::8000:0:0:0/65 serial -> fd00::8000:0:0:0/64
address LocalDefault/fd00::/64 serial -> fd00::3/64",
    );
}

/// `integration/networking`, `TestMacvlanIPAMOverlap`: three networks share one set.
#[test]
fn macvlan_ipam_overlap() {
    play(
        "pool LocalDefault 192.168.0.0/24 sub=192.168.0.0/25 -> LocalDefault/192.168.0.0/24/192.168.0.0/25
pool LocalDefault 192.168.0.0/24 sub=192.168.0.0/24 -> LocalDefault/192.168.0.0/24/192.168.0.0/24
pool LocalDefault 192.168.0.0/24 sub=192.168.0.128/25 -> LocalDefault/192.168.0.0/24/192.168.0.128/25
address LocalDefault/192.168.0.0/24/192.168.0.0/25 -> 192.168.0.1/24
address LocalDefault/192.168.0.0/24/192.168.0.0/24 -> 192.168.0.2/24
status LocalDefault/192.168.0.0/24/192.168.0.0/25 -> 4 125
status LocalDefault/192.168.0.0/24/192.168.0.0/24 -> 4 252
status LocalDefault/192.168.0.0/24/192.168.0.128/25 -> 4 127
address LocalDefault/192.168.0.0/24/192.168.0.0/25 -> 192.168.0.3/24
status LocalDefault/192.168.0.0/24/192.168.0.0/25 -> 5 124
status LocalDefault/192.168.0.0/24/192.168.0.0/24 -> 5 251
status LocalDefault/192.168.0.0/24/192.168.0.128/25 -> 5 127",
    );
}

/// `libnetwork_internal_test.go`, `TestIpamReleaseOnNetDriverFailures`: what a failed
/// network held is there for the next.
#[test]
fn ipam_release_on_net_driver_failures() {
    play(
        "pool LocalDefault 10.34.0.0/16 -> LocalDefault/10.34.0.0/16
address LocalDefault/10.34.0.0/16 10.34.255.254 -> 10.34.255.254/16
release LocalDefault/10.34.0.0/16 10.34.255.254 -> ok
release-pool LocalDefault/10.34.0.0/16 -> ok
pool LocalDefault 10.34.0.0/16 -> LocalDefault/10.34.0.0/16
address LocalDefault/10.34.0.0/16 10.34.255.254 -> 10.34.255.254/16
pool LocalDefault 10.35.0.0/16 -> LocalDefault/10.35.0.0/16
address LocalDefault/10.35.0.0/16 -> 10.35.0.1/16",
    );
}

fn with_pool(prefix: &str) -> (Allocator, String) {
    let mut allocator = Allocator::new(vec![], vec![]).unwrap();
    let choice = Choice::Exact { pool: prefix.parse().unwrap(), sub_pool: None };
    let id = allocator.request_pool(LOCAL, choice, &[]).unwrap().id;
    (allocator, id)
}

fn prefixes(list: &str) -> Vec<IpNet> {
    list.split_whitespace().map(|text| text.parse().unwrap()).collect()
}
