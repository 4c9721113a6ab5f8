//! Drivers that mean harm, one for each limit, and what becomes of them.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may")]

mod compile;
mod gate;
mod grants;
mod guest;
mod harm;
mod inert;
mod lab;
mod memory;
mod store;
mod words;
