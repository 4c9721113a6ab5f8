//! The durable store against crashes, failures, damage and real directories.

#![expect(clippy::unwrap_used, reason = "a test may")]

mod crash;
mod damage;
mod disk;
mod failing;
mod files;
mod history;
mod script;
