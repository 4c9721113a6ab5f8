//! Notices whether an answer was delivered, and undoes what it granted if not.
//!
//! What a request created travels with its answer as an [`Undelivered`]: from
//! the service's thread through the response's body to the [`ConnectionState`].
//! It is disarmed in one place, when the whole answer was written to the socket.
//! Dropped anywhere else, it undoes what was created. So a connection that
//! breaks needs no clean-up, and what a handler did is undone without a task.
//!
//! Delivered means that the last byte was written. hyper has all of an answer's
//! bytes from the moment it takes the body's one frame, and it flushes its I/O
//! only when it has nothing left to write. With pipelined requests each answer
//! counts for itself, because hyper begins a request when the answer before it
//! is flushed. hyper does not promise that, so a test checks it.

use crate::connection_state::ConnectionState;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use ipam_api::{DriverHandle, Receipt};
use std::{
    convert::Infallible,
    io, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::UnixStream,
};

/// What a request created, while its answer is not written yet.
pub(crate) struct Undelivered {
    handle: Arc<dyn DriverHandle>,
    receipt: Option<Receipt>,
}

impl Undelivered {
    pub(crate) fn new(handle: Arc<dyn DriverHandle>, receipt: Receipt) -> Self {
        Self { handle, receipt: Some(receipt) }
    }

    /// The answer is written: nothing is to be undone.
    pub(crate) fn delivered(mut self) {
        self.receipt = None;
    }
}

impl Drop for Undelivered {
    fn drop(&mut self) {
        if let Some(receipt) = self.receipt.take() {
            tracing::info!(driver = %self.handle.name(), pool = ?receipt.pool_id.as_str(),
                address = receipt.address.map(display), "answer not delivered: undone");
            self.handle.undo(receipt);
        }
    }
}

/// An answer's body: one frame, and what the request created.
pub(crate) struct AnswerBody {
    bytes: Bytes,
    undelivered: Option<Undelivered>,
    state: Arc<ConnectionState>,
}

impl AnswerBody {
    pub(crate) fn new(
        bytes: Bytes,
        undelivered: Option<Undelivered>,
        state: Arc<ConnectionState>,
    ) -> Self {
        Self { bytes, undelivered, state }
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
        self.state.handed_over(undelivered);
        Poll::Ready(Some(Ok(Frame::data(mem::take(&mut self.bytes)))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}

/// A socket that tells the [`ConnectionState`] what was read and written.
pub(crate) struct TrackedStream {
    stream: UnixStream,
    state: Arc<ConnectionState>,
}

impl TrackedStream {
    pub(crate) fn new(stream: UnixStream, state: Arc<ConnectionState>) -> Self {
        Self { stream, state }
    }
}

impl AsyncRead for TrackedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.state.received();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TrackedStream {
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
        self.state.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
