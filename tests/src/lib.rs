//! What the end-to-end tests, benchmarks and programs share.

pub mod books;
pub mod daemon;
pub mod engine;
pub mod golden;
pub mod http;
pub mod mount;
pub mod naive;
pub mod plugin;
pub mod stack;
