#![doc = include_str!("../README.md")]

mod api;
mod config;
mod pools;
mod system;
#[cfg(test)]
mod tests;

pub use system::System;

ipam_http_driver::driver!(
    /// The driver `phpipam`.
    PhpIpam, System<ipam_http_driver::Host>
);
