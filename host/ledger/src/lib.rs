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
//!
//! # Example
//!
//! A driver proposes, the ledger decides:
//!
//! ```
//! use ipam_api::{Family, Options, PoolChoice, PoolGrant, PoolRequest, Server};
//! use ipam_ledger::{Actor, Audit, Caller, State, Time};
//!
//! let cause = Audit { at: Time(0), by: Actor::Asked(Server::Library) };
//! let caller = Caller { cause, global_space: None, loaded: 0, asked_at: None };
//! let request = PoolRequest::new("local", PoolChoice::Automatic(Family::Ipv4));
//! let proposal = |id: &str| PoolGrant {
//!     pool_id: id.try_into().expect("it is short"),
//!     pool: "192.0.2.0/24".parse().expect("a prefix"),
//!     data: Options::new(),
//! };
//!
//! let mut state = State::default();
//! let event = state.check_pool(&request, &proposal("first"), &caller)?;
//! state.apply(&event);
//! // The driver proposes the same addresses again.
//! assert!(state.check_pool(&request, &proposal("second"), &caller).is_err());
//! # Ok::<(), ipam_ledger::Violation>(())
//! ```

mod check;
mod claims;
mod durable;
mod entry;
mod event;
mod gateway;
mod plain;
mod recorded;
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
