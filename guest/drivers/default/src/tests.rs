//! The shell: configuration in, the contract's names out. What is granted and
//! in which order is tested where it is decided, in `ipam-allocator`.

use super::Default;
use ipam_driver::{
    AddressRequest, Code, Driver, Error, Family, Kind, Options, PoolChoice, PoolRequest, Status,
    SubnetStatus,
};
use std::collections::BTreeSet;

fn driver(config: &str) -> Default {
    Default::new(config).unwrap()
}

fn request(space: &str, pool: PoolChoice, sub_pool: Option<&str>) -> PoolRequest {
    PoolRequest {
        address_space: space.into(),
        pool,
        sub_pool: sub_pool.map(|sub_pool| sub_pool.parse().unwrap()),
        options: Options::new(),
        exclude: Vec::new(),
    }
}

fn exact(pool: &str) -> PoolChoice {
    PoolChoice::Exact(pool.parse().unwrap())
}

fn lease(pool_id: &str, address: Option<&str>) -> AddressRequest {
    AddressRequest {
        pool_id: pool_id.into(),
        address: address.map(|address| address.parse().unwrap()),
        options: Options::new(),
    }
}

/// Asks for any pool under `config` and compares its id.
#[track_caller]
fn check_first(config: &str, space: &str, family: Family, want: &str) {
    let grant = driver(config).request_pool(request(space, PoolChoice::Automatic(family), None));
    assert_eq!(grant.unwrap().pool_id, want, "{config}");
}

#[track_caller]
fn check_bad_config(config: &str, words: &str) {
    let error = Default::new(config).unwrap_err();
    assert_eq!(error.code(), Code::InvalidRequest, "{config}");
    assert!(error.text().contains(words), "{config}: {error}");
}

#[test]
fn without_configuration_the_pools_are_dockers() {
    check_first("{}", "LocalDefault", Family::Ipv4, "LocalDefault/172.17.0.0/16");
    check_first("{}", "GlobalDefault", Family::Ipv4, "GlobalDefault/10.0.0.0/24");
}

#[test]
fn configured_pools_replace_the_list_entirely() {
    let local = r#"{"default-address-pools": [{"base": "10.1.0.0/16", "size": 24}]}"#;
    check_first(local, "LocalDefault", Family::Ipv4, "LocalDefault/10.1.0.0/24");
    check_first(local, "GlobalDefault", Family::Ipv4, "GlobalDefault/10.0.0.0/24");
    let global = r#"{"global-address-pools": [{"base": "10.9.0.0/16", "size": 20}]}"#;
    check_first(global, "LocalDefault", Family::Ipv4, "LocalDefault/172.17.0.0/16");
    check_first(global, "GlobalDefault", Family::Ipv4, "GlobalDefault/10.9.0.0/20");
}

#[test]
fn a_site_has_its_own_ipv6_pools() {
    // The vector of moby's daemon_test.go.
    let site = r#"{"site-id": "499d4bc0-b0b3-416f-b1ee-cf6486315593"}"#;
    check_first(site, "LocalDefault", Family::Ipv6, "LocalDefault/fd62:fb69:18af::/64");
    let configured =
        r#"{"site-id": "x", "default-address-pools": [{"base": "fd00:1::/48", "size": 64}]}"#;
    check_first(configured, "LocalDefault", Family::Ipv6, "LocalDefault/fd00:1::/64");
    let mapped = r#"{"site-id": "499d4bc0-b0b3-416f-b1ee-cf6486315593",
        "default-address-pools": [{"base": "::ffff:10.0.0.0/104", "size": 120}]}"#;
    check_first(mapped, "LocalDefault", Family::Ipv6, "LocalDefault/fd62:fb69:18af::/64");
}

#[test]
fn without_a_site_id_there_are_no_ipv6_pools() {
    let any = request("LocalDefault", PoolChoice::Automatic(Family::Ipv6), None);
    assert_eq!(driver("{}").request_pool(any).unwrap_err().code(), Code::InvalidPool);
}

