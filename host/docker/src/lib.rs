#![doc = include_str!("../PROTOCOL.md")]

mod body;
mod config;
mod connection;
mod connection_state;
mod delivery;
mod outcome;
mod replies;
mod routes;
mod server;
mod socket;
mod submit;
pub mod wire;

pub use config::{Config, Limits};
pub use server::Server;
pub use socket::SocketError;
