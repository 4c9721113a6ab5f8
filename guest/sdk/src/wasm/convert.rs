//! Between the types of the WIT and those of the field.
//!
//! Hosts pass only what the WIT allows, but a caller on a command line may
//! pass anything: a prefix length that its family does not have is refused.

use super::{ipam, records, status, types};
use crate::{
    AddressGrant, AddressSpaces, Capability, Code, Error, Family, HeldRecord, IpNet, Kind, Options,
    PoolChoice, PoolGrant, PoolRequest, RecordPage, SubnetStatus,
};
use alloc::string::String;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

impl From<types::IpAddress> for IpAddr {
    fn from(address: types::IpAddress) -> Self {
        match address {
            types::IpAddress::Ipv4((a, b, c, d)) => Ipv4Addr::new(a, b, c, d).into(),
            types::IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => {
                Ipv6Addr::new(a, b, c, d, e, f, g, h).into()
            }
        }
    }
}

impl From<IpAddr> for types::IpAddress {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::Ipv4(address.octets().into()),
            IpAddr::V6(address) => Self::Ipv6(address.segments().into()),
        }
    }
}

/// A prefix with its host bits cleared, or `code` if there is no such length.
fn prefix(prefix: types::Prefix, code: Code) -> Result<IpNet, Error> {
    let net = IpNet::new(prefix.address.into(), prefix.length).map_err(|_| code)?;
    Ok(net.trunc())
}

impl From<IpNet> for types::Prefix {
    fn from(net: IpNet) -> Self {
        Self { address: net.network().into(), length: net.prefix_len() }
    }
}

/// One by one: they come sorted, and a bulk build would bring in a sort, eight
/// kilobytes of it.
pub(super) fn options(pairs: types::Options) -> Options {
    let mut options = Options::new();
    // Most calls have none, and to iterate over nothing takes its time.
    if !pairs.is_empty() {
        options.extend(pairs);
    }
    options
}

/// As [`options`], the other way round.
fn pairs(options: Options) -> types::Options {
    if options.is_empty() { types::Options::new() } else { options.into_iter().collect() }
}

impl From<types::Family> for Family {
    fn from(family: types::Family) -> Self {
        match family {
            types::Family::Ipv4 => Self::Ipv4,
            types::Family::Ipv6 => Self::Ipv6,
        }
    }
}

impl TryFrom<ipam::PoolRequest> for PoolRequest {
    type Error = Error;

    fn try_from(request: ipam::PoolRequest) -> Result<Self, Error> {
        Ok(Self {
            address_space: request.address_space,
            pool: match request.pool {
                ipam::PoolChoice::Automatic(family) => PoolChoice::Automatic(family.into()),
                ipam::PoolChoice::Sized((family, length)) => {
                    PoolChoice::Sized(family.into(), length)
                }
                ipam::PoolChoice::Exact(pool) => {
                    PoolChoice::Exact(prefix(pool, Code::InvalidPool)?)
                }
            },
            sub_pool: request
                .sub_pool
                .map(|sub_pool| prefix(sub_pool, Code::InvalidSubPool))
                .transpose()?,
            options: options(request.options),
            exclude: request
                .exclude
                .into_iter()
                .map(|excluded| prefix(excluded, Code::InvalidRequest))
                .collect::<Result<_, _>>()?,
        })
    }
}

impl From<AddressSpaces> for ipam::AddressSpaces {
    fn from(spaces: AddressSpaces) -> Self {
        Self { local: spaces.local, global: spaces.global }
    }
}

impl From<PoolGrant> for ipam::PoolGrant {
    fn from(grant: PoolGrant) -> Self {
        Self { pool_id: grant.pool_id, pool: grant.pool.into(), data: pairs(grant.data) }
    }
}

impl From<AddressGrant> for ipam::AddressGrant {
    fn from(grant: AddressGrant) -> Self {
        Self {
            address: grant.address.map(|address| types::InterfaceAddress {
                address: address.addr().into(),
                prefix_length: address.prefix_len(),
            }),
            data: pairs(grant.data),
        }
    }
}

impl From<SubnetStatus> for status::SubnetStatus {
    fn from(status: SubnetStatus) -> Self {
        Self { ips_in_use: status.ips_in_use, dynamic_ips_available: status.dynamic_ips_available }
    }
}

impl From<HeldRecord> for records::HeldRecord {
    fn from(record: HeldRecord) -> Self {
        Self {
            id: record.id,
            address_space: record.address_space,
            pool: record.pool.into(),
            address: record.address.map(Into::into),
            label: record.label,
        }
    }
}

