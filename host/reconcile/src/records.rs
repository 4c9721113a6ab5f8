//! Compares one driver's part of the ledger with its system of record, both ways, and
//! gives back what only the system has of ours.

mod compare;
#[cfg(test)]
mod property;
mod report;
mod run;

pub use compare::{Comparison, Differences, Differing, Entry, Leftover};
pub use report::{Checked, GivenBack, Refused, line};
pub use run::{DriverClient, LOOK_UPS_MAX, Outcome, Progress, REMOVALS_MAX, check, give_back};
