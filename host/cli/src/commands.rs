//! One file for each command: its arguments, and what it does.

pub(crate) mod addresses;
pub(crate) mod backup;
pub(crate) mod check;
pub(crate) mod compile;
pub(crate) mod compose;
pub(crate) mod driver;
pub(crate) mod drivers;
pub(crate) mod history;
pub(crate) mod new;
pub(crate) mod pools;
pub(crate) mod reconcile;
pub(crate) mod release;
pub(crate) mod serve;
pub(crate) mod test;
