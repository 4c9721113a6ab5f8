//! Serving, as a value: the driver is asked, its answers are checked against
//! the ledger, and changes are staged. No thread, queue, store or clock for
//! retries is here; what happened is returned.

pub(crate) mod bounds;
pub(crate) mod deferred;
pub(crate) mod instance;
mod outage;
mod process;
pub(crate) mod processor;
mod records;
mod release;
mod request;
pub(crate) mod tail;
mod writes;

#[cfg(test)]
mod tests;
