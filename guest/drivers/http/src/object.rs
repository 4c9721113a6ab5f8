//! What a system of record has, as far as every such driver looks at it.

use ipam_driver::{AddressRequest, Family, IpNet};
use std::net::IpAddr;

/// A pool or an address in a system of record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The system's own number.
    pub id: u64,
    /// Its prefix, or its address with the length that it has there.
    pub net: IpNet,
    /// What people read, and where there is no field for it, whose it is.
    pub description: String,
    /// What the field says that is there for whose it is.
    pub identity: Option<String>,
    /// The system's word for what it is for.
    pub status: String,
}

impl Object {
    /// The number of what stands for addresses of others, which no object has.
    pub const OTHERS: u64 = 0;

    /// A new one, whose text that is.
    #[must_use]
    pub fn new(id: u64, net: IpNet, text: &str) -> Self {
        let description = text.to_owned();
        Self { id, net, description, identity: None, status: String::new() }
    }

    /// What stands for addresses of others in a pool, where they were counted and not
    /// looked at.
    #[must_use]
    pub fn others(pool: IpNet) -> Self {
        let first = pool.hosts().next().map_or(pool, IpNet::from);
        Self::new(Self::OTHERS, first, "")
    }
}

/// The two kinds of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// What pools are there.
    Pools,
    /// What addresses are there.
    Addresses,
}

/// What people read in an address that is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note<'a> {
    /// A few words, or none: for whom it is.
    pub words: String,
    /// The name of the endpoint.
    pub endpoint: Option<&'a str>,
}

impl<'a> Note<'a> {
    /// The words of a gateway, which also its identity ends with.
    pub const GATEWAY: &'static str = "gateway";

    /// The note of what a request asks for.
    #[must_use]
    pub fn of(request: &'a AddressRequest) -> Self {
        let plain = |text: &str| text.chars().filter(|it| !it.is_control()).collect::<String>();
        let words = match request.endpoint_name().or(request.mac_address()) {
            _ if request.is_gateway() => Self::GATEWAY.to_owned(),
            Some(whom) => format!("for={}", plain(whom)),
            None => String::new(),
        };
        Self { words, endpoint: request.endpoint_name() }
    }

    /// The note of what nobody may have.
    #[must_use]
    pub fn not_for_use() -> Self {
        Self { words: "not for use".to_owned(), endpoint: None }
    }
}

/// Whether it is the network's own or the broadcast address of an IPv4 prefix, or the
/// subnet-router anycast address of an IPv6 prefix.
#[must_use]
pub fn is_end(net: IpNet, address: IpAddr) -> bool {
    let has_ends = net.max_prefix_len() - net.prefix_len() > 1;
    let is_broadcast = matches!(net, IpNet::V4(_)) && address == net.broadcast();
    has_ends && (address == net.network() || is_broadcast)
}

/// Whether pools of that family and length lie in a prefix.
#[must_use]
pub fn fits(net: &IpNet, family: Family, length: u8) -> bool {
    Family::of(net) == family && (net.prefix_len()..=net.max_prefix_len()).contains(&length)
}
