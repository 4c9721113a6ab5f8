//! What others hold of a driver: its handle, and the queue to its thread.

pub(crate) mod handle;
pub(crate) mod message;
pub(crate) mod queue;
pub(crate) mod ticket;
