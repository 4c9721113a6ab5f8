//! Whether an answer left this process.
//!
//! What a request created travels with its answer as an [`Undelivered`]: from
//! the service's thread through the response's body to the connection's
//! [`Line`]. It is disarmed in one place, when everything behind which it
//! stands was written to the socket; dropped anywhere else it undoes what was
//! created. So a connection that dies needs no clean-up, and a handler's work
//! outlives its connection without a task of its own.
//!
//! It is judged by bytes. An answer's last ones are hyper's to write from the
//! moment it takes the body's one frame, and hyper flushes its I/O only when it
//! has nothing left to write. Pipelined requests are judged each, because hyper
//! begins a request when the answer before it is flushed; that is its habit
//! and not its promise, so a test pins it.

use crate::line::Line;
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

/// Something that a request created and whose answer is not written yet.
pub(crate) struct Undelivered {
    handle: Arc<dyn DriverHandle>,
    receipt: Option<Receipt>,
}

impl Undelivered {
    pub(crate) fn new(handle: Arc<dyn DriverHandle>, receipt: Receipt) -> Self {
        Self { handle, receipt: Some(receipt) }
    }

    /// Its answer is written.
    pub(crate) fn delivered(mut self) {
        self.receipt = None;
    }
}

impl Drop for Undelivered {
    fn drop(&mut self) {
        if let Some(receipt) = self.receipt.take() {
            tracing::info!(driver = %self.handle.name(), pool = ?receipt.pool_id.as_str(),
                address = ?receipt.address, "answer not delivered: undone");
            self.handle.undo(receipt);
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
