//! WASI for guests whose language needs it: no files, no network, no
//! environment, no input; both outputs go to the driver's log. Its clock is in
//! `clock`, and its random numbers are the same for everybody, unless the
//! operator granted real ones.

use crate::{clock::Clock, log::Log};
use bytes::Bytes;
use rand::{SeedableRng as _, rngs::StdRng};
use tokio::io::AsyncWrite;
use tracing::Level;
use wasmtime_wasi::{
    WasiCtx, WasiCtxBuilder, async_trait,
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamResult},
};

/// What a stream takes at once; longer writes come in pieces.
const WRITE_BYTES: usize = 4096;

/// The most random bytes that a guest gets at once.
const RANDOM_BYTES: u64 = 64 << 10;
/// Where the random numbers begin. No secret hides behind them.
const SEED: [u8; 32] = *b"wipam: the same for all drivers.";

/// A context that can do nothing but write to the log.
pub(crate) fn inert(log: &Log, clock: &Clock, has_real_random: bool) -> WasiCtx {
    let stream = |level| LogStream { log: log.clone(), level, line: Vec::new() };
    let mut context = WasiCtxBuilder::new();
    context
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .wall_clock(clock.clone())
        .max_random_size(RANDOM_BYTES)
        .stdout(stream(Level::INFO))
        .stderr(stream(Level::WARN));
    if !has_real_random {
        context
            .secure_random(StdRng::from_seed(SEED))
            .insecure_random(StdRng::from_seed(SEED))
            .insecure_random_seed(0);
    }
    context.build()
}

/// An output whose lines become lines of the log.
#[derive(Clone)]
struct LogStream {
    log: Log,
    level: Level,
    line: Vec<u8>,
}

impl LogStream {
    fn say(&mut self) {
        if !self.line.is_empty() {
            self.log.say(self.level, &String::from_utf8_lossy(&self.line));
            self.line.clear();
        }
    }
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink()) // WASI 0.3 only, which this engine refuses
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        for &byte in &bytes {
            if byte == b'\n' || self.line.len() >= self.log.line_bytes() {
                self.say();
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

impl Drop for LogStream {
    fn drop(&mut self) {
        self.say();
    }
}
