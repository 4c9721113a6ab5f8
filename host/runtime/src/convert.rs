//! Between the contract in Rust and the contract in WIT.
//!
//! Towards the guest nothing can fail. From the guest nothing is believed: a
//! value that the contract forbids is a reason to break with the driver, and
//! the reason says which rule it broke.

pub(crate) mod record;

use crate::{
    Limits,
    bindings::{ipam as wit, status, types},
};
use ipam_api::{
    AddressGrant, AddressSpaces, Capability, Code, Error, Family, IpNet, Kind, Options, PoolChoice,
    PoolGrant, PoolId, PoolRequest, PoolStatus, text::bounded,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The rule that a guest's answer breaks.
pub(crate) type Broken = String;

pub(crate) fn address_to_guest(address: IpAddr) -> types::IpAddress {
    match address {
        IpAddr::V4(v4) => types::IpAddress::Ipv4(v4.octets().into()),
        IpAddr::V6(v6) => types::IpAddress::Ipv6(v6.segments().into()),
    }
}

pub(crate) fn address(address: types::IpAddress) -> Result<IpAddr, Broken> {
    match address {
        types::IpAddress::Ipv4(octets) => Ok(Ipv4Addr::from(<[u8; 4]>::from(octets)).into()),
        types::IpAddress::Ipv6(segments) => {
            let v6 = Ipv6Addr::from(<[u16; 8]>::from(segments));
            match v6.to_ipv4_mapped() {
                Some(_) => Err(format!("the IPv4-mapped address {v6}")),
                None => Ok(v6.into()),
            }
        }
    }
}

pub(crate) fn prefix_to_guest(prefix: IpNet) -> types::Prefix {
    types::Prefix { address: address_to_guest(prefix.addr()), length: prefix.prefix_len() }
}

fn net(at: types::IpAddress, length: u8) -> Result<IpNet, Broken> {
    let at = address(at)?;
    IpNet::new(at, length).map_err(|_| format!("the prefix length {length} with {at}"))
}

pub(crate) fn prefix(prefix: types::Prefix) -> Result<IpNet, Broken> {
    let net = net(prefix.address, prefix.length)?;
    if net.trunc() == net { Ok(net) } else { Err(format!("{net}, a prefix with host bits")) }
}

fn family_to_guest(family: Family) -> types::Family {
    match family {
        Family::Ipv4 => types::Family::Ipv4,
        Family::Ipv6 => types::Family::Ipv6,
    }
}

pub(crate) fn capability(capability: types::Capability) -> Capability {
    Capability {
        requires_mac_address: capability.requires_mac_address,
        requires_request_replay: capability.requires_request_replay,
    }
}

pub(crate) fn options_to_guest(options: &Options) -> types::Options {
    options.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn data(pairs: types::Options, limits: &Limits) -> Result<Options, Broken> {
    let bytes = pairs.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
    if pairs.len() > limits.answer.data_entries || bytes > limits.answer.data_bytes {
        return Err(format!("data of {} entries and {bytes} bytes", pairs.len()));
    }
    if !pairs.is_sorted_by(|(one, _), (next, _)| one < next) {
        return Err("data whose keys are not unique and in order".to_owned());
    }
    Ok(pairs.into_iter().collect())
}

pub(crate) fn pool_request_to_guest(request: &PoolRequest) -> wit::PoolRequest {
    wit::PoolRequest {
        address_space: request.address_space.clone(),
        pool: match request.pool {
            PoolChoice::Automatic(family) => wit::PoolChoice::Automatic(family_to_guest(family)),
            PoolChoice::Sized(family, length) => {
                wit::PoolChoice::Sized((family_to_guest(family), length))
            }
            PoolChoice::Exact(prefix) => wit::PoolChoice::Exact(prefix_to_guest(prefix)),
        },
        sub_pool: request.sub_pool.map(prefix_to_guest),
        options: options_to_guest(&request.options),
        exclude: request.exclude.iter().copied().map(prefix_to_guest).collect(),
    }
}

fn address_space(name: &str, limits: &Limits) -> Result<(), Broken> {
    if name.is_empty() || name.len() > limits.answer.address_space_bytes {
        return Err(format!("an address space whose name has {} bytes", name.len()));
    }
    Ok(())
}

pub(crate) fn address_spaces(
    spaces: wit::AddressSpaces,
    limits: &Limits,
) -> Result<AddressSpaces, Broken> {
    for name in [&spaces.local, &spaces.global] {
        address_space(name, limits)?;
    }
    Ok(AddressSpaces { local: spaces.local, global: spaces.global })
}

pub(crate) fn pool_grant(grant: wit::PoolGrant, limits: &Limits) -> Result<PoolGrant, Broken> {
    Ok(PoolGrant {
        pool_id: PoolId::try_from(&*grant.pool_id).map_err(|error| error.to_string())?,
        pool: prefix(grant.pool)?,
        data: data(grant.data, limits)?,
    })
}

pub(crate) fn address_grant(
    grant: wit::AddressGrant,
    limits: &Limits,
) -> Result<AddressGrant, Broken> {
    let address = grant.address.map(|leased| net(leased.address, leased.prefix_length));
    Ok(AddressGrant { address: address.transpose()?, data: data(grant.data, limits)? })
}

pub(crate) fn pool_status(status: status::SubnetStatus) -> PoolStatus {
    PoolStatus {
        ips_in_use: status.ips_in_use,
        dynamic_ips_available: status.dynamic_ips_available,
    }
}

/// A refusal, in the driver's words; the words are bounded, not judged. They
/// end up on a terminal, so that they are escaped.
pub(crate) fn error(error: types::Error, limits: &Limits) -> Error {
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
        Wit::Other(other) => (Code::Other(kind(other.kind)), other.message),
    };
    Error::new(code, bounded(limits.answer.error_bytes, text))
}

pub(crate) fn error_to_guest(error: &Error) -> types::Error {
    use types::Error as Wit;
    let text = error.to_string();
    match error.code() {
        Code::IpamInternalError => Wit::IpamInternalError(text),
        Code::InvalidAddressSpace => Wit::InvalidAddressSpace(text),
        Code::InvalidPool => Wit::InvalidPool(text),
        Code::InvalidSubPool => Wit::InvalidSubPool(text),
        Code::InvalidRequest => Wit::InvalidRequest(text),
        Code::PoolNotFound => Wit::PoolNotFound(text),
        Code::OverlapPool => Wit::OverlapPool(text),
        Code::NoAvailablePool => Wit::NoAvailablePool(text),
        Code::NoAvailableIps => Wit::NoAvailableIps(text),
        Code::NoIpReturned => Wit::NoIpReturned(text),
        Code::IpAlreadyAllocated => Wit::IpAlreadyAllocated(text),
        Code::IpOutOfRange => Wit::IpOutOfRange(text),
        Code::PoolOverlap => Wit::PoolOverlap(text),
        Code::BadPool => Wit::BadPool(text),
        Code::NoMoreSubnets => Wit::NoMoreSubnets(text),
        Code::Other(kind) => {
            Wit::Other(types::OtherError { kind: kind_to_guest(kind), message: text })
        }
    }
}

fn kind(kind: types::ErrorKind) -> Kind {
    match kind {
        types::ErrorKind::BadRequest => Kind::BadRequest,
        types::ErrorKind::Forbidden => Kind::Forbidden,
        types::ErrorKind::NotFound => Kind::NotFound,
        types::ErrorKind::NotImplemented => Kind::NotImplemented,
        types::ErrorKind::Unavailable => Kind::Unavailable,
        types::ErrorKind::Internal => Kind::Internal,
    }
}

fn kind_to_guest(kind: Kind) -> types::ErrorKind {
    match kind {
        Kind::BadRequest => types::ErrorKind::BadRequest,
        Kind::Forbidden => types::ErrorKind::Forbidden,
        Kind::NotFound => types::ErrorKind::NotFound,
        Kind::NotImplemented => types::ErrorKind::NotImplemented,
        Kind::Unavailable => types::ErrorKind::Unavailable,
        Kind::Internal => types::ErrorKind::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AnswerLimits;

    fn pool(id: &str, address: types::IpAddress, length: u8) -> wit::PoolGrant {
        wit::PoolGrant {
            pool_id: id.to_owned(),
            pool: types::Prefix { address, length },
            data: Vec::new(),
        }
    }

    #[track_caller]
    fn broken<T: std::fmt::Debug>(result: Result<T, Broken>, rule: &str) {
        let reason = result.expect_err("the contract forbids it");
        assert!(reason.contains(rule), "{reason:?} does not say {rule:?}");
    }

    const TEN: types::IpAddress = types::IpAddress::Ipv4((10, 0, 0, 0));
    const MAPPED: types::IpAddress = types::IpAddress::Ipv6((0, 0, 0, 0, 0, 0xffff, 0x0a00, 1));

    #[test]
    fn what_a_driver_may_not_call_a_pool() {
        let limits = Limits::default();
        assert!(pool_grant(pool("id", TEN, 8), &limits).is_ok());
        broken(pool_grant(pool("", TEN, 8), &limits), "not 0");
        broken(pool_grant(pool(&"x".repeat(257), TEN, 8), &limits), "not 257");
        broken(pool_grant(pool("id", TEN, 33), &limits), "length 33");
        broken(pool_grant(pool("id", TEN, 4), &limits), "host bits");
        broken(pool_grant(pool("id", MAPPED, 128), &limits), "IPv4-mapped");
    }

    #[test]
    fn what_a_driver_may_not_call_an_address() {
        let limits = Limits::default();
        let grant = |address, prefix_length| wit::AddressGrant {
            address: Some(types::InterfaceAddress { address, prefix_length }),
            data: Vec::new(),
        };
        let kept = address_grant(grant(types::IpAddress::Ipv4((10, 0, 0, 7)), 8), &limits);
        assert_eq!(kept.unwrap().address, Some("10.0.0.7/8".parse().unwrap()));
        broken(address_grant(grant(TEN, 33), &limits), "length 33");
        broken(address_grant(grant(MAPPED, 128), &limits), "IPv4-mapped");
    }

    #[test]
    fn data_is_bounded_and_in_order() {
        let limits = Limits {
            answer: AnswerLimits { data_entries: 2, data_bytes: 8, ..AnswerLimits::default() },
            ..Limits::default()
        };
        let pairs = |keys: &[&str]| {
            keys.iter().map(|&key| (key.to_owned(), "v".to_owned())).collect::<types::Options>()
        };
        assert_eq!(data(pairs(&["a", "b"]), &limits).unwrap().len(), 2);
        broken(data(pairs(&["b", "a"]), &limits), "in order");
        broken(data(pairs(&["a", "a"]), &limits), "unique");
        broken(data(pairs(&["a", "b", "c"]), &limits), "3 entries");
        broken(data(pairs(&["abcdefgh"]), &limits), "9 bytes");
    }

    #[test]
    fn address_spaces_have_names() {
        let spaces =
            |local: &str| wit::AddressSpaces { local: local.to_owned(), global: "g".into() };
        let limits = Limits::default();
        assert!(address_spaces(spaces("l"), &limits).is_ok());
        broken(address_spaces(spaces(""), &limits), "0 bytes");
        broken(address_spaces(spaces(&"x".repeat(257)), &limits), "257 bytes");
    }

    #[test]
    fn every_error_survives_the_way_there_and_back() {
        let limits = Limits::default();
        let others = [
            Kind::BadRequest,
            Kind::Forbidden,
            Kind::NotFound,
            Kind::NotImplemented,
            Kind::Unavailable,
            Kind::Internal,
        ];
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
        for code in others.map(Code::Other).into_iter().chain(named) {
            let there = Error::new(code, "why");
            assert_eq!(error(error_to_guest(&there), &limits), there);
        }
    }

    #[test]
    fn long_words_are_cut() {
        let limits = Limits {
            answer: AnswerLimits { error_bytes: 6, ..AnswerLimits::default() },
            ..Limits::default()
        };
        let refused = error(types::Error::InvalidPool("aéééé".to_owned()), &limits);
        assert_eq!(refused.to_string(), "aé…");
    }

    #[test]
    fn words_do_nothing_to_a_terminal() {
        let words = types::Error::InvalidPool("\u{1b}[2J\u{202e}gone".to_owned());
        assert_eq!(error(words, &Limits::default()).to_string(), "\\u{1b}[2J\\u{202e}gone");
    }
}
