//! Ask the driver, record in the ledger, reply.
//!
//! In: ways to make drivers ([`ipam_api::Factory`]), a store for the ledger,
//! and requests. Out: [`ipam_api::DriverHandle`]s, told to subscribers, that answer
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
//!
//! A native driver, hosted and asked; a component differs only in where its
//! factory comes from:
//!
//! ```
//! use ipam_api::{
//!     AddressGrant, AddressRequest, AddressSpaces, Answer, Callback, Driver, Factory, Failure,
//!     Family, Options, PoolChoice, PoolGrant, PoolId, PoolRequest, Request, Start,
//! };
//! use ipam_ledger::MemoryStore;
//! use ipam_service::{Limits, LoadOptions, Origin, Service, ask};
//! use std::{net::IpAddr, sync::Arc};
//!
//! /// Has one pool, and never an address.
//! struct One;
//!
//! impl Driver for One {
//!     fn default_address_spaces(&mut self) -> Result<AddressSpaces, Failure> {
//!         Ok(AddressSpaces { local: "here".into(), global: "there".into() })
//!     }
//!     fn request_pool(&mut self, _: &PoolRequest) -> Result<PoolGrant, Failure> {
//!         let pool_id = PoolId::try_from("one").expect("it is not empty");
//!         let pool = "192.0.2.0/24".parse().expect("a prefix");
//!         Ok(PoolGrant { pool_id, pool, data: Options::new() })
//!     }
//!     fn release_pool(&mut self, _: &PoolId) -> Result<(), Failure> {
//!         Ok(())
//!     }
//!     fn request_address(&mut self, _: &AddressRequest) -> Result<AddressGrant, Failure> {
//!         Ok(AddressGrant { address: None, data: Options::new() })
//!     }
//!     fn release_address(&mut self, _: &PoolId, _: IpAddr) -> Result<(), Failure> {
//!         Ok(())
//!     }
//! }
//!
//! struct MakeOne;
//!
//! impl Factory for MakeOne {
//!     fn make(
//!         &self,
//!         _: &Start,
//!         mut callback: Box<dyn Callback>,
//!     ) -> Result<Box<dyn Driver>, Failure> {
//!         callback.register_ipam_driver("one")?;
//!         Ok(Box::new(One))
//!     }
//! }
//!
//! let service = Service::new(Box::new(MemoryStore::default()), Limits::default())?;
//! let names = service.load(Arc::new(MakeOne), LoadOptions::new(Origin::Component))?;
//! let handle = service.handle(&names[0]).expect("it was loaded");
//! let any = || Request::Pool(PoolRequest {
//!     address_space: "here".into(),
//!     pool: PoolChoice::Automatic(Family::Ipv4),
//!     sub_pool: None,
//!     options: Options::new(),
//!     exclude: Vec::new(),
//! });
//! let Answer::Pool(grant) = ask(&*handle, any())?.answer else { unreachable!() };
//! assert_eq!(grant.pool.to_string(), "192.0.2.0/24");
//! // The driver would grant its pool again; the ledger knows better.
//! assert!(matches!(ask(&*handle, any()), Err(Failure::Broken { .. })));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod ask;
mod bounds;
mod breaker;
mod candidate;
mod committer;
mod ending;
mod handle;
mod health;
mod inspect;
mod instance;
mod kept;
mod limits;
mod load;
mod maker;
mod meter;
mod outage;
mod queue;
mod rebuild;
mod recover;
mod registration;
mod release;
mod service;
mod upgrade;
mod worker;
mod writes;

#[cfg(test)]
mod tests;

pub use handle::{ask, ask_within};
pub use health::Trouble;
pub use inspect::{CheckReport, DriverInfo, Held, NotNow};
pub use limits::Limits;
pub use load::{LoadError, LoadOptions, Origin};
pub use maker::Maker;
pub use meter::{Call, Latency, Outcome, Reading, outcome_word};
pub use service::Service;
pub use upgrade::{UpgradeError, Upgraded};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, whoever panicked before: every critical section here leaves its
/// data whole, and one driver's panic is no reason to stop another.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
