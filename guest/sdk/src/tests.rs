//! What the constructors and readers of options say.

use crate::{
    AddressGrant, AddressRequest, Capability, Code, Driver, Error, Kind, Options, Registration,
    Replay, names,
};
use std::{net::IpAddr, string::ToString};

fn request(options: &[(&str, &str)]) -> AddressRequest {
    let options: Options =
        options.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    AddressRequest { pool_id: "pool".into(), address: None, options }
}

#[test]
fn only_the_exact_word_true_asks_for_serial_allocation() {
    for (value, serial) in [("true", true), ("TRUE", false), ("1", false), ("", false)] {
        let request = request(&[("com.docker.network.ipam.serial", value)]);
        assert_eq!(request.is_serial(), serial, "{value:?}");
    }
    assert!(!request(&[]).is_serial());
}

#[test]
fn a_gateway_is_known_by_its_address_type() {
    assert!(request(&[("RequestAddressType", "com.docker.network.gateway")]).is_gateway());
    assert!(!request(&[("RequestAddressType", "other")]).is_gateway());
    assert!(!request(&[("com.docker.network.gateway", "10.0.0.1/8")]).is_gateway());
}

#[test]
fn an_endpoint_is_told_by_mac_address_and_name() {
    let request = request(&[
        ("com.docker.network.endpoint.macaddress", "02:42:ac:11:00:02"),
        ("com.docker.network.endpoint.name", "web"),
    ]);
    assert_eq!(request.mac_address(), Some("02:42:ac:11:00:02"));
    assert_eq!(request.endpoint_name(), Some("web"));
}

#[test]
fn a_replayed_request_says_how_it_was_asked() {
    for (value, want) in [
        ("explicit", Replay::Explicit),
        ("automatic", Replay::Automatic),
        ("a later word", Replay::Explicit),
    ] {
        assert_eq!(request(&[("wipam.replay", value)]).replay(), Some(want), "{value}");
    }
    assert_eq!(request(&[]).replay(), None);
}

#[test]
fn an_error_shows_its_words_or_the_contracts() {
    let contract = "Address space does not contain specified address pool";
    assert_eq!(Error::from(Code::BadPool).to_string(), contract);
    assert_eq!(Error::from(Code::BadPool).text(), "");
    assert_eq!(Error::new(Code::BadPool, "no /9 here").to_string(), "no /9 here");
    let error = Error::other(Kind::NotFound, "gone");
    assert_eq!((error.code(), error.text()), (Code::Other(Kind::NotFound), "gone"));
}

/// As authors read them, in the order of `Code`.
#[test]
fn the_words_are_those_of_the_contract() {
    let named = [
        Code::IpamInternalError,
        Code::InvalidAddressSpace,
        Code::InvalidPool,
        Code::InvalidSubPool,
        Code::InvalidRequest,
        Code::PoolNotFound,
        Code::OverlapPool,
        Code::NoAvailablePool,
        Code::NoAvailableIps,
        Code::NoIpReturned,
        Code::IpAlreadyAllocated,
        Code::IpOutOfRange,
        Code::PoolOverlap,
        Code::BadPool,
        Code::NoMoreSubnets,
    ];
    let documented = include_str!("../../../wit/README.md")
        .lines()
        .filter(|line| line.starts_with("| `Err"))
        .filter_map(|line| line.split('|').map(str::trim).nth(4));
    assert!(documented.eq(named.map(Code::text)));
}

/// The least that a driver must say.
struct Least;

crate::export!(Least);

impl Driver for Least {
    const NAME: &'static str = "least";

    fn new(config: &str) -> Result<Self, Error> {
        if config == "{}" { Ok(Self) } else { Err(Error::new(Code::InvalidRequest, config)) }
    }

    fn default_address_spaces(&mut self) -> Result<crate::AddressSpaces, Error> {
        Ok(crate::AddressSpaces::new("local", "global"))
    }

    fn request_pool(&mut self, _request: crate::PoolRequest) -> Result<crate::PoolGrant, Error> {
        Err(Code::NoAvailablePool.into())
    }

    fn release_pool(&mut self, _pool_id: &str) -> Result<(), Error> {
        Ok(())
    }

    fn request_address(&mut self, _request: AddressRequest) -> Result<AddressGrant, Error> {
        Ok(AddressGrant::without_address())
    }

    fn release_address(&mut self, _pool_id: &str, _address: IpAddr) -> Result<(), Error> {
        Ok(())
    }
}

#[test]
fn a_driver_registers_its_one_name_with_replay_unless_told_otherwise() {
    let replay = Capability { requires_mac_address: false, requires_request_replay: true };
    assert_eq!(
        Least::registrations("{}"),
        Ok([Registration { name: "least".into(), capability: replay }].into())
    );
    assert!(Least::named("least", "{}").is_ok());
    assert!(Least::named("least", "[]").is_err());
    assert!(!Least.is_built_in());
}

#[test]
fn the_well_known_names_are_libnetworks() {
    // Copied by hand from moby's `ipamapi` and `netlabel`.
    assert_eq!(names::DEFAULT_IPAM, "default");
    assert_eq!(names::NULL_IPAM, "null");
    assert_eq!(names::PLUGIN_ENDPOINT_TYPE, "IpamDriver");
    assert_eq!(names::PREFIX, "com.docker.network");
    for label in
        [names::ALLOC_SERIAL_PREFIX, names::GATEWAY, names::MAC_ADDRESS, names::ENDPOINT_NAME]
    {
        assert!(label.starts_with("com.docker.network."), "{label}");
    }
}
