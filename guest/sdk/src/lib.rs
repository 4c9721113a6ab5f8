#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod delegate;
mod driver;
mod error;
mod export;
pub mod log;
pub mod names;
pub mod plugins;
mod records;
mod request;
pub mod store;
mod text;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod wasm;

pub use driver::{Driver, Status};
pub use error::{Code, Error, Kind};
pub use ipnet::{IpNet, Ipv4Net, Ipv6Net};
pub use records::Records;
pub use request::{
    AddressGrant, AddressRequest, AddressSpaces, Capability, Family, HeldRecord, Options,
    PoolChoice, PoolGrant, PoolRequest, RecordPage, Registration, Replay, SubnetStatus,
};
pub use text::parse_prefix;

/// What `export!` checks off wasm.
#[doc(hidden)]
pub fn is_driver<D: Driver>() {}

/// What `export!(_, status)` checks off wasm.
#[doc(hidden)]
pub fn has_status<D: Status>() {}

/// What `export!(_, records)` checks off wasm.
#[doc(hidden)]
pub fn has_records<D: Records>() {}

#[cfg(test)]
mod tests;
