//! Refusals, in the reference's own words.

use alloc::string::String;
use ipnet::IpNet;

/// Why a request was refused.
///
/// The `Display` text ends up on the terminal of whoever ran `docker network create`:
/// it is that of Docker 27 to 29, observed. Its class is the shell's to give.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no address space of that name, or the name is empty.
    #[error("{}{_0}", if _0.is_empty() { "invalid address space" } else { "cannot find address space " })]
    InvalidAddressSpace(String),
    /// No predefined pool has the family asked for and room for the size asked for.
    #[error("invalid address pool")]
    InvalidPool,
    /// The sub-pool is not a part of its pool.
    #[error("invalid address subpool")]
    InvalidSubPool,
    /// The pool is IPv4 and its sub-pool IPv6, or the other way round.
    #[error("pool and subpool are of incompatible address families")]
    FamiliesDiffer,
    /// Everything that the predefined pools could give is held or excluded.
    #[error("all predefined address pools have been fully subnetted")]
    NoMoreSubnets,
    /// The pool overlaps one that is held, or is held itself.
    #[error("invalid pool request: Pool overlaps with other one on this address space")]
    PoolOverlap,
    /// Released is what is not held.
    #[error("address space does not contain specified address pool")]
    BadPool,
    /// The text is no pool id.
    #[error("invalid pool id: {0}")]
    InvalidPoolId(String),
    /// No such pool or sub-pool is held; not found, unlike [`Error::BadPool`]. Holds
    /// the pool as the reference prints it, e.g. `poolID:10.0.0.0/8/invalid Prefix`.
    #[error("cannot find address pool for {0}")]
    PoolNotFound(String),
    /// The address is not of this pool.
    #[error("requested address is out of range")]
    IpOutOfRange,
    /// The address is leased, or reserved.
    #[error("Address already in use")]
    IpAlreadyAllocated,
    /// Every address of the pool or sub-pool is leased.
    #[error("no available addresses on this pool")]
    NoAvailableIps,
    /// A predefined pool's size is zero, or its base is written in no usable form.
    #[error(
        "could not construct {scope} address space: \
         network at index {index} (&{{{base} {size}}}) is not in canonical form"
    )]
    NotCanonical {
        /// `local` or `global`.
        scope: &'static str,
        /// Its place in the list.
        index: usize,
        /// As given.
        base: IpNet,
        /// As given.
        size: u8,
    },
    /// A predefined pool is smaller than the pools to be cut from it.
    #[error(
        "could not construct {scope} address space: \
         network at index {index} (&{{{base} {size}}}) has a smaller prefix (/{len}) \
         than the target size of that pool (/{size})",
        len = base.prefix_len()
    )]
    SmallerPrefix {
        /// `local` or `global`.
        scope: &'static str,
        /// Its place in the list.
        index: usize,
        /// As given.
        base: IpNet,
        /// As given.
        size: u8,
    },
}