impl TryFrom<records::HeldRecord> for HeldRecord {
    type Error = Error;

    fn try_from(record: records::HeldRecord) -> Result<Self, Error> {
        Ok(Self {
            id: record.id,
            address_space: record.address_space,
            pool: prefix(record.pool, Code::InvalidRequest)?,
            address: record.address.map(IpAddr::from),
            label: record.label,
        })
    }
}

impl From<RecordPage> for records::RecordPage {
    fn from(page: RecordPage) -> Self {
        Self { records: page.records.into_iter().map(Into::into).collect(), next: page.next }
    }
}

impl From<Capability> for types::Capability {
    fn from(capability: Capability) -> Self {
        Self {
            requires_mac_address: capability.requires_mac_address,
            requires_request_replay: capability.requires_request_replay,
        }
    }
}

impl From<Error> for types::Error {
    fn from(error: Error) -> Self {
        let text = String::from(error.text());
        match error.code() {
            Code::IpamInternalError => Self::IpamInternalError(text),
            Code::InvalidAddressSpace => Self::InvalidAddressSpace(text),
            Code::InvalidPool => Self::InvalidPool(text),
            Code::InvalidSubPool => Self::InvalidSubPool(text),
            Code::InvalidRequest => Self::InvalidRequest(text),
            Code::PoolNotFound => Self::PoolNotFound(text),
            Code::OverlapPool => Self::OverlapPool(text),
            Code::NoAvailablePool => Self::NoAvailablePool(text),
            Code::NoAvailableIps => Self::NoAvailableIps(text),
            Code::NoIpReturned => Self::NoIpReturned(text),
            Code::IpAlreadyAllocated => Self::IpAlreadyAllocated(text),
            Code::IpOutOfRange => Self::IpOutOfRange(text),
            Code::PoolOverlap => Self::PoolOverlap(text),
            Code::BadPool => Self::BadPool(text),
            Code::NoMoreSubnets => Self::NoMoreSubnets(text),
            Code::Other(kind) => {
                Self::Other(types::OtherError { kind: kind.into(), message: text })
            }
        }
    }
}

impl From<types::Error> for Error {
    fn from(error: types::Error) -> Self {
        use types::Error as Wit;
        let (code, text) = match error {
            Wit::IpamInternalError(text) => (Code::IpamInternalError, text),
            Wit::InvalidAddressSpace(text) => (Code::InvalidAddressSpace, text),
            Wit::InvalidPool(text) => (Code::InvalidPool, text),
            Wit::InvalidSubPool(text) => (Code::InvalidSubPool, text),
            Wit::InvalidRequest(text) => (Code::InvalidRequest, text),
            Wit::PoolNotFound(text) => (Code::PoolNotFound, text),
            Wit::OverlapPool(text) => (Code::OverlapPool, text),
            Wit::NoAvailablePool(text) => (Code::NoAvailablePool, text),
            Wit::NoAvailableIps(text) => (Code::NoAvailableIps, text),
            Wit::NoIpReturned(text) => (Code::NoIpReturned, text),
            Wit::IpAlreadyAllocated(text) => (Code::IpAlreadyAllocated, text),
            Wit::IpOutOfRange(text) => (Code::IpOutOfRange, text),
            Wit::PoolOverlap(text) => (Code::PoolOverlap, text),
            Wit::BadPool(text) => (Code::BadPool, text),
            Wit::NoMoreSubnets(text) => (Code::NoMoreSubnets, text),
            Wit::Other(other) => (Code::Other(other.kind.into()), other.message),
        };
        Self::new(code, text)
    }
}

impl From<Kind> for types::ErrorKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::BadRequest => Self::BadRequest,
            Kind::Forbidden => Self::Forbidden,
            Kind::NotFound => Self::NotFound,
            Kind::NotImplemented => Self::NotImplemented,
            Kind::Unavailable => Self::Unavailable,
            Kind::Internal => Self::Internal,
        }
    }
}

impl From<types::ErrorKind> for Kind {
    fn from(kind: types::ErrorKind) -> Self {
        match kind {
            types::ErrorKind::BadRequest => Self::BadRequest,
            types::ErrorKind::Forbidden => Self::Forbidden,
            types::ErrorKind::NotFound => Self::NotFound,
            types::ErrorKind::NotImplemented => Self::NotImplemented,
            types::ErrorKind::Unavailable => Self::Unavailable,
            types::ErrorKind::Internal => Self::Internal,
        }
    }
}
