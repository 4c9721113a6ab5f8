//! The traits that an author implements.

use crate::{
    AddressGrant, AddressRequest, AddressSpaces, Capability, Error, PoolGrant, PoolRequest,
    Registration, SubnetStatus,
};
use alloc::{string::ToString, vec, vec::Vec};
use core::net::IpAddr;

/// An IPAM driver: libnetwork's `Ipam`.
///
/// One value serves one name and one call at a time. It may be dropped between
/// any two calls; a new one is then told what is granted, as exact requests
/// that carry [`names::REPLAY`](crate::names::REPLAY), and must grant exactly
/// that. So a driver needs no storage, but it must be deterministic: no clock,
/// no randomness, no map whose order varies.
///
/// A panic costs the instance its life; its message, file and line are logged.
#[expect(clippy::missing_errors_doc, reason = "each method says when it refuses")]
pub trait Driver: Sized + 'static {
    /// The name that it registers: `[A-Za-z0-9][A-Za-z0-9_.-]{0,63}`.
    const NAME: &'static str;

    /// What it needs of its host: replay, unless it says otherwise.
    const CAPABILITY: Capability = Capability::REPLAY;

    /// Makes a driver from the operator's table: one JSON object, `{}` if
    /// there is none. It must work with `{}`: that is what a host without a
    /// configuration passes, and what a call from a command line gets.
    ///
    /// Refuses a configuration that it cannot work with; the operator reads
    /// the text.
    fn new(config: &str) -> Result<Self, Error>;

    /// Every name that this component serves; just [`Driver::NAME`] unless
    /// overridden. Refuses like [`Driver::new`].
    fn registrations(config: &str) -> Result<Vec<Registration>, Error> {
        let _ = config;
        Ok(vec![Registration { name: Self::NAME.to_string(), capability: Self::CAPABILITY }])
    }

    /// What the driver of one name needs, and nothing if there is none of that
    /// name: for components that need not look for the others.
    fn registration(name: &str, config: &str) -> Result<Option<Registration>, Error> {
        let mut all = Self::registrations(config)?.into_iter();
        Ok(all.find(|registration| registration.name == name))
    }

    /// Makes the driver of one of several names. Refuses like [`Driver::new`],
    /// which is what it calls unless overridden.
    fn named(name: &str, config: &str) -> Result<Self, Error> {
        let _ = name;
        Self::new(config)
    }

    /// The names of its address spaces; always the same.
    fn default_address_spaces(&mut self) -> Result<AddressSpaces, Error>;

    /// Grants a pool.
    ///
    /// An exact one must be granted as asked, or refused: `PoolOverlap` when it
    /// is taken, `InvalidPool` when it cannot be one. Otherwise the driver
    /// picks one of the family and length asked for that overlaps no other of
    /// the space, or refuses with `NoMoreSubnets` or `NoAvailablePool`.
    /// `InvalidAddressSpace` for a space that it does not know.
    fn request_pool(&mut self, request: PoolRequest) -> Result<PoolGrant, Error>;

    /// Forgets a pool. Its leases were released before, and hosts release only
    /// what was granted: a refusal costs the instance its life.
    fn release_pool(&mut self, pool_id: &str) -> Result<(), Error>;

    /// Leases an address.
    ///
    /// A given address must be leased exactly, or refused: `IpOutOfRange`,
    /// `IpAlreadyAllocated`. Otherwise the driver picks any free address of
    /// the pool, or of its sub-pool if it has one, or refuses with
    /// `NoAvailableIps`.
    fn request_address(&mut self, request: AddressRequest) -> Result<AddressGrant, Error>;

    /// Forgets a lease. Hosts release only what was granted: a refusal costs
    /// the instance its life.
    fn release_address(&mut self, pool_id: &str, address: IpAddr) -> Result<(), Error>;

    /// Whether it says that it is part of its host. Hosts do not believe it.
    fn is_built_in(&mut self) -> bool {
        false
    }
}

/// A driver that says how full its pools are: `export!(MyDriver, status)`.
pub trait Status: Driver {
    /// The status of a granted pool.
    ///
    /// # Errors
    /// As the other methods, for a pool id that the driver does not know.
    fn pool_status(&mut self, pool_id: &str) -> Result<SubnetStatus, Error>;
}
