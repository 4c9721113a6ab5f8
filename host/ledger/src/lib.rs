//! What is granted, and what may be.
//!
//! In: requests, a driver's proposals, and the events of earlier days. Out:
//! refusals, violations, and events that somebody makes durable.
//!
//! - [`State`] is one driver's part of the ledger, a pure value: it checks
//!   ([`State::check_pool`], [`State::check_address`]), decides about releases
//!   and undoes ([`State::release_pool`], [`State::undo`]), and changes only by
//!   [`State::apply`];
//! - [`Event`] is one change, plain data;
//! - [`Store`] is the seam behind which events become durable;
//! - [`DurableStore`] is one on a disk, and the only part that does I/O.
//!
//! This crate knows no time of day, no thread, no driver and no protocol.

mod check;
mod claims;
mod durable;
mod entry;
mod event;
mod gateway;
mod plain;
mod release;
mod replay;
mod space;
mod state;
mod store;
mod unusable;
mod violation;

#[cfg(test)]
mod model;
#[cfg(test)]
mod property;
#[cfg(test)]
mod tests;

pub use check::Decision;
pub use durable::{
    Directory, DurableError, DurableStore, JOURNAL_BYTES, Opened, Retention, Storage,
    catches_panics,
};
pub use entry::{Actor, Asked, Audit, Caller, Lease, Pool, Session, Time, Version};
pub use event::{Event, Record};
pub use replay::Replay;
pub use state::{Release, State};
pub use store::{Changes, MemoryStore, Past, Store, StoreError, View};
pub use unusable::unusable;
pub use violation::Violation;
