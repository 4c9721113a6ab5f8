//! The clock that a guest sees: it stands at the moment at which the request
//! began, so that the same requests give the same answers.
//!
//! Nothing waits for it either. Whatever time a guest wants to wait for has
//! come at once, and its clock still stands: no guest can hold its thread in a
//! host function, and one that loops until time has passed loops until its
//! deadline. While an instance starts, it is 1970.

use crate::imports::State;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use wasmtime::component::Resource;
use wasmtime_wasi::{
    HostWallClock, WasiView as _, async_trait,
    p2::{DynPollable, Pollable, bindings::clocks::monotonic_clock, subscribe},
};

/// What it can tell apart.
const RESOLUTION: Duration = Duration::from_millis(1);

/// The moment that an instance sees. Clones are the same clock.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clock {
    /// Nanoseconds since the beginning of 1970.
    wall: Arc<AtomicU64>,
    /// The latest moment of all: replay tells of requests in the order of
    /// their kind, and a monotonic clock may not go back.
    latest: Arc<AtomicU64>,
}

impl Clock {
    pub(crate) fn set(&self, at: SystemTime) {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        self.wall.store(since, Relaxed);
        self.latest.fetch_max(since, Relaxed);
    }

    fn monotonic(&self) -> u64 {
        self.latest.load(Relaxed)
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

/// A moment that has come.
struct Come;

#[async_trait]
impl Pollable for Come {
    async fn ready(&mut self) {}
}

impl monotonic_clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.clock.monotonic())
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(u64::try_from(RESOLUTION.as_nanos())?)
    }

    fn subscribe_instant(&mut self, _: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let table = self.ctx().table;
        let come = table.push(Come)?;
        subscribe(table, come)
    }

    fn subscribe_duration(&mut self, _: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.subscribe_instant(0)
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;
    use std::time::{Duration, UNIX_EPOCH};
    use wasmtime_wasi::HostWallClock as _;

    #[test]
    fn it_stands_where_it_is_set_and_only_one_hand_goes_back() {
        let clock = Clock::default();
        assert_eq!((clock.now(), clock.monotonic()), (Duration::ZERO, 0));
        for (at, monotonic) in [(7, 7), (3, 7), (9, 9)] {
            clock.set(UNIX_EPOCH + Duration::from_nanos(at));
            assert_eq!((clock.now(), clock.monotonic()), (Duration::from_nanos(at), monotonic));
        }
        clock.set(UNIX_EPOCH - Duration::from_secs(1));
        assert_eq!(clock.now(), Duration::ZERO);
    }
}
