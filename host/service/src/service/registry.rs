//! The registry: which drivers are in service, and who is told of it.

use super::running::{RunningDriver, end_all, wait_for};
use crate::{
    Limits,
    commit::{commits::Commits, committer::Committer, pending::Pending, store::load},
    front::{
        handle::{Handle, RegisteredDriver},
        queue::Queue,
    },
    health::Health,
    lifecycle::{
        backoff::Restarts,
        load::{LoadError, LoadOptions, LoadTimes, Prepared, prepare},
        maker,
        recover::Lifecycle,
        registration::{Origin, name_taken},
        shutdown::{CurrentFactory, Shutdown},
    },
    meter::Meter,
    serve::{
        bounds::Bounds,
        processor::{Processor, Settings},
    },
    sync::lock,
    worker::Worker,
};
use ipam_api::{Digest, DriverHandle, DriverName, Factory, Server, Subscriber};
use ipam_ledger::{State, Store, StoreError, View};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    sync::{Arc, Mutex, atomic::AtomicU64},
    thread,
    time::Duration,
};

/// Hosts drivers over one ledger.
///
/// Requests do not pass through it: they go from a [`DriverHandle`] to the thread of
/// its driver.
pub struct Service {
    limits: Limits,
    committer: Arc<Committer>,
    drivers: Mutex<BTreeMap<DriverName, RunningDriver>>,
    /// Locked while drivers or subscribers change, so that each subscriber is told of
    /// each driver once. A subscriber must not change either from inside. No driver
    /// is called meanwhile.
    subscribers: Mutex<Subscribers>,
    /// The drivers that are being upgraded: each one at a time.
    pub(super) upgrading: Mutex<BTreeSet<DriverName>>,
    pub(super) shutdown: Arc<Shutdown>,
}

#[derive(Default)]
struct Subscribers {
    all: Vec<Arc<dyn Subscriber>>,
    is_shut_down: bool,
}

impl Service {
    /// A service without drivers.
    ///
    /// # Errors
    /// When the committer's thread cannot be started.
    pub fn new(store: Box<dyn Store>, limits: Limits) -> io::Result<Self> {
        Ok(Self {
            committer: Arc::new(Committer::new(store, &limits)?),
            limits,
            drivers: Mutex::default(),
            subscribers: Mutex::default(),
            upgrading: Mutex::default(),
            shutdown: Arc::default(),
        })
    }

    /// Tells `subscriber` of every driver there is, and of each that comes.
    ///
    /// # Errors
    /// [`LoadError::Subscriber`] when it cannot serve one that there is: then
    /// it is told that all are gone, and is not subscribed.
    pub fn subscribe(&self, subscriber: Arc<dyn Subscriber>) -> Result<(), LoadError> {
        let mut subscribers = lock(&self.subscribers);
        if subscribers.is_shut_down {
            return Err(LoadError::ShutDown);
        }
        announce(std::slice::from_ref(&subscriber), &self.handles())?;
        subscribers.all.push(subscriber);
        Ok(())
    }

