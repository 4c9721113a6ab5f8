//! Ask the driver, record in the ledger, reply.
//!
//! In: ways to make drivers ([`ipam_api::Factory`]), a store for the ledger,
//! and requests. Out: [`ipam_api::DriverHandle`]s, given to subscribers, that answer
//! with what is durable.
//!
//! - `service`: [`Service`] is the registry of drivers and subscribers, and has what
//!   operators ask and change;
//! - `worker`: one plain thread for each driver, which takes from its queue;
//! - `front`: a driver's handle and its queue;
//! - `lifecycle`: when and how a driver's next instance comes;
//! - `commit`: one transaction for what several threads staged, and the answers;
//! - `serve`: the processor, a value: it asks the driver, checks and stages.
//!
//! Nothing uses what is above it in this list.
//!
//! What must hold:
//!
//! - nothing is answered before the state it was computed on is durable;
//! - an instance that broke is never called again; the ledger is replayed into the
//!   next one, and that is the only way to recover from any failure;
//! - one driver's failure is not noticed by another.
//!
//! This crate knows no WebAssembly, no protocol and no file format.
//!
//! A native driver, served and asked; a component differs only in where its
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

mod clock;
mod commit;
mod error;
mod front;
mod health;
mod lifecycle;
mod limits;
mod meter;
mod panics;
mod serve;
mod service;
mod sync;
mod worker;

#[cfg(test)]
mod tests;

pub use front::{
    handle::{ask, ask_within},
    message::Held,
};
pub use health::HealthProblem;
pub use lifecycle::{
    load::{LoadError, LoadOptions},
    maker::Maker,
    registration::Origin,
};
pub use limits::Limits;
pub use meter::{Call, Latency, Outcome, Reading, outcome_word};
pub use service::{
    compare::CheckReport,
    inspect::{DriverInfo, NotNow},
    registry::Service,
    upgrade::{UpgradeError, Upgraded},
};
