//! A new version of a driver, until it takes over.
//!
//! It is shown the ledger as it was at one moment, then every event since, until
//! few enough are left. Then the driver's thread, between two requests, waits for
//! its commits, shows it the rest, and swaps (`swap`).

use super::{
    deadline::Deadline, replay::replay_event_into, source::Source, start_error::StartError,
};
use crate::serve::{
    instance::Instance,
    tail::{EventTail, TailCut},
};
use ipam_api::{DriverName, Stored};
use ipam_ledger::{Record, State};
use std::{mem, sync::Arc};

/// Why an upgrade did not finish.
#[derive(Debug)]
pub(crate) enum UpgradeInterrupted {
    /// The new version cannot serve.
    Start(StartError),
    /// A commit failed meanwhile, or there were too many events.
    NotFollowed,
    /// The driver's thread is gone.
    Gone,
    /// The driver's thread had no time for it.
    Busy,
    /// Events come faster than the new version can follow.
    TooSlow,
}

impl From<StartError> for UpgradeInterrupted {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}

impl From<TailCut> for UpgradeInterrupted {
    fn from(TailCut: TailCut) -> Self {
        Self::NotFollowed
    }
}

/// What a swap came to.
pub(crate) struct Swapped {
    /// The version before it.
    pub(crate) replaced: Source,
    /// The name that the new version registers.
    pub(crate) registers: DriverName,
    /// Entries that were replayed into it.
    pub(crate) replayed: usize,
    /// Events that were replayed into it afterwards.
    pub(crate) followed: usize,
}

/// A new version that is about to take over.
pub(crate) struct NewVersion {
    pub(super) source: Source,
    pub(super) instance: Instance,
    /// What it was started with.
    pub(super) stored: Arc<Stored>,
    tail: Arc<EventTail>,
    /// Events of the tail that it was not shown yet.
    rest: Vec<Record>,
    deadline: Deadline,
    pub(super) replayed: usize,
    pub(super) followed: usize,
}

impl NewVersion {
    /// A started instance, which is behind by all that there is.
    pub(crate) fn new(
        source: Source,
        instance: Instance,
        stored: Arc<Stored>,
        tail: Arc<EventTail>,
        deadline: Deadline,
    ) -> Self {
        let (rest, replayed, followed) = (Vec::new(), 0, 0);
        Self { source, instance, stored, tail, rest, deadline, replayed, followed }
    }

    /// Replays the ledger and the events since, until at most `batch_max` events
    /// are left.
    pub(crate) fn catch_up(
        &mut self,
        state: &State,
        batch_max: usize,
    ) -> Result<(), UpgradeInterrupted> {
        self.replayed = self.source.replay(state, &mut self.instance, &self.deadline)?;
        loop {
            self.rest = self.tail.take()?;
            if self.rest.len() <= batch_max {
                return Ok(());
            }
            let deadline = self.deadline.clone();
            self.replay_rest(|| Ok(deadline.check()?))?;
        }
    }

    /// Replays everything that is left, as long as `may_continue` allows it.
    pub(super) fn finish(
        &mut self,
        may_continue: impl Fn() -> Result<(), UpgradeInterrupted>,
    ) -> Result<(), UpgradeInterrupted> {
        self.replay_rest(&may_continue)?;
        self.rest = self.tail.take()?;
        self.replay_rest(&may_continue)
    }

    fn replay_rest(
        &mut self,
        may_continue: impl Fn() -> Result<(), UpgradeInterrupted>,
    ) -> Result<(), UpgradeInterrupted> {
        for event in mem::take(&mut self.rest) {
            if self.source.capability.requires_request_replay {
                may_continue()?;
                replay_event_into(&mut self.instance, &event)?;
                self.followed += 1;
            }
        }
        Ok(())
    }
}