    /// Starts a driver and registers each of its names: all of them, or none.
    ///
    /// Every name gets an instance, a queue and a thread of its own. Its part of the
    /// ledger is replayed before subscribers are told of it. A driver that disagrees
    /// with the ledger is registered and out of service, as if it had failed later:
    /// releases continue, grants are refused, [`Service::inspect`] says where it
    /// disagrees, and it is started again later. The same holds for a driver that
    /// needs longer than [`Limits::replay_time`].
    ///
    /// Several may be loaded at the same time: none waits for another.
    ///
    /// # Errors
    /// When the driver does not start, registers nothing, cannot have its
    /// names, or cannot be served by a subscriber.
    pub fn load(
        &self,
        factory: Arc<dyn Factory>,
        options: LoadOptions,
    ) -> Result<Vec<DriverName>, LoadError> {
        if self.shutdown.is_begun() {
            return Err(LoadError::ShutDown);
        }
        let taken = self.drivers().into_iter().collect();
        let digest = factory.digest();
        let read = |name: &DriverName| self.read(name, &options, digest);
        let prepared = prepare(&factory, &options, taken, &self.limits, &self.shutdown, read)?;
        // No driver is called from here on.
        let subscribers = lock(&self.subscribers);
        if subscribers.is_shut_down || self.shutdown.is_begun() {
            return Err(LoadError::ShutDown);
        }
        for one in &prepared {
            let taken = lock(&self.drivers).get(&one.name).map(|driver| driver.origin);
            if let Some(origin) = taken {
                return Err(LoadError::Registration(name_taken(&one.name, origin)));
            }
        }
        if let Some(maker) = &options.maker {
            for one in &prepared {
                maker::record(&mut **self.committer.store(), maker, &one.name);
            }
        }
        let mut registered = Vec::new();
        let component: Arc<[_]> = prepared.iter().map(|one| one.name.clone()).collect();
        let times: Vec<_> =
            prepared.iter().map(|one| one.instance.is_ok().then_some(one.times)).collect();
        for one in prepared {
            match self.start(&options, &component, one) {
                Ok(one) => registered.push(one),
                Err(error) => {
                    end_all(registered, self.limits.shutdown_time, &self.limits);
                    return Err(error.into());
                }
            }
        }
        let handles: Vec<_> = registered.iter().map(|one| one.handle.clone()).collect();
        if let Err(error) = announce(&subscribers.all, &handles) {
            end_all(registered, self.limits.shutdown_time, &self.limits);
            return Err(error);
        }
        let names: Vec<_> = handles.iter().map(|handle| handle.name.clone()).collect();
        lock(&self.drivers).extend(names.iter().cloned().zip(registered));
        for (name, times) in names.iter().zip(times) {
            let Some(LoadTimes { entries, read, replay }) = times else { continue };
            let origin = options.origin;
            tracing::info!(driver = %name, ?origin, entries, ?read, ?replay, "a driver is in service");
        }
        Ok(names)
    }

    /// The driver of that name, if it is in service, for this program itself.
    #[must_use]
    pub fn handle(&self, name: &DriverName) -> Option<Arc<dyn DriverHandle>> {
        self.handle_for(name, Server::Library)
    }

    /// The driver of that name, if it is in service, for `server`: the ledger records
    /// its requests as that server's.
    #[must_use]
    pub fn handle_for(&self, name: &DriverName, server: Server) -> Option<Arc<dyn DriverHandle>> {
        let handle = self.registered_driver(name)?;
        Some(Arc::new(Handle { handle, server }))
    }

