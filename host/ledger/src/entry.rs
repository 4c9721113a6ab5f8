//! What the ledger holds: pools and leases, as they were granted.

use ipam_api::{
    AddressGrant, Capability, Digest, IpNet, Options, PoolGrant, PoolId, Server, names,
};
use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr};

/// A number that entries of formats up to 3 have: an engine's session. Nothing
/// depends on it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Session(pub u64);

/// A moment: milliseconds since the beginning of 1970, UTC. 0 if unknown.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
pub struct Time(pub u64);

/// On whose account something changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Actor {
    /// It was asked for.
    Asked(#[serde(with = "crate::plain::server")] Server),
    /// An answer could not be delivered, and what it granted is taken back.
    Undelivered,
    /// The host's own books: which version serves, what a driver is owed.
    Host,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked(server) => server.fmt(f),
            Self::Undelivered => f.write_str("undelivered"),
            Self::Host => f.write_str("host"),
        }
    }
}

/// When, and on whose account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Audit {
    /// When the request began.
    pub at: Time,
    /// On whose account.
    pub by: Actor,
}

impl Default for Audit {
    fn default() -> Self {
        Self { at: Time::default(), by: Actor::Asked(Server::Library) }
    }
}

/// Which version of a driver serves, and what it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Of its file, if it has one.
    #[serde(with = "crate::plain::digest")]
    pub digest: Option<Digest>,
    /// What it registered with.
    #[serde(with = "crate::plain::capability")]
    pub capability: Capability,
}

/// Who asks, as far as the wire tells.
#[derive(Debug, Clone, Copy, Default)]
pub struct Caller<'a> {
    /// When it asked, and through which server.
    pub cause: Audit,
    /// The driver's space for clusters, where swarm managers repeat what they
    /// hold. Nothing if the driver has one space for both: there a repeat may
    /// as well be a second network, and is refused.
    pub global_space: Option<&'a str>,
    /// The ledger's generation when this process read it: what an engine that
    /// ended together with the process before may have forgotten is as old.
    pub loaded: u64,
    /// The ledger's generation when an engine last asked what the driver needs
    /// (`GetCapabilities`). Nothing until one has: nothing is claimed then.
    pub asked_at: Option<u64>,
}

/// How an entry was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Asked {
    /// The caller named it.
    Explicit,
    /// The driver chose it.
    Automatic,
}

/// A granted pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// The driver's name for it.
    #[serde(with = "crate::plain::pool_id")]
    pub pool_id: PoolId,
    /// The driver's name for its address space.
    pub address_space: String,
    /// The pool; host bits are zero.
    pub prefix: IpNet,
    /// Where its automatic addresses come from, as it was asked for.
    pub sub_pool: Option<IpNet>,
    /// How it was asked for.
    pub asked: Asked,
    /// The options it was asked for with.
    pub options: Options,
    /// Facts for the caller.
    pub data: Options,
    /// Larger than that of every grant before it.
    pub generation: u64,
    /// Nothing, since format 3: the session that it was asked for in.
    pub created_in: Option<Session>,
    /// When it was granted, and through which server.
    pub granted: Audit,
}

impl Pool {
    /// Whether it is the answer "no pool": an automatic /0, the null driver's.
    /// Nothing can be leased under it, and it overlaps nothing.
    #[must_use]
    pub fn is_no_pool(&self) -> bool {
        self.asked == Asked::Automatic && self.prefix.prefix_len() == 0
    }

    /// The answer that granted it.
    #[must_use]
    pub fn grant(&self) -> PoolGrant {
        PoolGrant { pool_id: self.pool_id.clone(), pool: self.prefix, data: self.data.clone() }
    }
}

/// A granted address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The pool it was asked of. Another id of the same prefix may release it.
    #[serde(with = "crate::plain::pool_id")]
    pub pool_id: PoolId,
    /// The address with its pool's length.
    pub address: IpNet,
    /// How it was asked for.
    pub asked: Asked,
    /// The options it was asked for with.
    pub options: Options,
    /// Facts for the caller.
    pub data: Options,
    /// Larger than that of every grant before it.
    pub generation: u64,
    /// Nothing, since format 3: the session that it was asked for in.
    pub created_in: Option<Session>,
    /// When it was granted, and through which server.
    pub granted: Audit,
}

impl Lease {
    /// The address alone.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        self.address.addr()
    }

    /// Who holds it, as far as the wire told: the endpoint's name, else its
    /// MAC address, else nobody knows.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        let told = |key| self.options.get(key).map(String::as_str);
        told(names::ENDPOINT_NAME).or_else(|| told(names::MAC_ADDRESS))
    }

    /// Whether it is the gateway of its pool.
    #[must_use]
    pub fn is_gateway(&self) -> bool {
        self.options.get(names::REQUEST_ADDRESS_TYPE).is_some_and(|kind| kind == names::GATEWAY)
    }

    /// The answer that granted it.
    #[must_use]
    pub fn grant(&self) -> AddressGrant {
        AddressGrant { address: Some(self.address), data: self.data.clone() }
    }
}
