#![doc = include_str!("../README.md")]

mod answer;
mod client;
mod drivers;
mod history;
pub mod json;
mod rows;
mod server;
mod socket;
mod timestamp;
pub mod wire;

pub use client::{Client, ClientError};
pub use server::{Host, Limits, Server, Upgrade};
pub use timestamp::{NotATimestamp, Timestamp};

/// The name of the socket in the state directory.
pub const SOCKET: &str = "admin.sock";
