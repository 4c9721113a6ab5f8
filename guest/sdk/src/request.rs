//! What a driver is asked and what it answers, in the types of the field.
//!
//! `host/api` has the same vocabulary for the host. The two are apart on purpose:
//! guests and host share nothing but `wit/`.
//!
//! - A change of one must not reach into the other: components that were built with
//!   this crate run on newer hosts, and a host must not depend on what a guest says.
//! - They are read by other people: this one by authors of drivers, that one by those
//!   who change Wipam. So a name here is explained by what a driver does with it.
//! - They differ where their sides do: an id is a text here, and checked there.
//!
//! The same holds for the errors (`error.rs`) and the well-known names (`names.rs`).

use crate::names;
use alloc::{collections::BTreeMap, string::String, vec::Vec};
use core::net::IpAddr;
use ipnet::IpNet;

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
    ///
    /// ```
    /// use ipam_driver::Family;
    ///
    /// assert_eq!(Family::of(&"fd00::/48".parse()?), Family::Ipv6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn of(prefix: &IpNet) -> Self {
        match prefix {
            IpNet::V4(_) => Self::Ipv4,
            IpNet::V6(_) => Self::Ipv6,
        }
    }
}

/// What a driver needs of its host. The default is [`Capability::REPLAY`].
///
/// ```
/// use ipam_driver::Capability;
///
/// // For a driver whose leases follow from MAC addresses:
/// let both = Capability { requires_mac_address: true, ..Capability::REPLAY };
/// assert!(both.requires_request_replay);
/// assert_eq!(Capability::default(), Capability::REPLAY);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capability {
    /// Every address request for an endpoint must carry its MAC address, see
    /// [`AddressRequest::mac_address`].
    pub requires_mac_address: bool,
    /// The driver keeps its state in memory: a new instance is told everything
    /// that is granted, as exact requests, before it serves.
    pub requires_request_replay: bool,
}

impl Capability {
    /// Nothing: the driver keeps no state, or keeps it elsewhere.
    pub const NOTHING: Self = Self { requires_mac_address: false, requires_request_replay: false };
    /// Replay: the driver keeps its state in memory.
    pub const REPLAY: Self = Self { requires_mac_address: false, requires_request_replay: true };
}

impl Default for Capability {
    fn default() -> Self {
        Self::REPLAY
    }
}

/// A name that a component serves, and what it needs for that.
///
/// ```
/// use ipam_driver::{Capability, Registration};
///
/// // One component, a driver for each rack.
/// let racks = ["rack-7", "rack-8"]
///     .map(|name| Registration { name: name.into(), capability: Capability::REPLAY });
/// assert_eq!(racks[1].name, "rack-8");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// `[A-Za-z0-9][A-Za-z0-9_.-]{0,63}`.
    pub name: String,
    /// What the driver of that name needs.
    pub capability: Capability,
}

/// The names of a driver's two address spaces; they may be the same.
///
/// ```
/// use ipam_driver::AddressSpaces;
///
/// assert_eq!(AddressSpaces::new("lab", "lab").local, "lab");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressSpaces {
    /// For networks of one node.
    pub local: String,
    /// For networks of a cluster.
    pub global: String,
}

impl AddressSpaces {
    /// The names of two address spaces.
    #[must_use]
    pub fn new(local: impl Into<String>, global: impl Into<String>) -> Self {
        Self { local: local.into(), global: global.into() }
    }
}

/// Which pool is asked for.
///
/// ```
/// use ipam_driver::{Family, PoolChoice};
///
/// // docker network create: with nothing said, Docker 29's size, --subnet
/// let choices = [
///     PoolChoice::Automatic(Family::Ipv4),
///     PoolChoice::Sized(Family::Ipv4, 26),
///     PoolChoice::Exact("192.0.2.0/24".parse()?),
/// ];
/// let asked = |choice| match choice {
///     PoolChoice::Automatic(_) => 24, // of this driver's own choosing
///     PoolChoice::Sized(_, length) => length,
///     PoolChoice::Exact(prefix) => prefix.prefix_len(),
/// };
/// assert_eq!(choices.map(asked), [24, 26, 24]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolChoice {
    /// Any pool of that family.
    Automatic(Family),
    /// Any pool of that family and prefix length. The length is the caller's:
    /// it may be one that the family does not have.
    Sized(Family, u8),
    /// This very pool; host bits are zero.
    Exact(IpNet),
}

