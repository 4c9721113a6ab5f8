//! Runs driver components.
//!
//! In: a component's bytes and the [`Limits`] it runs under. Out: a
//! [`Component`], which is an [`ipam_api::Factory`] whose drivers cannot be
//! told from native ones, except that they may fail as [`Failure::Broken`].
//!
//! Only this crate knows WebAssembly. What holds throughout:
//!
//! - a driver gets the imports that its world names and nothing else; a
//!   component that wants more is refused at load;
//! - an instance that failed is never called again;
//! - host functions only record, or ask by HTTP or a plugin for whom that was
//!   granted:
//!   nothing here calls a driver from inside a driver's call, and no wait
//!   outlasts it;
//! - nothing that a guest returns is believed before it was converted.
//!
//! Drivers belong on plain threads: WASI's synchronous side must not run on a
//! worker of tokio.
//!
//! # Example
//!
//! A component from a file:
//!
//! ```no_run
//! use ipam_runtime::{Limits, Runtime};
//!
//! let runtime = Runtime::new(None)?;
//! let driver = runtime.load("example", &std::fs::read("example.wasm")?, Limits::default())?;
//! // It is an `ipam_api::Factory`, which `Service::load` of ipam-service takes.
//! assert!(!driver.has_status());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Failure::Broken`]: ipam_api::Failure::Broken

mod bindings;
mod clock;
mod compile;
mod component;
mod confine;
mod convert;
mod features;
mod file;
mod gate;
mod grants;
mod halt;
mod http;
mod imports;
mod inspect;
mod instance;
mod last_words;
mod limits;
mod lines;
mod log;
mod metadata;
mod plugins;
mod quota;
mod report;
mod runtime;
mod shape;
mod store;
mod suite;
mod tls;
mod wasi;

pub use compile::compile;
pub use component::{Component, LoadError};
pub use file::read_regular;
pub use grants::{Grants, InvalidUrlPrefix, PluginGrant, StoreLimits, UrlPrefix};
pub use inspect::{GrantKind, Inspection, Need, digest, inspect, refusal};
pub use limits::{
    AnswerLimits, CallLimits, CompileLimits, HttpLimits, InstanceLimits, Limits, PluginLimits,
};
pub use log::Behaviour;
pub use metadata::{Metadata, Producer, metadata};
pub use runtime::{Runtime, SetupError, read_file};
pub use suite::{Subject, Suite, SuiteEnd};
