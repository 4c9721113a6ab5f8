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
mod request;
pub mod store;
mod text;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod wasm;

pub use driver::{Driver, Status};
pub use error::{Code, Error, Kind};
pub use ipnet::{IpNet, Ipv4Net, Ipv6Net};
pub use request::{
    AddressGrant, AddressRequest, AddressSpaces, Capability, Family, Options, PoolChoice,
    PoolGrant, PoolRequest, Registration, Replay, SubnetStatus,
};
pub use text::parse_prefix;

/// What `export!` checks off wasm.
#[doc(hidden)]
pub fn is_driver<D: Driver>() {}

/// What `export!(_, status)` checks off wasm.
#[doc(hidden)]
pub fn has_status<D: Status>() {}

#[cfg(test)]
mod tests;
