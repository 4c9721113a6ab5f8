#![doc = include_str!("../README.md")]
//!
//! # Example
//!
//! What `wipam drivers` asks:
//!
//! ```no_run
//! use ipam_admin::{Client, ClientError, wire};
//! use std::path::Path;
//!
//! let mut client = Client::connect(Path::new("/var/lib/wipam/admin.sock"))?;
//! let notes = client.ask(&wire::Ask::Drivers, |driver: wire::Driver| {
//!     println!("{driver:?}");
//!     Ok::<(), ClientError>(())
//! })?;
//! # Ok::<(), ipam_admin::ClientError>(())
//! ```

mod answer;
mod client;
mod drivers;
mod history;
mod host;
pub mod json;
mod lookup;
mod out;
mod records;
mod rows;
mod server;
mod socket;
mod timestamp;
pub mod wire;

pub use client::{Client, ClientError};
pub use host::{Host, Upgrade};
pub use server::{Limits, Server};
pub use timestamp::{NotATimestamp, Timestamp};

/// The name of the socket in the state directory.
pub const SOCKET: &str = "admin.sock";
