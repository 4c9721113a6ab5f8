//! A driver in service, for the registry, and how its thread ends.

use crate::{
    Limits,
    commit::pending::Pending,
    front::handle::RegisteredDriver,
    lifecycle::{load::LoadOptions, registration::Origin, shutdown::CurrentFactory},
    serve::bounds::Bounds,
};
use ipam_api::{DriverName, Factory};
use std::{
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// A driver in service.
pub(super) struct RunningDriver {
    pub(super) origin: Origin,
    pub(super) handle: Arc<RegisteredDriver>,
    /// The name it registers.
    pub(super) registers: DriverName,
    /// All names of its component, as they are served.
    pub(super) component: Arc<[DriverName]>,
    /// How it was loaded.
    pub(super) options: LoadOptions,
    /// Where its automatic pools may lie now.
    pub(super) bounds: Arc<Bounds>,
    pub(super) current: Arc<CurrentFactory>,
    pub(super) pending: Arc<Pending>,
    pub(super) thread: JoinHandle<()>,
}

/// How often a thread that ends is checked.
const PAUSE: Duration = Duration::from_millis(2);

impl RunningDriver {
    /// Which factory made the instance that serves.
    pub(super) fn factory(&self) -> Arc<dyn Factory> {
        self.current.get()
    }
}

/// Waits until the threads of these drivers have ended. Returns whether they have.
pub(super) fn wait_for(drivers: &[RunningDriver], time: Duration) -> bool {
    let began = Instant::now();
    loop {
        if drivers.iter().all(|driver| driver.thread.is_finished()) {
            return true;
        }
        if began.elapsed() >= time {
            return false;
        }
        thread::sleep(PAUSE);
    }
}

/// Serves what waits for these drivers, and ends their threads. After `grace`,
/// calls into drivers are stopped; a driver that does not stop is not waited for,
/// but a commit is.
pub(super) fn end_all(drivers: Vec<RunningDriver>, grace: Duration, limits: &Limits) {
    drivers.iter().for_each(|driver| driver.handle.queue.close());
    if !wait_for(&drivers, grace) {
        let late = || drivers.iter().filter(|driver| !driver.thread.is_finished());
        for driver in late() {
            tracing::warn!(driver = %driver.handle.name, "the driver is stopped: it takes too long");
            driver.factory().halt();
        }
        while !wait_for(&drivers, limits.halt_time) && late().any(|it| it.pending.any()) {}
    }
    for driver in drivers {
        let name = &driver.handle.name;
        if !driver.thread.is_finished() {
            tracing::error!(driver = %name, "the driver's thread does not end and is left behind");
        } else if driver.thread.join().is_err() {
            tracing::error!(driver = %name, "the driver's thread had panicked");
        }
    }
}
