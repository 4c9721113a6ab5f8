//! Makes durable what drivers' threads staged, and answers.

pub(crate) mod commits;
pub(crate) mod committer;
pub(crate) mod pending;
pub(crate) mod store;
