//! The clock that a guest sees: it stands at the moment at which the request
//! began, so that the same requests give the same answers.
//!
//! Nothing waits for it either. Whatever time a guest wants to wait for has
//! come at once, and its monotonic clock says so: no guest can hold its thread
//! in a host function, and the schedulers of Go and TinyGo, which sleep until
//! that clock has passed a moment, find that it has. One that loops without a
//! sleep loops until its deadline. While an instance starts, it is 1970.
//!
//! A driver that may ask by HTTP does wait, and its answers depend on others
//! anyway: its monotonic clock runs on from that moment during a call, and its
//! timers take the time that they say.

use crate::imports::State;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::time::{Instant, sleep_until};
use wasmtime::component::Resource;
use wasmtime_wasi::{
    HostWallClock, WasiView as _, async_trait,
    p2::{DynPollable, Pollable, bindings::clocks::monotonic_clock, subscribe},
};

/// What it can tell apart.
const RESOLUTION: Duration = Duration::from_millis(1);
/// Where the monotonic clock begins. Go's runtime does not start when it reads
/// zero, and others count in milliseconds.
const BEGIN: u64 = 1_000_000_000;

/// The moment that an instance sees. Clones are the same clock.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    /// Nanoseconds since the beginning of 1970.
    wall: Arc<AtomicU64>,
    /// The latest moment of all: replay tells of requests in the order of
    /// their kind, and a monotonic clock may not go back.
    latest: Arc<AtomicU64>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { wall: Arc::default(), latest: Arc::new(AtomicU64::new(BEGIN)) }
    }
}

impl Clock {
    pub(crate) fn set(&self, at: SystemTime) {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        self.wall.store(since, Relaxed);
        self.latest.fetch_max(since, Relaxed);
    }

    pub(crate) fn monotonic(&self) -> u64 {
        self.latest.load(Relaxed)
    }

    /// It is at least so late.
    fn run(&self, to: u64) -> u64 {
        self.latest.fetch_max(to, Relaxed).max(to)
    }
}

impl HostWallClock for Clock {
    fn resolution(&self) -> Duration {
        RESOLUTION
    }

    fn now(&self) -> Duration {
        Duration::from_nanos(self.wall.load(Relaxed))
    }
}

/// A moment that comes when it is waited for.
struct Come {
    clock: Clock,
    at: u64,
}

#[async_trait]
impl Pollable for Come {
    async fn ready(&mut self) {
        self.clock.run(self.at);
    }
}

/// A moment that comes; nothing if that is beyond all reckoning.
struct Timer(Option<Instant>);

#[async_trait]
impl Pollable for Timer {
    async fn ready(&mut self) {
        match self.0 {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }
}

impl monotonic_clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(match self.http.moment() {
            Some(moment) => self.clock.run(moment),
            None => self.clock.monotonic(),
        })
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(u64::try_from(RESOLUTION.as_nanos())?)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let now = self.now()?;
        self.subscribe_duration(when.saturating_sub(now))
    }

    fn subscribe_duration(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let come = Come { clock: self.clock.clone(), at: self.now()?.saturating_add(when) };
        let waits = self.http.is_granted();
        let table = self.ctx().table;
        if waits {
            let timer = Timer(Instant::now().checked_add(Duration::from_nanos(when)));
            let timer = table.push(timer)?;
            return subscribe(table, timer);
        }
        let come = table.push(come)?;
        subscribe(table, come)
    }
}

#[cfg(test)]
mod tests {
    use super::{BEGIN, Clock};
    use std::time::{Duration, UNIX_EPOCH};
    use wasmtime_wasi::HostWallClock as _;

    #[test]
    fn it_stands_where_it_is_set_and_only_one_hand_goes_back() {
        let clock = Clock::default();
        let second = Duration::from_secs(1);
        let second_ns = 1_000_000_000;
        assert_eq!((clock.now(), clock.monotonic()), (Duration::ZERO, BEGIN));
        for (at, monotonic) in [(7, 7), (3, 7), (9, 9)] {
            clock.set(UNIX_EPOCH + at * second);
            assert_eq!((clock.now(), clock.monotonic()), (at * second, monotonic * second_ns));
        }
        clock.set(UNIX_EPOCH - second);
        assert_eq!(clock.now(), Duration::ZERO);
    }
}
