//! WASI for guests whose language needs it: no files, no network, no
//! environment, no input; both outputs go to the driver's log. There is one
//! argument, because many programs read their own name from it. Its clock is in
//! `clock`, and its random numbers are the same for everybody, unless the
//! operator granted real ones.

use crate::{clock::Clock, lines::Lines, log::Log};
use rand::{SeedableRng as _, rngs::StdRng};
use tracing::Level;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder};

/// The most random bytes that a guest gets at once.
const RANDOM_BYTES: u64 = 64 << 10;
/// What a guest finds as the name of its program.
const PROGRAM: &str = "driver";
/// Where the random numbers begin. No secret hides behind them.
const SEED: [u8; 32] = *b"wipam: the same for all drivers.";

/// A context that can do nothing but write to the log.
pub(crate) fn inert(log: &Log, clock: &Clock, has_real_random: bool) -> WasiCtx {
    let stream = |tell: fn(&Log, &str)| {
        let log = log.clone();
        Lines::new(log.line_bytes(), move |line| tell(&log, line))
    };
    let mut context = WasiCtxBuilder::new();
    context
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .arg(PROGRAM)
        .wall_clock(clock.clone())
        .max_random_size(RANDOM_BYTES)
        .stdout(stream(|log, line| log.say(Level::INFO, line)))
        .stderr(stream(Log::complain));
    if !has_real_random {
        context
            .secure_random(StdRng::from_seed(SEED))
            .insecure_random(StdRng::from_seed(SEED))
            .insecure_random_seed(0);
    }
    context.build()
}

#[cfg(test)]
mod tests;
