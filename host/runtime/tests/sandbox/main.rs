//! Drivers that mean harm, one for each limit, and what becomes of them.

#![expect(clippy::unwrap_used, reason = "a test may")]

mod compile;
mod grants;
mod guest;
mod harm;
mod inert;
mod lab;
mod store;
mod words;
