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
/// After a panic the host discards the instance and starts a new one; the
/// panic's message, file and line are logged.
///
/// The smallest driver, which grants "no pool" as libnetwork's null driver does;
/// the crate's front page has one with pools and leases:
///
/// ```
/// use ipam_driver::{
///     AddressGrant, AddressRequest, AddressSpaces, Capability, Code, Driver, Error, Family,
///     PoolChoice, PoolGrant, PoolRequest,
/// };
/// use std::net::IpAddr;
///
/// struct Nothing;
///
/// ipam_driver::export!(Nothing);
///
/// impl Driver for Nothing {
///     const NAME: &'static str = "nothing";
///     const CAPABILITY: Capability = Capability::NOTHING; // there is nothing to be told again
///
///     fn new(_config: &str) -> Result<Self, Error> {
///         Ok(Self)
///     }
///     fn default_address_spaces(&mut self) -> Result<AddressSpaces, Error> {
///         Ok(AddressSpaces::new("nothing", "nothing"))
///     }
///     fn request_pool(&mut self, request: PoolRequest) -> Result<PoolGrant, Error> {
///         match request.pool {
///             PoolChoice::Automatic(Family::Ipv4) => {
///                 Ok(PoolGrant::new("nothing", "0.0.0.0/0".parse().expect("a prefix")))
///             }
///             _ => Err(Code::InvalidPool.into()),
///         }
///     }
///     fn release_pool(&mut self, _pool_id: &str) -> Result<(), Error> {
///         Ok(())
///     }
///     fn request_address(&mut self, _: AddressRequest) -> Result<AddressGrant, Error> {
///         Ok(AddressGrant::without_address())
///     }
///     fn release_address(&mut self, _pool_id: &str, _address: IpAddr) -> Result<(), Error> {
///         Ok(())
///     }
/// }
///
/// let registrations = Nothing::registrations("{}")?;
/// assert_eq!(registrations[0].name, "nothing");
/// # Ok::<(), Error>(())
/// ```
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

    /// The registration of one name, or nothing if the component has no driver of
    /// that name. Override it where that is cheaper than to find all names.
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
    /// what was granted: after a refusal they discard the instance and start a
    /// new one.
    fn release_pool(&mut self, pool_id: &str) -> Result<(), Error>;

    /// Leases an address.
    ///
    /// A given address must be leased exactly, or refused: `IpOutOfRange`,
    /// `IpAlreadyAllocated`. Otherwise the driver picks any free address of
    /// the pool, or of its sub-pool if it has one, or refuses with
    /// `NoAvailableIps`.
    fn request_address(&mut self, request: AddressRequest) -> Result<AddressGrant, Error>;

    /// Forgets a lease. Hosts release only what was granted: after a refusal they
    /// discard the instance and start a new one.
    fn release_address(&mut self, pool_id: &str, address: IpAddr) -> Result<(), Error>;

    /// Whether it says that it is part of its host. Hosts do not rely on it.
    fn is_built_in(&mut self) -> bool {
        false
    }
}

/// A driver that says how full its pools are: `export!(MyDriver, status)`.
///
/// ```
/// # use ipam_driver::*;
/// # use std::{collections::BTreeMap, net::IpAddr};
/// struct Lab {
///     leases: BTreeMap<String, u64>, // of each pool, all of them /24
/// }
///
/// impl Status for Lab {
///     fn pool_status(&mut self, pool_id: &str) -> Result<SubnetStatus, Error> {
///         let leases = *self.leases.get(pool_id).ok_or(Code::PoolNotFound)?;
///         // Network and broadcast address are in use, too.
///         let ips_in_use = leases + 2;
///         Ok(SubnetStatus { ips_in_use, dynamic_ips_available: 256 - ips_in_use })
///     }
/// }
///
/// let mut lab = Lab { leases: BTreeMap::from([("192.0.2.0/24".to_owned(), 4)]) };
/// assert_eq!(lab.pool_status("192.0.2.0/24")?.dynamic_ips_available, 250);
/// assert_eq!(lab.pool_status("x").unwrap_err().code(), Code::PoolNotFound);
/// # impl Driver for Lab {
/// #     const NAME: &'static str = "lab";
/// #     fn new(_: &str) -> Result<Self, Error> { Ok(Self { leases: BTreeMap::new() }) }
/// #     fn default_address_spaces(&mut self) -> Result<AddressSpaces, Error> { unimplemented!() }
/// #     fn request_pool(&mut self, _: PoolRequest) -> Result<PoolGrant, Error> { unimplemented!() }
/// #     fn release_pool(&mut self, _: &str) -> Result<(), Error> { unimplemented!() }
/// #     fn request_address(&mut self, _: AddressRequest) -> Result<AddressGrant, Error> { unimplemented!() }
/// #     fn release_address(&mut self, _: &str, _: IpAddr) -> Result<(), Error> { unimplemented!() }
/// # }
/// # export!(Lab, status);
/// # Ok::<(), Error>(())
/// ```
pub trait Status: Driver {
    /// The status of a granted pool.
    ///
    /// # Errors
    /// As the other methods, for a pool id that the driver does not know.
    fn pool_status(&mut self, pool_id: &str) -> Result<SubnetStatus, Error>;
}
