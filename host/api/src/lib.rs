//! The IPAM contract in Rust: what `wit/` says, for those who do not speak
//! WebAssembly.
//!
//! Three seams meet here and nothing else does:
//!
//! - [`Driver`] and [`Factory`]: what the service asks, whether a component or
//!   native code answers;
//! - [`DriverHandle`]: a registered driver in service, as a protocol server sees it;
//! - [`Subscriber`]: who hears that a driver came or went.
//!
//! What strangers can write into is written through [`text`].
//!
//! This crate knows nothing of JSON, files, sockets, threads or wasm.

mod driver;
mod error;
mod handle;
mod name;
pub mod names;
mod origin;
mod parse;
mod request;
pub mod text;

pub use driver::{Callback, Driver, Factory, Start, Stored, Writes};
pub use error::{Code, Error, Failure, Kind, with_causes};
pub use handle::{DriverHandle, Receipt, Reply, Served, Subscriber};
pub use ipnet::{IpNet, Ipv4Net, Ipv6Net};
pub use name::{DriverName, InvalidDriverName, InvalidPoolId, POOL_ID_MAX_BYTES, PoolId};
pub use origin::{Digest, InvalidDigest, Server};
pub use parse::{InvalidAddress, InvalidPrefix, parse_address, parse_prefix};
pub use request::{
    AddressGrant, AddressRequest, AddressSpaces, Answer, Capability, Family, Options, PoolChoice,
    PoolGrant, PoolRequest, PoolStatus, Request,
};
