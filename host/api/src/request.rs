//! What is asked and what is answered, typed at the edge: whoever holds one
//! of these has parsed text already, and nobody behind does it again.
//!
//! `guest/sdk` has the same vocabulary for authors of drivers. The two are apart on
//! purpose: guests and host share nothing but `wit/`.
//!
//! - A change of one must not reach into the other: components that were built long
//!   ago run on this host, and it depends on nothing that a guest says.
//! - They are read by other people: that one by authors of drivers, this one by those
//!   who change Wipam.
//! - They differ where their sides do: an id is a text there, and checked here.
//!
//! The same holds for the errors (`error.rs`) and the well-known names (`names.rs`).

use crate::{PoolId, Receipt, RecordsAnswer, RecordsRequest};
use ipnet::IpNet;
use std::{collections::BTreeMap, net::IpAddr};

/// String pairs, unique and in byte order of their keys.
pub type Options = BTreeMap<String, String>;

/// The two families of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// 32 bits.
    Ipv4,
    /// 128 bits.
    Ipv6,
}

impl Family {
    /// The family of a prefix.
    #[must_use]
    pub fn of(prefix: &IpNet) -> Self {
        match prefix {
            IpNet::V4(_) => Self::Ipv4,
            IpNet::V6(_) => Self::Ipv6,
        }
    }

    /// The length of a whole address, in bits.
    #[must_use]
    pub fn bits(self) -> u8 {
        match self {
            Self::Ipv4 => 32,
            Self::Ipv6 => 128,
        }
    }
}

/// What a driver needs of its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capability {
    /// Address requests must carry the endpoint's MAC address.
    pub requires_mac_address: bool,
    /// A new instance must be told what is granted before it serves.
    pub requires_request_replay: bool,
}

/// The names of a driver's two address spaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressSpaces {
    /// For networks of one node.
    pub local: String,
    /// For networks of a cluster.
    pub global: String,
}

/// Which pool is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolChoice {
    /// Any of that family.
    Automatic(Family),
    /// Any of that family and prefix length.
    Sized(Family, u8),
    /// This one; host bits are zero.
    Exact(IpNet),
}

impl PoolChoice {
    /// The family asked for.
    #[must_use]
    pub fn family(&self) -> Family {
        match self {
            Self::Automatic(family) | Self::Sized(family, _) => *family,
            Self::Exact(prefix) => Family::of(prefix),
        }
    }
}

/// A request for a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolRequest {
    /// The driver's name for the address space, never empty.
    pub address_space: String,
    /// Which pool.
    pub pool: PoolChoice,
    /// Where automatic addresses shall come from; only with an exact pool, of
    /// the same family, host bits zero.
    pub sub_pool: Option<IpNet>,
    /// The operator's words for the driver.
    pub options: Options,
    /// What an automatic pool should not overlap, sorted. Advice.
    pub exclude: Vec<IpNet>,
}

impl PoolRequest {
    /// A request without sub-pool, options and exclusions.
    #[must_use]
    pub fn new(address_space: &str, pool: PoolChoice) -> Self {
        Self {
            address_space: address_space.to_owned(),
            pool,
            sub_pool: None,
            options: Options::new(),
            exclude: Vec::new(),
        }
    }
}

/// A pool, proposed by a driver or granted by the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolGrant {
    /// The driver's name for it.
    pub pool_id: PoolId,
    /// The pool; host bits are zero.
    pub pool: IpNet,
    /// Facts for the caller.
    pub data: Options,
}

/// A request for an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressRequest {
    /// Of which pool.
    pub pool_id: PoolId,
    /// Which one, or any.
    pub address: Option<IpAddr>,
    /// What it is for and who wants it.
    pub options: Options,
}

impl AddressRequest {
    /// A request for any address of a pool, without options.
    #[must_use]
    pub fn any(pool_id: PoolId) -> Self {
        Self { pool_id, address: None, options: Options::new() }
    }
}

/// An address, proposed by a driver or leased by the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressGrant {
    /// The address with its pool's prefix length, host bits kept; or nothing.
    pub address: Option<IpNet>,
    /// Facts for the caller.
    pub data: Options,
}

/// How full a pool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolStatus {
    /// Addresses in use in the whole pool, reserved ones included; saturates.
    pub ips_in_use: u64,
    /// Addresses that an automatic request can still get; saturates.
    pub dynamic_ips_available: u64,
}

/// Everything that can be asked of a driver in service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Grant a pool.
    Pool(PoolRequest),
    /// Release a pool and every lease taken under its id.
    ReleasePool(PoolId),
    /// Lease an address.
    Address(AddressRequest),
    /// Release a lease.
    ReleaseAddress(PoolId, IpAddr),
    /// Release just what a receipt names, however often it is held; a pool with
    /// all that is leased under it. Refused, if that was released meanwhile,
    /// even if it was granted again, or if anything under it was granted after
    /// the generation `as_of`.
    TakeBack {
        /// What was seen.
        receipt: Receipt,
        /// The largest generation that was seen there.
        as_of: u64,
    },
    /// Say how full a pool is.
    Status(PoolId),
    /// Ask for what the driver's system of record holds, or change it.
    Records(RecordsRequest),
}

/// The answer to a [`Request`] that was not refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To [`Request::Pool`].
    Pool(PoolGrant),
    /// To [`Request::Address`].
    Address(AddressGrant),
    /// To any release.
    Released,
    /// To [`Request::Status`].
    Status(PoolStatus),
    /// To [`Request::Records`].
    Records(RecordsAnswer),
}
