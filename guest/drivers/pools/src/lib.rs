//! `ipam-allocator` in the words of the contract: what drivers share that grant pools
//! as `default` does.
//!
//! In: requests in the SDK's types. Out: grants and refusals in them, with the
//! reference's words. [`Pools`] is all that `default` is; [`Withheld`] is for a policy that
//! withholds some free addresses from requests for any address, and [`Store`] for one
//! that remembers them.
//!
//! This crate knows no host: what it asks a store, a test answers as well.
//!
//! # Example
//!
//! The operator's table, a pool of it, and an address:
//!
//! ```
//! use ipam_driver::{Family, Options, PoolChoice, PoolRequest};
//! use ipam_pools::Config;
//!
//! let config = r#"{"default-address-pools": [{"base": "10.1.0.0/16", "size": 24}]}"#;
//! let mut pools = Config::parse(config)?.pools()?;
//! let pool = pools.request_pool(&PoolRequest {
//!     address_space: "LocalDefault".into(),
//!     pool: PoolChoice::Automatic(Family::Ipv4),
//!     sub_pool: None,
//!     options: Options::new(),
//!     exclude: Vec::new(),
//! })?;
//! assert_eq!(pool.pool_id, "LocalDefault/10.1.0.0/24");
//! let leased = pools.request_address(&pool.pool_id, None, false)?;
//! assert_eq!(leased.to_string(), "10.1.0.1/24");
//! # Ok::<(), ipam_driver::Error>(())
//! ```

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
