//! Every event since a snapshot, for a new version that follows the ledger.

use crate::sync::lock;
use ipam_ledger::Record;
use std::{mem, sync::Mutex};

/// The events since a snapshot was taken, in order: a processor appends, and
/// another thread takes.
pub(crate) struct EventTail {
    inner: Mutex<Inner>,
    /// [`Limits::upgrade_events_max`](crate::Limits::upgrade_events_max).
    events_max: usize,
}

#[derive(Default)]
struct Inner {
    events: Vec<Record>,
    is_cut: bool,
}

/// A tail that cannot be followed any more: it had too many events, or a commit
/// failed.
#[derive(Debug)]
pub(crate) struct TailCut;

impl EventTail {
    pub(super) fn new(events_max: usize) -> Self {
        Self { inner: Mutex::default(), events_max }
    }

    pub(super) fn push(&self, event: Record) {
        let mut inner = lock(&self.inner);
        inner.is_cut |= inner.events.len() >= self.events_max;
        if !inner.is_cut {
            inner.events.push(event);
        }
    }

    /// Ends the tail, because what it had may never have become durable.
    pub(super) fn cut(&self) {
        lock(&self.inner).is_cut = true;
    }

    /// Takes the events that came since the last call.
    pub(crate) fn take(&self) -> Result<Vec<Record>, TailCut> {
        let mut inner = lock(&self.inner);
        if inner.is_cut { Err(TailCut) } else { Ok(mem::take(&mut inner.events)) }
    }
}
