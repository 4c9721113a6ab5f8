//! A new version takes over, or the one before it comes back.

use super::{
    deadline::Deadline,
    new_version::{NewVersion, Swapped, UpgradeInterrupted},
    recover::Lifecycle,
    source::Source,
};
use crate::{commit::commits::Commits, serve::processor::Processor};
use std::{mem, time::Instant};

impl Lifecycle {
    /// Swaps the instance for that of a new version, with everything committed
    /// and shown to it. On an error the version before it serves on.
    pub(crate) fn swap(
        &mut self,
        processor: &mut Processor,
        commits: &Commits,
        mut new: NewVersion,
    ) -> Result<Swapped, UpgradeInterrupted> {
        processor.unfollow();
        if !self.drain(processor, commits) {
            return Err(UpgradeInterrupted::NotFollowed);
        }
        let began = Instant::now();
        let limit = self.limits.swap_time;
        let in_time =
            || if began.elapsed() < limit { Ok(()) } else { Err(UpgradeInterrupted::TooSlow) };
        new.finish(in_time)?;
        let NewVersion { source, mut instance, stored, replayed, followed, .. } = new;
        if stored != *processor.state().stored() {
            // It may remember what it read when it started. It agreed with the
            // ledger; an instance that starts now reads what is stored now.
            drop(instance);
            let deadline = Deadline::new(&*source.factory, &self.limits, &self.shutdown);
            instance = source.start_replayed(&self.spaces, processor.state(), &deadline)?;
        }
        let registers = source.registers.clone();
        let replaced = self.set_source(processor, source);
        processor.install(instance);
        self.record_version(processor);
        self.health.serves();
        self.notify_pending(processor);
        tracing::info!(driver = %self.name, replayed, followed, "another version serves");
        Ok(Swapped { replaced, registers, replayed, followed })
    }

    /// Puts the version before a swap in service again, as after any failure: a
    /// new instance learns the ledger.
    pub(crate) fn revert(
        &mut self,
        processor: &mut Processor,
        commits: &Commits,
        replaced: Source,
    ) {
        self.set_source(processor, replaced);
        processor.remove_instance();
        self.record_version(processor);
        self.recover(processor, commits, false);
    }

    /// Makes instances of `source` from now on. Failures of the source before it
    /// do not count against it. Returns the source before it.
    fn set_source(&mut self, processor: &mut Processor, source: Source) -> Source {
        processor.set_uses_replay(source.capability.requires_request_replay);
        self.forgive(processor);
        mem::replace(&mut self.source, source)
    }
}
