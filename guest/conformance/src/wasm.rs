//! The driver that this component imports.

#[allow(
    clippy::all,
    missing_debug_implementations,
    missing_docs,
    unreachable_pub,
    unsafe_code,
    reason = "generated: what crosses the boundary is memory"
)]
mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "ipam:driver/conformance",
        generate_all,
    });
}

use bindings::ipam::driver::{ipam, lifecycle, types};
use ipam_conformance::{
    AddressGrant, Choice, Driver, Family, Options, PoolGrant, PoolRequest, Refusal,
};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The one that was composed with it.
pub(crate) struct Imported;

impl Driver for Imported {
    fn start(&mut self, name: Option<&str>, config: &str) -> Result<(), Refusal> {
        let request =
            lifecycle::StartRequest { name: name.map(str::to_owned), config: config.to_owned() };
        lifecycle::start(&request).map_err(refusal)
    }

    fn address_spaces(&mut self) -> Result<(String, String), Refusal> {
        let spaces = ipam::get_default_address_spaces().map_err(refusal)?;
        Ok((spaces.local, spaces.global))
    }

    fn request_pool(&mut self, request: &PoolRequest) -> Result<PoolGrant, Refusal> {
        let PoolRequest { space, choice, sub_pool, options, exclude } = request;
        let request = ipam::PoolRequest {
            address_space: space.clone(),
            pool: match *choice {
                Choice::Automatic(of) => ipam::PoolChoice::Automatic(family(of)),
                Choice::Sized(of, length) => ipam::PoolChoice::Sized((family(of), length)),
                Choice::Exact(exact) => ipam::PoolChoice::Exact(prefix(&exact)),
            },
            sub_pool: sub_pool.as_ref().map(prefix),
            options: pairs(options),
            exclude: exclude.iter().map(prefix).collect(),
        };
        let ipam::PoolGrant { pool_id, pool, data } =
            ipam::request_pool(&request).map_err(refusal)?;
        Ok(PoolGrant { id: pool_id, address: address(pool.address), length: pool.length, data })
    }

    fn release_pool(&mut self, id: &str) -> Result<(), Refusal> {
        ipam::release_pool(id).map_err(refusal)
    }

    fn request_address(
        &mut self,
        id: &str,
        wanted: Option<IpAddr>,
        options: &Options,
    ) -> Result<AddressGrant, Refusal> {
        let ipam::AddressGrant { address: leased, data } =
            ipam::request_address(id, wanted.map(told), &pairs(options)).map_err(refusal)?;
        let leased = leased.map(|leased| (address(leased.address), leased.prefix_length));
        Ok(AddressGrant { address: leased, data })
    }

    fn release_address(&mut self, id: &str, address: IpAddr) -> Result<(), Refusal> {
        ipam::release_address(id, told(address)).map_err(refusal)
    }
}

fn family(family: Family) -> types::Family {
    match family {
        Family::Ipv4 => types::Family::Ipv4,
        Family::Ipv6 => types::Family::Ipv6,
    }
}

fn told(address: IpAddr) -> types::IpAddress {
    match address {
        IpAddr::V4(address) => types::IpAddress::Ipv4(address.octets().into()),
        IpAddr::V6(address) => types::IpAddress::Ipv6(address.segments().into()),
    }
}

fn address(address: types::IpAddress) -> IpAddr {
    match address {
        types::IpAddress::Ipv4((a, b, c, d)) => Ipv4Addr::new(a, b, c, d).into(),
        types::IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => {
            Ipv6Addr::new(a, b, c, d, e, f, g, h).into()
        }
    }
}

fn prefix(prefix: &IpNet) -> types::Prefix {
    types::Prefix { address: told(prefix.addr()), length: prefix.prefix_len() }
}

fn pairs(options: &Options) -> types::Options {
    options.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn refusal(error: types::Error) -> Refusal {
    use types::{Error, ErrorKind};
    let (name, text) = match error {
        Error::IpamInternalError(text) => ("ipam-internal-error", text),
        Error::InvalidAddressSpace(text) => ("invalid-address-space", text),
        Error::InvalidPool(text) => ("invalid-pool", text),
        Error::InvalidSubPool(text) => ("invalid-sub-pool", text),
        Error::InvalidRequest(text) => ("invalid-request", text),
        Error::PoolNotFound(text) => ("pool-not-found", text),
        Error::OverlapPool(text) => ("overlap-pool", text),
        Error::NoAvailablePool(text) => ("no-available-pool", text),
        Error::NoAvailableIps(text) => ("no-available-ips", text),
        Error::NoIpReturned(text) => ("no-ip-returned", text),
        Error::IpAlreadyAllocated(text) => ("ip-already-allocated", text),
        Error::IpOutOfRange(text) => ("ip-out-of-range", text),
        Error::PoolOverlap(text) => ("pool-overlap", text),
        Error::BadPool(text) => ("bad-pool", text),
        Error::NoMoreSubnets(text) => ("no-more-subnets", text),
        Error::Other(other) => {
            let name = match other.kind {
                ErrorKind::BadRequest => "other(bad-request)",
                ErrorKind::Forbidden => "other(forbidden)",
                ErrorKind::NotFound => "other(not-found)",
                ErrorKind::NotImplemented => "other(not-implemented)",
                ErrorKind::Unavailable => "other(unavailable)",
                ErrorKind::Internal => "other(internal)",
            };
            (name, other.message)
        }
    };
    Refusal { name, text }
}
