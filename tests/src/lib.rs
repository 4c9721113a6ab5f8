//! What the end-to-end tests, benchmarks and programs share.

pub mod books;
pub mod callers;
pub mod contract;
pub mod daemon;
pub mod engine;
pub mod exchange;
pub mod golden;
pub mod http;
pub mod measure;
pub mod mount;
pub mod naive;
pub mod operator;
pub mod plugin;
pub mod programs;
pub mod stack;
