//! What a connection is waiting for, and for how long it may.
//!
//! In: what its I/O, its handler and its body see. Out: the deadline of its
//! alarm, and the moment when an answer counts as delivered. At most one
//! answer is unsent at a time: see `delivery`.

use crate::{config::Limits, delivery::Undelivered};
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// How long a connection without a request stays when the server drains: long
/// enough to read one that has already arrived.
const LINGER: Duration = Duration::from_millis(20);

/// What a connection is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The first byte of a request.
    Idle,
    /// The rest of it.
    Receiving,
    /// The driver.
    Answering,
    /// The same, for too long: the handler is to answer without it.
    GivenUp,
    /// The client, to take the answer.
    Writing,
}

/// What to do about a connection whose alarm rang.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alarm {
    /// Nothing before then.
    Sleep(Instant),
    /// Poll the handler: it answers that the driver is too slow.
    Poll,
    /// Close the connection.
    Close,
}

/// One connection, as its I/O, its handler and its alarm see it. They are
/// parts of one task, so the lock is never contended.
pub(crate) struct Line(Mutex<State>);

struct State {
    phase: Phase,
    since: Instant,
    /// When the server began to drain.
    draining: Option<Instant>,
    unsent: Option<Undelivered>,
}

impl Line {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State {
            phase: Phase::Idle,
            since: Instant::now(),
            draining: None,
            unsent: None,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is a single assignment, so a panic leaves none half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The request was passed on to the driver.
    pub(crate) fn ask(&self) {
        self.state().enter(Phase::Answering);
    }

    /// Whether the handler is to answer without the driver.
    pub(crate) fn gave_up(&self) -> bool {
        self.state().phase == Phase::GivenUp
    }

    /// hyper has the whole answer.
    pub(crate) fn handed_over(&self, undelivered: Option<Undelivered>) {
        let mut state = self.state();
        state.enter(Phase::Writing);
        state.unsent = undelivered;
    }

    /// Something of a request was read.
    pub(crate) fn received(&self) {
        let mut state = self.state();
        if state.phase == Phase::Idle {
            state.enter(Phase::Receiving);
        }
    }

    /// Everything that hyper has is written.
    pub(crate) fn flushed(&self) {
        let mut state = self.state();
        if state.phase != Phase::Writing {
            return;
        }
        state.enter(Phase::Idle);
        if let Some(unsent) = state.unsent.take() {
            unsent.delivered();
        }
    }

    /// From now on, an answer ends its connection.
    pub(crate) fn drain(&self) {
        self.state().draining.get_or_insert_with(Instant::now);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.state().draining.is_some()
    }

    /// When the connection's alarm is to ring.
    pub(crate) fn deadline(&self, limits: &Limits) -> Instant {
        let state = self.state();
        let timeout = match state.phase {
            Phase::Idle => limits.idle_timeout.max(Limits::IDLE_MIN),
            Phase::Receiving => limits.receive_timeout,
            // Given up, the handler answers when it is polled next.
            Phase::Answering | Phase::GivenUp => limits.answer_timeout,
            Phase::Writing => limits.write_timeout,
        };
        let deadline = state.since + timeout.min(Limits::TIMEOUT_MAX);
        match (state.phase, state.draining) {
            (Phase::Idle, Some(draining)) => deadline.min(draining + LINGER),
            _ => deadline,
        }
    }

    /// What to do when it rang.
    pub(crate) fn alarm(&self, limits: &Limits) -> Alarm {
        let deadline = self.deadline(limits);
        if Instant::now() < deadline {
            return Alarm::Sleep(deadline);
        }
        let mut state = self.state();
        if state.phase == Phase::Answering {
            state.phase = Phase::GivenUp;
            return Alarm::Poll;
        }
        Alarm::Close
    }
}

impl State {
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.since = Instant::now();
    }
}
