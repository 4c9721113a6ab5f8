#![doc = include_str!("../README.md")]

mod compare;
mod engine;
mod held;
mod known;
#[cfg(test)]
mod property;
mod reconcile;
pub mod records;
mod report;

pub use compare::{Unknown, compare};
pub use engine::{DockerEngines, EngineError, ErrorKind, Limits};
pub use held::{GrantedBy, Held, HeldLease, HeldPool, Space};
pub use known::{Network, Observation, Subnet, Swarms};
pub use reconcile::{Clock, Engines, Error, Ledger, Options, Progress, TokioClock, reconcile};
pub use report::{Found, Report};
