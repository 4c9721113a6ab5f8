//! The mind of the `default` driver: libnetwork's built-in allocator.
//!
//! In: requests for pools and addresses, as plain Rust values. Out: what Docker's own
//! allocator would have answered (moby, `daemon/libnetwork/ipams/defaultipam`), or one
//! of its errors in its words. The differences are deliberate and few, and each has a
//! test named after it in `tests/differences.rs`:
//!
//! - an automatic pool is always the lowest free one, and never overlaps;
//! - an IPv6 /127 has two addresses to give and a /128 has one;
//! - a reserved address cannot be released into circulation;
//! - a sub-pool outside its pool is refused;
//! - the family of an exact pool is that of its prefix;
//! - a bad pool and an empty address space are bad requests, not internal errors.
//!
//! This crate knows nothing of WebAssembly, of WIT, of JSON or of Docker's wire; it has
//! no clock, no randomness and no hash tables, so the same requests in the same order
//! get the same answers. Two invariants hold throughout:
//!
//! - no operation is linear in the number of pools or addresses: pools live in a
//!   prefix tree, addresses in a 64-way trie, and the
//!   cost of either depends on the length of an address alone;
//! - no input panics.
//!
//! ```
//! use ipam_allocator::{Allocator, Choice, Family, LOCAL, global_predefined, local_predefined};
//!
//! let mut allocator = Allocator::new(local_predefined(), global_predefined())?;
//! let pool = allocator.request_pool(LOCAL, Choice::Automatic(Family::V4), &[])?;
//! assert_eq!(pool.id, "LocalDefault/172.17.0.0/16");
//! let address = allocator.request_address(&pool.id, None, false)?;
//! assert_eq!(address.to_string(), "172.17.0.1/16");
//! # Ok::<(), ipam_allocator::Error>(())
//! ```

#![no_std]

extern crate alloc;

mod address_set;
mod ages;
mod allocator;
mod block;
mod error;
mod pool;
mod pool_id;
mod pool_name;
mod predefined;
mod prefix_tree;
mod recent;
mod reserved;
mod slab;
mod space;

pub use ages::Ages;
pub use allocator::{Allocator, Choice, GLOBAL, LOCAL, Pool};
pub use block::Family;
pub use error::Error;
pub use pool::Status;
pub use pool_name::{PoolName, Scope};
pub use predefined::{Predefined, global_predefined, local_predefined, ula};
pub use recent::Recent;
pub use reserved::reserved;
