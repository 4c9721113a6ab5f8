//! What a driver must not propose.

use ipam_api::{IpNet, PoolId};
use std::net::IpAddr;

/// How a proposal broke the contract; for the operator, never for a caller.
///
/// The numbers are those of the ledger's four checks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// 1: the id stands for something else.
    #[error("pool id {pool_id:?} already means {means}, and cannot mean {proposed}")]
    PoolIdTaken {
        /// The id.
        pool_id: PoolId,
        /// What it stands for: space, prefix and sub-pool.
        means: String,
        /// What the driver used it for.
        proposed: String,
    },
    /// 2: a pool is a prefix, and this has host bits.
    #[error("pool {proposed} has host bits")]
    HostBits {
        /// What the driver proposed.
        proposed: IpNet,
    },
    /// 2: an exact pool did not come back as that pool.
    #[error("pool {asked} was asked for and {proposed} proposed")]
    NotThePool {
        /// What was asked for.
        asked: IpNet,
        /// What the driver proposed.
        proposed: IpNet,
    },
    /// 2: an automatic pool is of the other family.
    #[error("pool {proposed} is of the family that was not asked for")]
    PoolFamily {
        /// What the driver proposed.
        proposed: IpNet,
    },
    /// 2: an automatic pool has another size.
    #[error("a pool of length {asked} was asked for and {proposed} proposed")]
    PoolLength {
        /// The prefix length that was asked for.
        asked: u8,
        /// What the driver proposed.
        proposed: IpNet,
    },
    /// 2: an automatic pool overlaps one that is live.
    #[error("automatic pool {proposed} overlaps {live}")]
    PoolOverlap {
        /// What the driver proposed.
        proposed: IpNet,
        /// What is granted already.
        live: IpNet,
    },
    /// 2: something was leased of "no pool".
    #[error("address {proposed} was leased of no pool")]
    LeaseOfNoPool {
        /// What the driver proposed.
        proposed: IpNet,
    },
    /// 2: the gateway that came with a pool is no address of it with its length.
    #[error("gateway {named:?} is no address of pool {pool} with its length")]
    NoGateway {
        /// What the driver named.
        named: String,
        /// The pool that it came with.
        pool: IpNet,
    },
    /// 2: the gateway that came with a pool is held already.
    #[error("gateway {proposed} is held already")]
    GatewayTaken {
        /// What the driver named.
        proposed: IpNet,
    },
    /// 2: an automatic pool is nothing that a container network may have.
    #[error("automatic pool {proposed} meets {range}")]
    Unusable {
        /// What the driver proposed.
        proposed: IpNet,
        /// The range that it overlaps, and what that is for.
        range: String,
    },
    /// 3: an address lies outside its pool.
    #[error("address {proposed} is not of pool {pool}")]
    OutsidePool {
        /// What the driver proposed.
        proposed: IpNet,
        /// The pool it was asked of.
        pool: IpNet,
    },
    /// 3: an address does not carry the length of its pool.
    #[error("address {proposed} does not carry the length of pool {pool}")]
    AddressLength {
        /// What the driver proposed.
        proposed: IpNet,
        /// The pool it was asked of.
        pool: IpNet,
    },
    /// 3: an automatic address lies outside the sub-pool.
    #[error("automatic address {proposed} is not of sub-pool {sub_pool}")]
    OutsideSubPool {
        /// What the driver proposed.
        proposed: IpNet,
        /// The sub-pool it was asked of.
        sub_pool: IpNet,
    },
    /// 3: an address is leased already.
    #[error("address {proposed} is leased already")]
    AlreadyLeased {
        /// What the driver proposed.
        proposed: IpNet,
    },
    /// 3: an address is the gateway that came with a pool.
    #[error("address {proposed} is the gateway of a pool")]
    LeaseOfGateway {
        /// What the driver proposed.
        proposed: IpNet,
    },
    /// 4: the caller named another address.
    #[error("address {asked} was asked for and {} proposed", or_none(.proposed.as_ref()))]
    NotTheAddress {
        /// What was asked for.
        asked: IpAddr,
        /// What the driver proposed.
        proposed: Option<IpNet>,
    },
}

fn or_none(address: Option<&IpNet>) -> String {
    address.map_or_else(|| "none".to_owned(), IpNet::to_string)
}
