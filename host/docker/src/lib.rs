#![doc = include_str!("../PROTOCOL.md")]
//!
//! # Example
//!
//! A server that subscribes to a service:
//!
//! ```
//! use ipam_docker::{Config, Server};
//! use std::time::Duration;
//!
//! # async fn example() {
//! let config = Config { plugin_dir: "/run/docker/plugins".into(), ..Config::default() };
//! let server = Server::new(config, tokio::runtime::Handle::current());
//! // `Service::subscribe` of ipam-service gives it a socket for each driver. In the end:
//! server.shutdown(Duration::from_secs(10)).await;
//! # }
//! ```

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
