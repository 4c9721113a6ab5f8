#![doc = include_str!("../README.md")]

mod answer;
mod client;
mod drivers;
mod history;
pub mod json;
mod moment;
mod rows;
mod server;
mod socket;
pub mod wire;

pub use client::{Client, ClientError};
pub use moment::{Moment, NotAMoment};
pub use server::{Host, Limits, Server, Upgrade};

/// The name of the socket in the state directory.
pub const SOCKET: &str = "admin.sock";
