//! What a connection waits for, and for how long it may.
//!
//! In: events of its I/O, its handler and its response's body. Out: the
//! deadline of its alarm, and the moment at which an answer counts as delivered.
//! At most one answer is unsent at a time: see `delivery`.

use crate::{config::Limits, delivery::Undelivered};
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// How long a connection without a request stays open when the server drains:
/// long enough to read a request that has already arrived.
const LINGER: Duration = Duration::from_millis(20);

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The first byte of a request.
    Idle,
    /// The rest of it.
    Receiving,
    /// The driver.
    Answering,
    /// The driver, for too long: the handler is to answer without it.
    GivenUp,
    /// The client, to read the answer.
    Writing,
}

/// What to do about a connection whose alarm rang.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alarm {
    /// Nothing; ring again at this time.
    Sleep(Instant),
    /// Poll the handler, which answers that the driver is too slow.
    Poll,
    /// Close the connection.
    Close,
}

/// The state that a connection's I/O, handler and alarm share. They are parts of
/// one task, so the lock is never contended.
pub(crate) struct ConnectionState(Mutex<Inner>);

struct Inner {
    phase: Phase,
    since: Instant,
    /// When the server began to drain.
    draining: Option<Instant>,
    unsent: Option<Undelivered>,
}

impl ConnectionState {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Inner {
            phase: Phase::Idle,
            since: Instant::now(),
            draining: None,
            unsent: None,
        }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A panic leaves nothing half done: each change is one assignment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The request was submitted to the driver.
    pub(crate) fn submitted(&self) {
        self.inner().enter(Phase::Answering);
    }

    /// Whether the handler is to answer without the driver.
    pub(crate) fn gave_up(&self) -> bool {
        self.inner().phase == Phase::GivenUp
    }

    /// hyper has the whole answer and is to write it.
    pub(crate) fn handed_over(&self, undelivered: Option<Undelivered>) {
        let mut inner = self.inner();
        inner.enter(Phase::Writing);
        inner.unsent = undelivered;
    }

    /// Part of a request was read.
    pub(crate) fn received(&self) {
        let mut inner = self.inner();
        if inner.phase == Phase::Idle {
            inner.enter(Phase::Receiving);
        }
    }

    /// Everything that hyper had is written to the socket.
    pub(crate) fn flushed(&self) {
        let mut inner = self.inner();
        if inner.phase != Phase::Writing {
            return;
        }
        inner.enter(Phase::Idle);
        if let Some(unsent) = inner.unsent.take() {
            unsent.delivered();
        }
    }

    /// The server drains: the next answer ends the connection.
    pub(crate) fn drain(&self) {
        self.inner().draining.get_or_insert_with(Instant::now);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.inner().draining.is_some()
    }

    /// When the alarm is to ring.
    pub(crate) fn deadline(&self, limits: &Limits) -> Instant {
        let inner = self.inner();
        let timeout = match inner.phase {
            Phase::Idle => limits.idle_timeout.max(Limits::IDLE_MIN),
            Phase::Receiving => limits.receive_timeout,
            // After it gave up, the handler answers at its next poll.
            Phase::Answering | Phase::GivenUp => limits.answer_timeout,
            Phase::Writing => limits.write_timeout,
        };
        let deadline = inner.since + timeout.min(Limits::TIMEOUT_MAX);
        match (inner.phase, inner.draining) {
            (Phase::Idle, Some(draining)) => deadline.min(draining + LINGER),
            _ => deadline,
        }
    }

    /// What to do when the alarm rang.
    pub(crate) fn alarm(&self, limits: &Limits) -> Alarm {
        let deadline = self.deadline(limits);
        if Instant::now() < deadline {
            return Alarm::Sleep(deadline);
        }
        let mut inner = self.inner();
        if inner.phase == Phase::Answering {
            inner.phase = Phase::GivenUp;
            return Alarm::Poll;
        }
        Alarm::Close
    }
}

impl Inner {
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.since = Instant::now();
    }
}
