//! What the ledger holds, as plain values that any client of the ledger can fill
//! in.

use ipam_api::{IpNet, PoolId};
use std::net::IpAddr;

/// What one driver's part of the ledger holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The driver's name in Docker, which is what a network's inspection shows as
    /// its IPAM driver: the name of its socket, or `name:tag` of a managed plugin.
    pub driver: String,
    /// Its pools.
    pub pools: Vec<HeldPool>,
}

/// A granted pool and what is leased under its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldPool {
    /// The driver's name for it.
    pub pool_id: PoolId,
    /// The pool; host bits are zero.
    pub prefix: IpNet,
    /// Its sub-pool, which automatic addresses come from.
    pub sub_pool: Option<IpNet>,
    /// The generation of the ledger's entry.
    pub generation: u64,
    /// The largest generation of it, of its claim, and of what is leased
    /// under it.
    pub newest: u64,
    /// Who asked for it.
    pub granted_by: GrantedBy,
    /// Which space it is of.
    pub space: Space,
    /// Whether nobody has asked for it, or for an address of it, since the
    /// ledger's process began. Counts in the global space alone.
    pub is_stale: bool,
    /// All leases that were asked of this id, whoever asked.
    pub leases: Vec<HeldLease>,
}

/// A granted address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldLease {
    /// The address.
    pub address: IpAddr,
    /// The generation of the ledger's entry.
    pub generation: u64,
    /// Whether it was asked for as a gateway
    /// (`RequestAddressType: com.docker.network.gateway`).
    pub is_gateway: bool,
    /// Who asked for it.
    pub granted_by: GrantedBy,
    /// Whether nobody has asked for it since the ledger's process began, or
    /// since a swarm's manager that began to lead asked for all it knew. Counts
    /// in the global space alone.
    pub is_stale: bool,
}

/// Which server granted something. Only Docker's is compared with Docker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GrantedBy {
    /// Docker's.
    Docker,
    /// Another, or nobody knows.
    Other,
}

/// Which address space a pool is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Space {
    /// The driver's space for single hosts, which is not also its space for
    /// clusters.
    Local,
    /// The driver's space for clusters, which is not also its space for single
    /// hosts: swarm's managers ask there, so it takes one of them to say what
    /// is in use.
    Global,
    /// The one space of a driver that has one for both, or any other. It is
    /// not compared: who asked is not known.
    Other,
}
