//! The service: which drivers are in service, and what operators ask and change.

pub(crate) mod compare;
pub(crate) mod inspect;
pub(crate) mod registry;
mod running;
pub(crate) mod upgrade;
