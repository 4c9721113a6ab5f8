//! What the end-to-end tests, benchmarks and programs share.

pub mod daemon;
pub mod engine;
pub mod golden;
pub mod http;
pub mod naive;
pub mod operator;
pub mod plugin;
pub mod programs;
pub mod stack;
