//! When and how an instance of a driver comes: its load, its restarts after a
//! failure of it or of the store, and new versions.

pub(crate) mod backoff;
pub(crate) mod deadline;
pub(crate) mod load;
pub(crate) mod maker;
pub(crate) mod new_version;
pub(crate) mod recover;
pub(crate) mod registration;
pub(crate) mod replay;
pub(crate) mod shutdown;
pub(crate) mod source;
pub(crate) mod start_error;
mod swap;
