#![doc = include_str!("../PROTOCOL.md")]

mod config;
mod connection;
mod delivery;
mod line;
mod replies;
mod routes;
mod server;
mod socket;
pub mod wire;

pub use config::{Config, Limits};
pub use server::Server;
pub use socket::SocketError;
