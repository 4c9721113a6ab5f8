//! `ipam-allocator` in the words of the contract: what drivers share that grant pools
//! as `default` does.
//!
//! In: requests in the SDK's types. Out: grants and refusals in them, with the
//! reference's words. [`Pools`] is all that `default` is; [`Withheld`] is for a policy that
//! withholds some free addresses from requests for any address, and [`Store`] for one
//! that remembers them.
//!
//! This crate knows no host: what it asks a store, a test answers as well.

#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod config;
pub mod location;
mod pools;
mod store;
mod withheld;

pub use config::{Config, refusal};
pub use ipam_allocator::PoolName;
pub use location::Location;
pub use pools::Pools;
#[cfg(not(target_family = "wasm"))]
pub use store::Memory;
pub use store::{HostStore, Store, read_all};
pub use withheld::Withheld;
