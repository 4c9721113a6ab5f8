//! libnetwork's null IPAM driver as a component: it grants "no pool" and
//! leases no address. Docker's `none` and `host` networks need no more.
//!
//! It answers what moby's `daemon/libnetwork/ipams/null/null.go` answers (28
//! and later, where it has an IPv6 form), word for word, and keeps nothing: it
//! registers without replay.
//!
//! # Example
//!
//! Off wasm it is a value like any other:
//!
//! ```
//! use ipam_driver::{AddressGrant, AddressRequest, Driver, Options};
//! use ipam_null::Null;
//!
//! let request = AddressRequest {
//!     pool_id: "null/0.0.0.0/0".into(),
//!     address: None,
//!     options: Options::new(),
//! };
//! assert_eq!(Null.request_address(request)?, AddressGrant::without_address());
//! # Ok::<(), ipam_driver::Error>(())
//! ```
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

use alloc::format;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use ipam_driver::{
    AddressGrant, AddressRequest, AddressSpaces, Capability, Code, Driver, Error, Family, Ipv4Net,
    Ipv6Net, PoolChoice, PoolGrant, PoolRequest, names,
};

/// The one address space, local and global.
const SPACE: &str = "null";
/// The pool id of "no IPv4 pool".
const IPV4_POOL_ID: &str = "null/0.0.0.0/0";
/// The pool id of "no IPv6 pool".
const IPV6_POOL_ID: &str = "null/::/0";

/// The driver that gives nothing.
#[derive(Debug)]
pub struct Null;

ipam_driver::export!(Null);

impl Driver for Null {
    const NAME: &'static str = names::NULL_IPAM;
    const CAPABILITY: Capability = Capability::NOTHING;

    fn new(_config: &str) -> Result<Self, Error> {
        Ok(Self)
    }

    fn default_address_spaces(&mut self) -> Result<AddressSpaces, Error> {
        Ok(AddressSpaces::new(SPACE, SPACE))
    }

    fn request_pool(&mut self, request: PoolRequest) -> Result<PoolGrant, Error> {
        if request.address_space != SPACE {
            let text = format!("unknown address space: {}", request.address_space);
            return Err(Error::new(Code::InvalidAddressSpace, text));
        }
        if request.sub_pool.is_some() {
            let text = "null ipam driver does not handle specific address subpool requests";
            return Err(Error::new(Code::InvalidSubPool, text));
        }
        match request.pool {
            PoolChoice::Automatic(Family::Ipv4) => Ok(PoolGrant::new(
                IPV4_POOL_ID,
                Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0).into(),
            )),
            PoolChoice::Automatic(Family::Ipv6) => Ok(PoolGrant::new(
                IPV6_POOL_ID,
                Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0).into(),
            )),
            PoolChoice::Sized(..) | PoolChoice::Exact(_) => Err(Error::new(
                Code::InvalidPool,
                "null ipam driver does not handle specific address pool requests",
            )),
        }
    }

    fn release_pool(&mut self, _pool_id: &str) -> Result<(), Error> {
        Ok(())
    }

    fn request_address(&mut self, request: AddressRequest) -> Result<AddressGrant, Error> {
        known(&request.pool_id)?;
        Ok(AddressGrant::without_address())
    }

    fn release_address(&mut self, pool_id: &str, _address: IpAddr) -> Result<(), Error> {
        known(pool_id)
    }

    fn is_built_in(&mut self) -> bool {
        true
    }
}

/// Refuses every pool id but the two.
fn known(pool_id: &str) -> Result<(), Error> {
    match pool_id {
        IPV4_POOL_ID | IPV6_POOL_ID => Ok(()),
        _ => Err(Error::new(Code::PoolNotFound, format!("unknown pool id: {pool_id}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::Null;
    use ipam_driver::{
        AddressGrant, AddressRequest, Code, Driver, Error, Family, Options, PoolChoice,
        PoolRequest, Registration,
    };

    fn request(space: &str, pool: PoolChoice) -> PoolRequest {
        PoolRequest {
            address_space: space.into(),
            pool,
            sub_pool: None,
            options: Options::new(),
            exclude: Vec::new(),
        }
    }

    #[track_caller]
    fn check_pool(family: Family, id: &str, pool: &str) {
        let grant = Null.request_pool(request("null", PoolChoice::Automatic(family))).unwrap();
        assert_eq!((grant.pool_id.as_str(), grant.pool.to_string().as_str()), (id, pool));
    }

    #[track_caller]
    fn check_refusal(space: &str, pool: PoolChoice, code: Code, text: &str) {
        let refusal = Null.request_pool(request(space, pool)).unwrap_err();
        assert_eq!(refusal, Error::new(code, text));
    }

    #[test]
    fn it_grants_no_pool_and_always_the_same() {
        for _ in 0..2 {
            check_pool(Family::Ipv4, "null/0.0.0.0/0", "0.0.0.0/0");
            check_pool(Family::Ipv6, "null/::/0", "::/0");
        }
    }

    #[test]
    fn it_refuses_whoever_wants_a_pool() {
        let any = PoolChoice::Automatic(Family::Ipv4);
        let words = "null ipam driver does not handle specific address pool requests";
        check_refusal("other", any, Code::InvalidAddressSpace, "unknown address space: other");
        let exact = PoolChoice::Exact("10.0.0.0/8".parse().unwrap());
        check_refusal("null", exact, Code::InvalidPool, words);
        check_refusal("null", PoolChoice::Sized(Family::Ipv4, 24), Code::InvalidPool, words);

        let sub_pool = Some("10.0.0.0/8".parse().unwrap());
        let refusal = Null.request_pool(PoolRequest { sub_pool, ..request("null", any) });
        let words = "null ipam driver does not handle specific address subpool requests";
        assert_eq!(refusal, Err(Error::new(Code::InvalidSubPool, words)));
    }

    #[test]
    fn it_leases_no_address_even_by_name() {
        for address in [None, Some("10.0.0.1".parse().unwrap())] {
            let request = AddressRequest {
                pool_id: "null/0.0.0.0/0".into(),
                address,
                options: Options::new(),
            };
            assert_eq!(Null.request_address(request), Ok(AddressGrant::without_address()));
        }
    }

    #[test]
    fn it_knows_its_two_pools_and_releases_any() {
        let unknown = Err(Error::new(Code::PoolNotFound, "unknown pool id: x"));
        let address = "10.0.0.1".parse().unwrap();
        assert_eq!(Null.release_address("null/::/0", address), Ok(()));
        assert_eq!(Null.release_address("x", address), unknown);
        assert_eq!(Null.release_pool("x"), Ok(()));
    }

    #[test]
    fn it_asks_nothing_of_its_host() {
        let registrations = Null::registrations("{}").unwrap();
        assert!(matches!(registrations.as_slice(), [Registration { name, capability }]
            if name == "null" && !capability.requires_request_replay && !capability.requires_mac_address));
    }
}