/// A request for a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolRequest {
    /// One of the driver's address spaces, or a name that it must refuse.
    pub address_space: String,
    /// Which pool.
    pub pool: PoolChoice,
    /// The part of an exact pool that addresses without a name shall come
    /// from; host bits are zero.
    pub sub_pool: Option<IpNet>,
    /// The operator's words for the driver.
    pub options: Options,
    /// What an automatic or sized pool should not overlap, sorted. Advice: a
    /// driver that ignores it is asked again.
    pub exclude: Vec<IpNet>,
}

impl PoolRequest {
    /// Whether the host tells a new instance what was granted before, and how
    /// that had been asked for.
    #[must_use]
    pub fn replay(&self) -> Option<Replay> {
        Replay::of(&self.options)
    }
}

/// A pool that a driver proposes to grant.
///
/// ```
/// use ipam_driver::{PoolGrant, names};
///
/// // With the gateway that the driver chose: none will be requested then.
/// let mut grant = PoolGrant::new("192.0.2.0/24", "192.0.2.0/24".parse()?);
/// grant.data.insert(names::GATEWAY.into(), "192.0.2.254/24".into());
/// assert_eq!(grant.pool.prefix_len(), 24);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolGrant {
    /// The driver's name for the pool, 1 to 256 bytes, opaque to the host.
    pub pool_id: String,
    /// The pool. A length of 0 in answer to an automatic request means "no
    /// pool": no address can be leased under it.
    pub pool: IpNet,
    /// Facts for the caller, such as [`names::GATEWAY`].
    pub data: Options,
}

impl PoolGrant {
    /// A pool about which there is nothing more to say.
    #[must_use]
    pub fn new(pool_id: impl Into<String>, pool: IpNet) -> Self {
        Self { pool_id: pool_id.into(), pool, data: Options::new() }
    }
}

/// A request for an address.
///
/// ```
/// use ipam_driver::{AddressRequest, Options, names};
///
/// // What Docker asks when it makes a network.
/// let gateway = names::GATEWAY.to_owned();
/// let options = Options::from([(names::REQUEST_ADDRESS_TYPE.to_owned(), gateway)]);
/// let request = AddressRequest { pool_id: "192.0.2.0/24".into(), address: None, options };
/// assert!(request.is_gateway());
/// assert_eq!((request.mac_address(), request.replay()), (None, None));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressRequest {
    /// The driver's name for a pool that it granted.
    pub pool_id: String,
    /// This very address; or any, if there is none.
    pub address: Option<IpAddr>,
    /// What it is for and who wants it.
    pub options: Options,
}

impl AddressRequest {
    /// Whether the address becomes the pool's gateway.
    #[must_use]
    pub fn is_gateway(&self) -> bool {
        self.option(names::REQUEST_ADDRESS_TYPE) == Some(names::GATEWAY)
    }

    /// Whether addresses shall be handed out one after the other. Only the
    /// exact text `true` asks for that, as in libnetwork.
    #[must_use]
    pub fn is_serial(&self) -> bool {
        self.option(names::ALLOC_SERIAL_PREFIX) == Some("true")
    }

    /// The endpoint's MAC address, as the engine wrote it. Sent to drivers
    /// with [`Capability::requires_mac_address`], and not for gateways.
    #[must_use]
    pub fn mac_address(&self) -> Option<&str> {
        self.option(names::MAC_ADDRESS)
    }

    /// The endpoint's name, from Docker 29 on.
    #[must_use]
    pub fn endpoint_name(&self) -> Option<&str> {
        self.option(names::ENDPOINT_NAME)
    }

