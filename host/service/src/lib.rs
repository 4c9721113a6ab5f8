//! Ask the driver, record in the ledger, reply.
//!
//! In: ways to make drivers ([`ipam_api::Factory`]), a store for the ledger,
//! and requests. Out: [`ipam_api::Mount`]s, told to subscribers, that answer
//! with what is durable.
//!
//! - [`Service`] is the registry: names, origins, subscribers, loading;
//! - each registered driver has one queue and one plain thread (`worker`) that
//!   owns its instance and its part of the ledger: it asks, checks and stages;
//! - one committer folds what all threads staged into one transaction, and
//!   answers.
//!
//! What must hold:
//!
//! - nothing is answered before the state it was computed on is durable;
//! - an instance that broke is never called again; the next one learns the
//!   ledger, and that is the only way to recover from anything;
//! - one driver's failure is not noticed by another.
//!
//! This crate knows no WebAssembly, no protocol and no medium.

mod committer;
mod instance;
mod limits;
mod load;
mod mount;
mod outage;
mod queue;
mod rebuild;
mod registration;
mod release;
mod service;
mod worker;

#[cfg(test)]
mod tests;

pub use limits::Limits;
pub use load::{LoadError, LoadOptions, Origin};
pub use mount::ask;
pub use service::Service;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, whoever panicked before: every critical section here leaves its
/// data whole, and one driver's panic is no reason to stop another.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
