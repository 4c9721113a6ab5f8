//! An output of WASI's whose lines somebody is told.

use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::AsyncWrite;
use wasmtime_wasi::{
    async_trait,
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamResult},
};

/// What a stream takes at once; longer writes come in pieces.
const WRITE_BYTES: usize = 4096;

/// Tells each line, without its end; one that is too long in pieces, and at the
/// end what has none. All streams of an output write to one line, or each of
/// them would keep the beginning of another.
#[derive(Clone)]
pub(crate) struct Lines {
    tell: Arc<dyn Fn(&str) + Send + Sync>,
    line: Arc<Mutex<Vec<u8>>>,
    bytes_max: usize,
}

impl Lines {
    pub(crate) fn new(bytes_max: usize, tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { tell: Arc::new(tell), line: Arc::default(), bytes_max }
    }

    fn line(&self) -> MutexGuard<'_, Vec<u8>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, line: &mut Vec<u8>) {
        (self.tell)(&String::from_utf8_lossy(line));
        line.clear();
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
        let mut line = self.line();
        for &byte in &bytes {
            if (byte == b'\n' || line.len() >= self.bytes_max) && !line.is_empty() {
                self.tell(&mut line);
            }
            if byte != b'\n' {
                line.push(byte);
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
        let mut line = self.line();
        if !line.is_empty() {
            self.tell(&mut line);
        }
    }
}
