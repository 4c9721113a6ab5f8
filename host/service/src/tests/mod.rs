//! The service with drivers that do as they are told.

mod bounds;
mod checks;
mod commits;
mod failures;
pub(crate) mod fake;
mod flaky;
mod gateways;
mod harness;
mod lead;
mod makers;
mod outage;
mod parallel;
mod property;
mod records;
mod registry;
mod reload;
mod repeats;
pub(crate) mod requests;
mod stored;
mod stores;
pub(crate) mod system;
mod times;
mod undo;
mod upgrade;
mod upgrade_load;
mod waits;
mod without_replay;
