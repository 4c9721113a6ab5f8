//! The service: which drivers are in service, and what operators ask and change.

pub(crate) mod compare;
pub(crate) mod inspect;
mod registered;
pub(crate) mod registry;
pub(crate) mod upgrade;
