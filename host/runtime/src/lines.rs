//! An output of WASI's whose lines somebody is told.

use bytes::Bytes;
use std::sync::Arc;
use tokio::io::AsyncWrite;
use wasmtime_wasi::{
    async_trait,
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamResult},
};

/// What a stream takes at once; longer writes come in pieces.
const WRITE_BYTES: usize = 4096;

/// Tells each line, without its end; one that is too long in pieces, and at the
/// end what has none.
#[derive(Clone)]
pub(crate) struct Lines {
    tell: Arc<dyn Fn(&str) + Send + Sync>,
    line: Vec<u8>,
    bytes_max: usize,
}

impl Lines {
    pub(crate) fn new(bytes_max: usize, tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { tell: Arc::new(tell), line: Vec::new(), bytes_max }
    }

    fn tell(&mut self) {
        (self.tell)(&String::from_utf8_lossy(&self.line));
        self.line.clear();
    }
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink()) // WASI 0.3 only, which this engine refuses
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        for &byte in &bytes {
            if (byte == b'\n' || self.line.len() >= self.bytes_max) && !self.line.is_empty() {
                self.tell();
            }
            if byte != b'\n' {
                self.line.push(byte);
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES)
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if !self.line.is_empty() {
            self.tell();
        }
    }
}