#[test]
fn a_configuration_that_is_not_understood_is_refused_by_key() {
    check_bad_config(r#"{"default-adress-pools": []}"#, "`default-adress-pools`");
    check_bad_config(
        r#"{"default-address-pools": [{"base": "10.0.0.0/8", "size": 24, "x": 1}]}"#,
        "`x`",
    );
    check_bad_config(
        r#"{"default-address-pools": [{"base": "10.0.0.0", "size": 24}]}"#,
        r#"default-address-pools: base "10.0.0.0" is not a prefix"#,
    );
    // Eight to some, and ten to others.
    check_bad_config(
        r#"{"default-address-pools": [{"base": "010.0.0.0/8", "size": 24}]}"#,
        r#"default-address-pools: base "010.0.0.0/8" is not a prefix"#,
    );
    check_bad_config(
        r#"{"global-address-pools": [{"base": "10.0.0.0/24", "size": 16}]}"#,
        "global address space: network at index 0 (&{10.0.0.0/24 16}) has a smaller prefix",
    );
    check_bad_config(
        r#"{"default-address-pools": [{"base": "10.0.0.0/8", "size": 0}]}"#,
        "is not in canonical form",
    );
    check_bad_config(r#"{"site-id": ""}"#, "site-id is empty");
    check_bad_config("not JSON", "config: ");
}

#[test]
fn refusals_have_the_contracts_names_and_the_references_words() {
    let mut driver = driver("{}");
    let any = PoolChoice::Automatic(Family::Ipv4);
    let mut pool = |space, pool, sub_pool| {
        driver.request_pool(request(space, pool, sub_pool)).map(|grant| grant.pool_id)
    };
    let refused = |code, text: &str| Err(Error::new(code, text));
    let overlap = "invalid pool request: Pool overlaps with other one on this address space";
    let families = "pool and subpool are of incompatible address families";
    assert_eq!(
        pool("LocalDefault", exact("10.0.0.0/30"), None).unwrap(),
        "LocalDefault/10.0.0.0/30"
    );
    for (got, want) in [
        (pool("x", any, None), refused(Code::InvalidAddressSpace, "cannot find address space x")),
        (pool("", any, None), refused(Code::InvalidAddressSpace, "invalid address space")),
        (pool("LocalDefault", exact("10.0.0.0/8"), None), refused(Code::PoolOverlap, overlap)),
        (
            pool("LocalDefault", PoolChoice::Sized(Family::Ipv4, 33), None),
            refused(Code::InvalidPool, "invalid address pool"),
        ),
        (
            pool("LocalDefault", any, Some("10.0.0.0/8")),
            refused(Code::InvalidSubPool, "invalid address subpool"),
        ),
        (
            pool("LocalDefault", exact("10.0.0.0/8"), Some("11.0.0.0/16")),
            refused(Code::InvalidSubPool, "invalid address subpool"),
        ),
        (
            pool("LocalDefault", exact("10.0.0.0/8"), Some("fd00::/64")),
            refused(Code::InvalidSubPool, families),
        ),
    ] {
        assert_eq!(got, want);
    }

    let id = "LocalDefault/10.0.0.0/30";
    for (pool_id, address, code, text) in [
        ("x", None, Code::InvalidRequest, "invalid pool id: x"),
        (
            "LocalDefault/10.9.0.0/16",
            None,
            Code::Other(Kind::NotFound),
            "cannot find address pool for ",
        ),
        (id, Some("10.0.0.4"), Code::IpOutOfRange, "requested address is out of range"),
        (id, Some("10.0.0.3"), Code::IpAlreadyAllocated, "Address already in use"),
    ] {
        let refusal = driver.request_address(lease(pool_id, address)).unwrap_err();
        assert_eq!(refusal.code(), code, "{pool_id} {address:?}");
        assert!(refusal.text().starts_with(text), "{refusal}");
    }
    for want in ["10.0.0.1/30", "10.0.0.2/30"] {
        let grant = driver.request_address(lease(id, None)).unwrap();
        assert_eq!(grant.address.unwrap().to_string(), want);
    }
    let full = Err(Error::new(Code::NoAvailableIps, "no available addresses on this pool"));
    assert_eq!(driver.request_address(lease(id, None)), full);
    assert_eq!(driver.release_pool(id), Ok(()));
    let gone = "address space does not contain specified address pool";
    assert_eq!(driver.release_pool(id), Err(Error::new(Code::BadPool, gone)));
}

#[test]
fn serial_allocation_reuses_a_released_address_late() {
    let mut driver = driver("{}");
    let id =
        driver.request_pool(request("LocalDefault", exact("10.1.0.0/24"), None)).unwrap().pool_id;
    let mut serial = lease(&id, None);
    serial.options.insert("com.docker.network.ipam.serial".into(), "true".into());
    let next = |driver: &mut Default, request: &AddressRequest| {
        driver.request_address(request.clone()).unwrap().address.unwrap().to_string()
    };
    assert_eq!(next(&mut driver, &serial), "10.1.0.1/24");
    assert_eq!(next(&mut driver, &serial), "10.1.0.2/24");
    driver.release_address(&id, "10.1.0.1".parse().unwrap()).unwrap();
    assert_eq!(next(&mut driver, &serial), "10.1.0.3/24");
    assert_eq!(next(&mut driver, &lease(&id, None)), "10.1.0.1/24");
}

#[test]
fn status_counts_reserved_addresses_as_used() {
    let mut driver = driver("{}");
    let request = request("LocalDefault", exact("10.0.0.0/16"), Some("10.0.1.0/24"));
    let id = driver.request_pool(request).unwrap().pool_id;
    assert_eq!(id, "LocalDefault/10.0.0.0/16/10.0.1.0/24");
    driver.request_address(lease(&id, None)).unwrap();
    let status = SubnetStatus { ips_in_use: 3, dynamic_ips_available: 255 };
    assert_eq!(driver.pool_status(&id), Ok(status));
    let unknown = driver.pool_status("LocalDefault/10.9.0.0/16").unwrap_err();
    assert_eq!(unknown.code(), Code::Other(Kind::NotFound));
}

#[test]
fn every_difference_is_a_test_and_a_row_of_the_readme() {
    let tests = concat!(
        include_str!("../../allocator/tests/differences.rs"),
        "#[test]\nfn an_ipv4_mapped_base_means_the_ipv4_one()",
        "#[test]\nfn without_a_site_id_there_are_no_ipv6_pools()",
    );
    let tests: BTreeSet<&str> = tests
        .split("#[test]\nfn ")
        .skip(1)
        .filter_map(|test| test.split_once('(').map(|(name, _)| name))
        .collect();
    let (_, section) = include_str!("../README.md").split_once("## Deliberate").unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| ")).skip(1);
    let named: Vec<Option<&str>> =
        rows.map(|row| row.split('`').find(|word| tests.contains(word))).collect();
    assert_eq!(named.len(), tests.len(), "one row for each test");
    assert_eq!(named.into_iter().flatten().collect::<BTreeSet<_>>(), tests);
}