    /// What is durable now, for slow readers.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn view(&self) -> Result<Box<dyn View>, StoreError> {
        self.committer.store().view()
    }

    pub(crate) fn registered_driver(&self, name: &DriverName) -> Option<Arc<RegisteredDriver>> {
        lock(&self.drivers).get(name).map(|driver| driver.handle.clone())
    }

    /// Runs `with` on what is registered.
    pub(super) fn with_drivers<T>(
        &self,
        with: impl FnOnce(&mut BTreeMap<DriverName, RunningDriver>) -> T,
    ) -> T {
        with(&mut lock(&self.drivers))
    }

    /// The limits that it was made with.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Every driver and where it came from, in order of name.
    #[must_use]
    pub fn drivers(&self) -> Vec<(DriverName, Origin)> {
        lock(&self.drivers).iter().map(|(name, driver)| (name.clone(), driver.origin)).collect()
    }

    /// Prepares the shutdown: from here on no driver is started, at a load, after a
    /// failure or in an upgrade. Those that serve continue.
    pub fn begin_shutdown(&self) {
        self.shutdown.stop_starts();
    }

    /// Ends all drivers within [`Limits::shutdown_time`].
    pub fn shutdown(&self) {
        self.shutdown_within(self.limits.shutdown_time);
    }

    /// Ends all drivers: subscribers are told that they are gone, requests that wait
    /// are served, and what is staged is committed. Later requests are refused.
    ///
    /// Waits no longer than `grace` for that. Then nothing is granted any more, calls
    /// under way are stopped ([`Factory::halt`]), and a driver whose thread does not
    /// end within [`Limits::halt_time`] is left behind. What is staged is committed
    /// all the same, and the store is closed.
    pub fn shutdown_within(&self, grace: Duration) {
        self.shutdown.stop_starts();
        let mut subscribers = lock(&self.subscribers);
        subscribers.is_shut_down = true;
        for subscriber in subscribers.all.drain(..) {
            self.drivers().iter().for_each(|(name, _)| subscriber.unregistered(name));
        }
        let drivers = std::mem::take(&mut *lock(&self.drivers));
        // All queues first: the drivers drain at the same time.
        drivers.values().for_each(|driver| driver.handle.queue.close());
        let drivers: Vec<_> = drivers.into_values().collect();
        if !wait_for(&drivers, grace) {
            self.shutdown.stop_grants();
        }
        end_all(drivers, Duration::ZERO, &self.limits);
        self.committer.stop();
    }

    fn handles(&self) -> Vec<Arc<RegisteredDriver>> {
        lock(&self.drivers).values().map(|driver| driver.handle.clone()).collect()
    }

    /// Reads a driver's part of the ledger, if the driver may have it.
    fn read(
        &self,
        name: &DriverName,
        options: &LoadOptions,
        digest: Option<Digest>,
    ) -> Result<State, LoadError> {
        let mut store = self.committer.store();
        let state = load(&mut **store, name)?;
        if let Some(maker) = options.maker.as_ref().filter(|_| !options.takes_over)
            && let Err(maker::NotItsOwn { made_by, maker }) =
                maker::check(&mut **store, maker, digest, name, &state)?
        {
            return Err(LoadError::NotItsOwn { name: name.clone(), made_by, maker });
        }
        Ok(state)
    }

    /// Gives a prepared driver its queue and its thread.
    fn start(
        &self,
        options: &LoadOptions,
        component: &Arc<[DriverName]>,
        prepared: Prepared,
    ) -> io::Result<RunningDriver> {
        let Prepared { name, source, spaces, state, instance, times: _ } = prepared;
        let queue = Arc::new(Queue::new(&self.limits));
        let (health, meter) = (Arc::<Health>::default(), Arc::<Meter>::default());
        let bounds = Arc::new(Bounds::new(options.pools.clone()));
        let pending = Arc::new(Pending::new(name.clone(), queue.clone().into()));
        let current = Arc::new(CurrentFactory::new(&source.factory));
        let handle = RegisteredDriver {
            name: name.clone(),
            capability: Mutex::new(source.capability),
            spaces: spaces.clone(),
            queue: queue.clone(),
            health: health.clone(),
            meter: meter.clone(),
            sessions: AtomicU64::new(0),
            loaded: state.generation(),
        };
        let registers = source.registers.clone();
        let settings = Settings {
            name: name.clone(),
            spaces: spaces.clone(),
            limits: self.limits.clone(),
            bounds: bounds.clone(),
            is_built_in: options.origin == Origin::BuiltIn,
            uses_replay: source.capability.requires_request_replay,
        };
        let mut processor = Processor::new(settings, state);
        let mut lifecycle = Lifecycle {
            name: name.clone(),
            spaces,
            limits: self.limits.clone(),
            source,
            current: current.clone(),
            shutdown: self.shutdown.clone(),
            waiters: queue.waiters.clone(),
            health,
            meter,
            restarts: Restarts::default(),
            store: None,
        };
        match instance {
            Ok(instance) => {
                processor.install(instance);
                lifecycle.record_version(&mut processor);
            }
            Err(error) => lifecycle.start_failed(&error),
        }
        let commits = Commits { committer: self.committer.clone(), pending: pending.clone() };
        let worker = Worker { queue, processor, commits, lifecycle };
        let thread = thread::Builder::new().name(format!("ipam-{name}"));
        let thread = thread.spawn(|| worker.run())?;
        Ok(RunningDriver {
            origin: options.origin,
            handle: Arc::new(handle),
            registers,
            component: component.clone(),
            options: options.clone(),
            bounds,
            current,
            pending,
            thread,
        })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("drivers", &self.drivers()).finish_non_exhaustive()
    }
}

/// Tells every subscriber of every driver. If one refuses, all are told that the
/// drivers are gone.
fn announce(
    subscribers: &[Arc<dyn Subscriber>],
    drivers: &[Arc<RegisteredDriver>],
) -> Result<(), LoadError> {
    let mut announced: Vec<(&Arc<dyn Subscriber>, &DriverName)> = Vec::new();
    for driver in drivers {
        for subscriber in subscribers {
            let handle = Handle { handle: driver.clone(), server: subscriber.server() };
            if let Err(source) = subscriber.registered(Arc::new(handle)) {
                announced.iter().rev().for_each(|(subscriber, name)| subscriber.unregistered(name));
                return Err(LoadError::Subscriber { name: driver.name.clone(), source });
            }
            announced.push((subscriber, &driver.name));
        }
    }
    Ok(())
}
