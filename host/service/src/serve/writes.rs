//! What drivers write to their stores is staged with the request it was written
//! for.
//!
//! A driver writes while it is asked. Its writes are kept when its proposal has
//! passed the checks, or when it has accepted a release. They are staged behind
//! the events of the request, in the same batch, so that all of it becomes
//! durable or nothing. The instance forgets writes that are not kept.

use super::processor::Processor;
use ipam_api::Failure;
use ipam_ledger::{Audit, Event};
use std::{mem, sync::Arc};

impl Processor {
    /// Keeps what the last call wrote.
    pub(super) fn keep_writes(&mut self) {
        let Some(instance) = &mut self.instance else { return };
        match instance.take_writes() {
            Ok(writes) => self.writes.extend(writes),
            Err(failure) => self.broke(failure.to_string()),
        }
    }

    /// Stages what was written for a request, unless the request broke the
    /// instance.
    pub(super) fn stage_writes<T>(&mut self, audit: Audit, outcome: &Result<T, Failure>) {
        let writes = mem::take(&mut self.writes);
        if writes.is_empty() || matches!(outcome, Err(Failure::Broken { .. })) {
            return;
        }
        let bytes = |(key, value): (&String, &Option<Vec<u8>>)| {
            key.len() + value.as_ref().map_or(0, Vec::len)
        };
        self.written_bytes += writes.iter().map(bytes).sum::<usize>();
        self.apply(audit, Event::Stored(Arc::new(writes)));
    }
}
