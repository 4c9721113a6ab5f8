//! What drivers write to their stores: staged with what came of the same call.
//!
//! A driver writes while it is asked. What it wrote is taken when its proposal
//! has passed the checks, or when it has taken a release, and staged behind the
//! events of the request: in the same batch, so that all of it becomes durable
//! or nothing. What is not taken the instance forgets, or is gone with it.

use crate::worker::Worker;
use ipam_api::Failure;
use ipam_ledger::{Audit, Event};
use std::{mem, sync::Arc};

impl Worker {
    /// What the last call wrote stands.
    pub(crate) fn take_writes(&mut self) {
        let Some(instance) = &mut self.instance else { return };
        match instance.take_writes() {
            Ok(writes) => self.writes.extend(writes),
            Err(failure) => self.drop_instance(&failure.to_string()),
        }
    }

    /// Stages what was written for a request, unless that broke the instance
    /// and nothing came of it.
    pub(crate) fn stage_writes<T>(&mut self, cause: Audit, outcome: &Result<T, Failure>) {
        let writes = mem::take(&mut self.writes);
        if writes.is_empty() || matches!(outcome, Err(Failure::Broken { .. })) {
            return;
        }
        let bytes = |(key, value): (&String, &Option<Vec<u8>>)| {
            key.len() + value.as_ref().map_or(0, Vec::len)
        };
        self.written_bytes += writes.iter().map(bytes).sum::<usize>();
        self.apply(cause, Event::Stored(Arc::new(writes)));
    }
}
