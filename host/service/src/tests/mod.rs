//! The service with drivers that do as they are told.

mod bounds;
mod checks;
mod failures;
mod flaky;
mod gateways;
mod lab;
mod lead;
mod makers;
mod outage;
mod parallel;
mod property;
mod registry;
mod reload;
mod repeats;
mod stored;
mod stores;
mod times;
mod undo;
mod upgrade;
mod upgrade_load;
mod waits;
