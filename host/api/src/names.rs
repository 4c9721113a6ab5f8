//! The well-known names of libnetwork's contract, and of Wipam. `guest/sdk` has its own
//! on purpose: `request.rs` says why.
//!
//! Source: moby `daemon/libnetwork/ipamapi` and `netlabel`; the table with
//! their history is in `wit/README.md`.

/// The name of the built-in allocator, `ipamapi.DefaultIPAM`.
pub const DEFAULT_IPAM: &str = "default";
/// The name of the driver that gives nothing, `ipamapi.NullIPAM`.
pub const NULL_IPAM: &str = "null";
/// The plugin type of IPAM drivers, `ipamapi.PluginEndpointType`.
pub const PLUGIN_ENDPOINT_TYPE: &str = "IpamDriver";
/// Option key of an address request: what the address is for.
pub const REQUEST_ADDRESS_TYPE: &str = "RequestAddressType";
/// The prefix of all of Docker's labels, `ipamapi.Prefix`.
pub const PREFIX: &str = "com.docker.network";
/// Option key that asks for serial allocation; only the value `true` does.
pub const ALLOC_SERIAL_PREFIX: &str = "com.docker.network.ipam.serial";
/// Value of [`REQUEST_ADDRESS_TYPE`] for a gateway, and key in a pool's data
/// for a gateway that the driver chose.
pub const GATEWAY: &str = "com.docker.network.gateway";
/// Option key: the endpoint's MAC address.
pub const MAC_ADDRESS: &str = "com.docker.network.endpoint.macaddress";
/// Option key: the endpoint's name (Docker 29 and later).
pub const ENDPOINT_NAME: &str = "com.docker.network.endpoint.name";
/// Option key of a replayed request: how it was once asked for.
pub const REPLAY: &str = "wipam.replay";
/// Value of [`REPLAY`]: the caller had named it.
pub const REPLAY_EXPLICIT: &str = "explicit";
/// Value of [`REPLAY`]: the driver had chosen it.
pub const REPLAY_AUTOMATIC: &str = "automatic";
/// Key in the data of an address grant, for the host alone: the driver found the
/// address in its system of record, in this host's name, and does not know whether it
/// is leased. If it is, nothing is wrong, and the driver is asked for another. Its value
/// does not matter.
pub const LEFT_OVER: &str = "wipam.left-over";
