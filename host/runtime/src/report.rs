//! What an operator is told when an instance failed: which call, with what,
//! how it ended, where in the component that was, and what it was allowed.
//!
//! All of it is for the operator. A caller hears of an internal error, because
//! that is all that [`Failure::contract`] says.

use crate::{
    Limits,
    log::{cut, printable},
};
use ipam_api::Failure;
use std::{fmt::Debug, time::Duration};
use wasmtime::Trap;

/// One call that may fail.
pub(crate) struct Report<'a> {
    pub(crate) call: &'static str,
    /// How long it may take.
    pub(crate) time: Duration,
    pub(crate) request: &'a dyn Debug,
    pub(crate) limits: &'a Limits,
}

impl Report<'_> {
    /// The call did not return. The error holds the backtrace, with the names
    /// of functions if the component has kept them.
    pub(crate) fn trap(&self, error: &wasmtime::Error) -> Failure {
        match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => {
                self.failure(&format!("took more than {:?}: {error:#}", self.time))
            }
            _ => self.failure(&format!("{error:#}")),
        }
    }

    /// The call returned what the contract forbids.
    pub(crate) fn violation(&self, rule: &str) -> Failure {
        self.failure(&format!("answered {rule}"))
    }

    /// Names of functions are the guest's words too: escaped, and cut.
    fn failure(&self, reason: &str) -> Failure {
        let bounded = |text: &str| printable(cut(text, self.limits.report_bytes));
        Failure::broken(format!(
            "{}: {}; asked: {}; allowed: {:?}",
            self.call,
            bounded(reason),
            bounded(&format!("{:?}", self.request)),
            self.limits
        ))
    }
}
