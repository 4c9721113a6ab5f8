//! Whether an answer left this process.
//!
//! What a request created travels with its answer as an [`Undelivered`]: from
//! the service's thread through the response's body to the connection's
//! [`Line`]. It is disarmed in one place, when everything behind which it
//! stands was written to the socket; dropped anywhere else it undoes what was
//! created. So a connection that dies needs no clean-up, and a handler's work
//! outlives its connection without a task of its own.
//!
//! It is judged by bytes: hyper flushes its I/O only when it has nothing left
//! to write, and an answer's last bytes are hyper's to write from the moment
//! it takes the body's one frame. That says nothing of two answers in the same
//! buffer, so a pipelined request waits until the answer before it is written
//! ([`Line::begin`]).

use crate::config::Limits;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use ipam_api::{Mount, Receipt};
use std::{
    convert::Infallible,
    io, mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::UnixStream,
    time::Instant,
};

/// Something that a request created and whose answer is not written yet.
pub(crate) struct Undelivered {
    mount: Arc<dyn Mount>,
    receipt: Option<Receipt>,
}

impl Undelivered {
    pub(crate) fn new(mount: Arc<dyn Mount>, receipt: Receipt) -> Self {
        Self { mount, receipt: Some(receipt) }
    }

    fn delivered(mut self) {
        self.receipt = None;
    }
}

impl Drop for Undelivered {
    fn drop(&mut self) {
        if let Some(receipt) = self.receipt.take() {
            tracing::info!(driver = %self.mount.name(), pool = %receipt.pool_id,
                address = ?receipt.address, "answer not delivered: undone");
            self.mount.undo(receipt);
        }
    }
}

/// An answer's body: one frame, and what it tells the client of.
pub(crate) struct AnswerBody {
    bytes: Bytes,
    undelivered: Option<Undelivered>,
    line: Arc<Line>,
}

impl AnswerBody {
    pub(crate) fn new(bytes: Bytes, undelivered: Option<Undelivered>, line: Arc<Line>) -> Self {
        Self { bytes, undelivered, line }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.bytes.is_empty() {
            return Poll::Ready(None);
        }
        let undelivered = self.undelivered.take();
        self.line.handed_over(undelivered);
        Poll::Ready(Some(Ok(Frame::data(mem::take(&mut self.bytes)))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}

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
    /// A pipelined request's handler.
    waiting: Option<Waker>,
}

/// How long a connection without a request stays when the server drains: long
/// enough to read one that has already arrived.
const LINGER: Duration = Duration::from_millis(20);

impl Line {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State {
            phase: Phase::Idle,
            since: Instant::now(),
            draining: None,
            unsent: None,
            waiting: None,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is a single assignment, so a panic leaves none half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request's head has come. Ready when the answer before it is written.
    pub(crate) fn begin(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        match state.phase {
            Phase::Writing => {
                state.waiting = Some(cx.waker().clone());
                Poll::Pending
            }
            Phase::Idle => {
                state.enter(Phase::Receiving);
                Poll::Ready(())
            }
            Phase::Receiving | Phase::Answering | Phase::GivenUp => Poll::Ready(()),
        }
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
    fn handed_over(&self, undelivered: Option<Undelivered>) {
        let mut state = self.state();
        state.enter(Phase::Writing);
        state.unsent = undelivered;
    }

    fn received(&self) {
        let mut state = self.state();
        if state.phase == Phase::Idle {
            state.enter(Phase::Receiving);
        }
    }

    /// Everything that hyper has is written.
    fn flushed(&self) {
        let mut state = self.state();
        if state.phase != Phase::Writing {
            return;
        }
        state.enter(Phase::Idle);
        let (unsent, waiting) = (state.unsent.take(), state.waiting.take());
        drop(state);
        if let Some(unsent) = unsent {
            unsent.delivered();
        }
        if let Some(waiting) = waiting {
            waiting.wake();
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

/// A socket that tells its [`Line`] what it read and wrote.
pub(crate) struct Observed {
    stream: UnixStream,
    line: Arc<Line>,
}

impl Observed {
    pub(crate) fn new(stream: UnixStream, line: Arc<Line>) -> Self {
        Self { stream, line }
    }
}

impl AsyncRead for Observed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.line.received();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Observed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.line.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
