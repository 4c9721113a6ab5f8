//! Docker's protocol over real sockets, against a driver that does as told.
//!
//! Client and server share one thread and, but in `aside`, a clock that only
//! moves when both wait: a time-out of minutes takes no time and always happens.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bad_input;
mod delivery;
mod limits;
mod protocol;
mod shutdown;
mod sockets;
mod support;
mod transcripts;