    /// Whether the host tells a new instance what was granted before, and how
    /// that had been asked for.
    #[must_use]
    pub fn replay(&self) -> Option<Replay> {
        Replay::of(&self.options)
    }

    fn option(&self, key: &str) -> Option<&str> {
        self.options.get(key).map(String::as_str)
    }
}

/// An address that a driver proposes to lease.
///
/// ```
/// use ipam_driver::{AddressGrant, IpNet};
///
/// // The length is that of the pool, also when the address is of a sub-pool.
/// let grant = AddressGrant::new(IpNet::new_assert("192.0.2.130".parse()?, 24));
/// assert_eq!(grant.address.map(|address| address.to_string()).as_deref(), Some("192.0.2.130/24"));
/// assert_eq!(AddressGrant::without_address().address, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressGrant {
    /// The address, host bits kept, with the prefix length of its pool (not of
    /// its sub-pool). Nothing is a success too: the endpoint gets no address.
    pub address: Option<IpNet>,
    /// Facts for the caller.
    pub data: Options,
}

impl AddressGrant {
    /// An address about which there is nothing more to say.
    #[must_use]
    pub fn new(address: IpNet) -> Self {
        Self { address: Some(address), data: Options::new() }
    }

    /// Success without an address.
    #[must_use]
    pub fn without_address() -> Self {
        Self { address: None, data: Options::new() }
    }
}

/// How a replayed request had once been asked for.
///
/// ```
/// use ipam_driver::{Options, PoolChoice, PoolRequest, Replay, names};
///
/// // A pool that the driver had chosen before, told to its next instance.
/// let automatic = names::REPLAY_AUTOMATIC.to_owned();
/// let request = PoolRequest {
///     address_space: "lab".into(),
///     pool: PoolChoice::Exact("10.64.0.0/24".parse()?),
///     sub_pool: None,
///     options: Options::from([(names::REPLAY.to_owned(), automatic)]),
///     exclude: Vec::new(),
/// };
/// assert_eq!(request.replay(), Some(Replay::Automatic));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// The caller had named it.
    Explicit,
    /// The driver had chosen it.
    Automatic,
}

impl Replay {
    fn of(options: &Options) -> Option<Self> {
        match options.get(names::REPLAY)?.as_str() {
            names::REPLAY_AUTOMATIC => Some(Self::Automatic),
            _ => Some(Self::Explicit),
        }
    }
}

/// How full a pool is. Numbers that do not fit are [`u64::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubnetStatus {
    /// Addresses in use in the whole pool, reserved ones included.
    pub ips_in_use: u64,
    /// Addresses that a request without a name can still get.
    pub dynamic_ips_available: u64,
}

/// A pool or an address that a system of record holds in this host's name.
///
/// ```
/// use ipam_driver::HeldRecord;
///
/// let address = HeldRecord {
///     id: "ip-addresses/17".into(),
///     address_space: "lab".into(),
///     pool: "192.0.2.0/24".parse()?,
///     address: Some("192.0.2.7".parse()?),
///     label: "https://ipam.example/ip-addresses/17/".into(),
/// };
/// assert!(address.pool.contains(&address.address.unwrap()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldRecord {
    /// The system's own name for it, 1 to 256 bytes, opaque to the host.
    pub id: String,
    /// The driver's address space that it is in.
    pub address_space: String,
    /// The pool, or the pool of the address; host bits are zero.
    pub pool: IpNet,
    /// The address, one of that pool; nothing for the pool itself.
    pub address: Option<IpAddr>,
    /// A few words by which an operator finds it there, such as its URL.
    pub label: String,
}

/// Some of what a system of record holds in this host's name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordPage {
    /// At most as many as were asked for.
    pub records: Vec<HeldRecord>,
    /// Where the next page begins: 1 to 1024 bytes. Nothing after the last page.
    pub next: Option<String>,
}
