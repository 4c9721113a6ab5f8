//! What the ledger holds: pools and leases, as they were granted.

use ipam_api::{AddressGrant, IpNet, Options, PoolGrant, PoolId};
use std::net::IpAddr;

/// An engine's session. Numbers grow; nothing else is meant by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Session(pub u64);

/// Who asks, as far as the wire tells.
#[derive(Debug, Clone, Copy, Default)]
pub struct Caller<'a> {
    /// The driver's space for clusters, where swarm managers repeat what they
    /// hold. Nothing if the driver has one space for both: there a repeat may
    /// as well be a second network, and is refused.
    pub global_space: Option<&'a str>,
    /// The session the request belongs to. Nothing until one begins: all that
    /// was loaded counts as claimed until then.
    pub session: Option<Session>,
}

impl Caller<'_> {
    /// The session that may claim things of `space`.
    pub(crate) fn claims_in(&self, space: &str) -> Option<Session> {
        self.session.filter(|_| self.global_space == Some(space))
    }
}

/// How an entry was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The caller named it.
    Explicit,
    /// The driver chose it.
    Automatic,
}

/// A granted pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// The driver's name for it.
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
    /// The session it was asked for in.
    pub created_in: Option<Session>,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The pool it was asked of. Another id of the same prefix may release it.
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
    /// The session it was asked for in.
    pub created_in: Option<Session>,
}

impl Lease {
    /// The address alone.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        self.address.addr()
    }

    /// The answer that granted it.
    #[must_use]
    pub fn grant(&self) -> AddressGrant {
        AddressGrant { address: Some(self.address), data: self.data.clone() }
    }
}
