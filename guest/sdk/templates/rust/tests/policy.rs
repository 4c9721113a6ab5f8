//! What the policy promises, row by row. Runs natively: `cargo test`.

use driver::MyDriver;
use ipam_driver::{
    AddressRequest, Code, Driver, Error, Family, IpNet, Options, PoolChoice, PoolRequest, names,
};

fn driver() -> MyDriver {
    MyDriver::new("{}").unwrap()
}

fn prefix(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn pool(driver: &mut MyDriver, pool: PoolChoice, exclude: &[&str]) -> Result<String, Code> {
    let request = PoolRequest {
        address_space: MyDriver::NAME.into(),
        pool,
        sub_pool: None,
        options: Options::new(),
        exclude: exclude.iter().copied().map(prefix).collect(),
    };
    driver.request_pool(request).map(|grant| grant.pool_id).map_err(|error| error.code())
}

fn take(driver: &mut MyDriver, exact: &str, sub_pool: Option<&str>) -> Result<String, Code> {
    let request = PoolRequest {
        address_space: MyDriver::NAME.into(),
        pool: PoolChoice::Exact(prefix(exact)),
        sub_pool: sub_pool.map(prefix),
        options: Options::new(),
        exclude: Vec::new(),
    };
    driver.request_pool(request).map(|grant| grant.pool_id).map_err(|error| error.code())
}

fn lease(driver: &mut MyDriver, id: &str, address: Option<&str>) -> Result<String, Code> {
    request(driver, id, address, Options::new())
}

fn gateway(driver: &mut MyDriver, id: &str) -> Result<String, Code> {
    let key = names::REQUEST_ADDRESS_TYPE.to_owned();
    request(driver, id, None, Options::from([(key, names::GATEWAY.to_owned())]))
}

fn request(
    driver: &mut MyDriver,
    id: &str,
    address: Option<&str>,
    options: Options,
) -> Result<String, Code> {
    let address = address.map(|text| text.parse().unwrap());
    let request = AddressRequest { pool_id: id.into(), address, options };
    let grant = driver.request_address(request).map_err(|error| error.code())?;
    Ok(grant.address.unwrap().to_string())
}

#[test]
fn automatic_pools_are_the_lowest_free_ones() {
    let (ipv4, ipv6) = (Family::Ipv4, Family::Ipv6);
    let mut driver = driver();
    for (choice, exclude, want) in [
        (PoolChoice::Automatic(ipv4), &[][..], Ok("10.64.0.0/24")),
        (PoolChoice::Automatic(ipv4), &["10.64.1.0/24"], Ok("10.64.2.0/24")),
        (PoolChoice::Automatic(ipv4), &["0.0.0.0/0"], Err(Code::NoMoreSubnets)),
        (PoolChoice::Sized(ipv4, 22), &[], Ok("10.64.4.0/22")),
        (PoolChoice::Sized(ipv4, 15), &[], Err(Code::InvalidPool)),
        (PoolChoice::Sized(ipv4, 16), &[], Err(Code::NoMoreSubnets)),
        (PoolChoice::Sized(ipv4, 33), &[], Err(Code::InvalidPool)),
        (PoolChoice::Automatic(ipv6), &[], Ok("fd64::/64")),
        (PoolChoice::Sized(ipv6, 128), &[], Ok("fd64:0:0:1::/128")),
    ] {
        let got = pool(&mut driver, choice, exclude);
        assert_eq!(got, want.map(str::to_owned), "{choice:?} without {exclude:?}");
    }
    assert_eq!(driver.release_pool("10.64.0.0/24"), Ok(()));
    assert_eq!(driver.release_pool("10.64.0.0/24"), Err(Code::PoolNotFound.into()));
    let again = pool(&mut driver, PoolChoice::Automatic(ipv4), &[]);
    assert_eq!(again.as_deref(), Ok("10.64.0.0/24"));
}

#[test]
fn pools_by_name_must_be_free() {
    let mut driver = driver();
    assert_eq!(take(&mut driver, "192.0.2.0/24", None).as_deref(), Ok("192.0.2.0/24"));
    for taken in ["192.0.2.0/24", "192.0.2.128/25", "192.0.0.0/16"] {
        assert_eq!(take(&mut driver, taken, None), Err(Code::PoolOverlap), "{taken}");
    }
    assert_eq!(take(&mut driver, "0.0.0.0/0", None), Err(Code::InvalidPool));
}

#[test]
fn addresses_are_leased_once() {
    let mut driver = driver();
    let id = &take(&mut driver, "192.0.2.0/29", None).unwrap();
    assert_eq!(lease(&mut driver, id, None).as_deref(), Ok("192.0.2.1/29"));
    assert_eq!(gateway(&mut driver, id).as_deref(), Ok("192.0.2.6/29"));
    for (address, want) in [
        ("192.0.2.3", Ok("192.0.2.3/29")),
        ("192.0.2.3", Err(Code::IpAlreadyAllocated)),
        ("192.0.2.0", Err(Code::IpAlreadyAllocated)),
        ("192.0.2.7", Err(Code::IpAlreadyAllocated)),
        ("192.0.2.8", Err(Code::IpOutOfRange)),
        ("2001:db8::1", Err(Code::IpOutOfRange)),
    ] {
        let got = lease(&mut driver, id, Some(address));
        assert_eq!(got, want.map(str::to_owned), "{address}");
    }
    for want in
        [Ok("192.0.2.2/29"), Ok("192.0.2.4/29"), Ok("192.0.2.5/29"), Err(Code::NoAvailableIps)]
    {
        assert_eq!(lease(&mut driver, id, None), want.map(str::to_owned));
    }
    let address = "192.0.2.3".parse().unwrap();
    assert_eq!(driver.release_address(id, address), Ok(()));
    assert_eq!(driver.release_address(id, address), Ok(()), "twice");
    let outside = driver.release_address(id, "192.0.2.9".parse().unwrap());
    assert_eq!(outside, Err(Code::IpOutOfRange.into()));
    assert_eq!(lease(&mut driver, id, None).as_deref(), Ok("192.0.2.3/29"));
    assert_eq!(lease(&mut driver, "unknown", None), Err(Code::PoolNotFound));
}

#[test]
fn small_pools_have_no_reserved_addresses() {
    for (pool, want) in [
        ("192.0.2.0/30", &["192.0.2.1/30", "192.0.2.2/30"][..]),
        ("192.0.2.0/31", &["192.0.2.0/31", "192.0.2.1/31"]),
        ("192.0.2.1/32", &["192.0.2.1/32"]),
        ("255.255.255.254/31", &["255.255.255.254/31", "255.255.255.255/31"]),
        ("2001:db8::/126", &["2001:db8::1/126", "2001:db8::2/126", "2001:db8::3/126"]),
        ("2001:db8::/127", &["2001:db8::/127", "2001:db8::1/127"]),
        ("2001:db8::1/128", &["2001:db8::1/128"]),
    ] {
        let mut driver = driver();
        let id = take(&mut driver, pool, None).unwrap();
        for address in want {
            assert_eq!(lease(&mut driver, &id, None).as_deref(), Ok(*address), "{pool}");
        }
        assert_eq!(lease(&mut driver, &id, None), Err(Code::NoAvailableIps), "{pool}");
    }
}

#[test]
fn a_sub_pool_is_where_automatic_addresses_come_from() {
    let mut driver = driver();
    for wrong in ["192.0.3.0/25", "192.0.0.0/16"] {
        let got = take(&mut driver, "192.0.2.0/24", Some(wrong));
        assert_eq!(got, Err(Code::InvalidSubPool), "{wrong}");
    }
    let id = take(&mut driver, "192.0.2.0/24", Some("192.0.2.128/31")).unwrap();
    assert_eq!(id, "192.0.2.0/24/192.0.2.128/31");
    for want in [Ok("192.0.2.128/24"), Ok("192.0.2.129/24"), Err(Code::NoAvailableIps)] {
        assert_eq!(lease(&mut driver, &id, None), want.map(str::to_owned));
    }
    assert_eq!(lease(&mut driver, &id, Some("192.0.2.9")).as_deref(), Ok("192.0.2.9/24"));
}

#[test]
fn the_operator_says_where_pools_come_from() {
    let mut driver = MyDriver::new(r#"{"ipv4": "10.9.0.0/24", "ipv6": "2001:db8::/64"}"#).unwrap();
    let ipv4 = pool(&mut driver, PoolChoice::Automatic(Family::Ipv4), &[]);
    assert_eq!(ipv4.as_deref(), Ok("10.9.0.0/24"));
    let ipv6 = pool(&mut driver, PoolChoice::Automatic(Family::Ipv6), &[]);
    assert_eq!(ipv6.as_deref(), Ok("2001:db8::/64"));
    for wrong in [
        "",
        r#"{"ipv4": 4}"#,
        r#"{"ipv5": "10.0.0.0/8"}"#,
        r#"{"ipv4": "10.0.0.1/8"}"#,
        r#"{"ipv4": "10.0.0.0/25"}"#,
        r#"{"ipv4": "fd64::/48"}"#,
        r#"{"ipv4": "0.0.0.0/0"}"#,
    ] {
        let code = MyDriver::new(wrong).as_ref().map_err(Error::code).err();
        assert_eq!(code, Some(Code::InvalidRequest), "{wrong}");
    }
}
