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
//!
//! # Example
//!
//! Values of the contract:
//!
//! ```
//! use ipam_api::{Code, DriverName, Family, PoolChoice, PoolRequest, parse_prefix};
//!
//! // Text is parsed at the edge, once.
//! let pool = parse_prefix("192.0.2.0/24")?;
//! let request = PoolRequest::new("local", PoolChoice::Exact(pool));
//! assert_eq!(request.pool.family(), Family::Ipv4);
//! assert!("../example".parse::<DriverName>().is_err());
//! // A refusal is a name of the contract with a text, libnetwork's unless another is given.
//! assert_eq!(ipam_api::Error::from(Code::InvalidPool).to_string(), Code::InvalidPool.text());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod driver;
mod error;
mod handle;
mod name;
pub mod names;
mod origin;
mod parse;
mod record;
mod request;
mod show;
pub mod text;

pub use driver::{Callback, Driver, Factory, Start, Stored, Writes};
pub use error::{Code, Error, Failure, Kind, with_causes};
pub use handle::{DriverHandle, Receipt, Reply, Served, Subscriber};
pub use ipnet::{IpNet, Ipv4Net, Ipv6Net};
pub use name::{DriverName, InvalidDriverName, InvalidPoolId, POOL_ID_MAX_BYTES, PoolId};
pub use origin::{Digest, InvalidDigest, Server};
pub use parse::{InvalidAddress, InvalidPrefix, parse_address, parse_prefix};
pub use record::{
    HeldRecord, InvalidRecordId, RECORD_CURSOR_MAX_BYTES, RECORD_ID_MAX_BYTES,
    RECORD_LABEL_MAX_BYTES, RecordId, RecordPage, RecordsAnswer, RecordsRequest, Removal,
};
pub use request::{
    AddressGrant, AddressRequest, AddressSpaces, Answer, Capability, Family, Options, PoolChoice,
    PoolGrant, PoolRequest, PoolStatus, Request,
};
