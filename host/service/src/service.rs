//! The registry: who is in service, and who hears of it.

use crate::{
    Limits, LoadError, LoadOptions, Origin,
    bounds::Bounds,
    breaker::Breaker,
    committer::{Committer, Flight, load},
    ending::{Ending, Running},
    handle::{Handle, RegisteredDriver},
    health::Health,
    load::{Coming, Prepared, prepare},
    lock, maker,
    outage::Outage,
    queue::Queue,
    registration::name_taken,
    worker::{self, Worker},
};
use ipam_api::{DriverHandle, DriverName, Factory, Server, Subscriber, Writes};
use ipam_ledger::{Store, StoreError, View};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt, io,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Hosts drivers over one ledger.
///
/// Requests do not pass through it: they go from a [`DriverHandle`] to the thread of
/// its driver.
pub struct Service {
    limits: Limits,
    committer: Arc<Committer>,
    drivers: Mutex<BTreeMap<DriverName, Registered>>,
    /// Held while drivers or subscribers change, so that each subscriber hears
    /// of each driver once. A subscriber must not change either from inside. No
    /// driver is asked anything meanwhile.
    subscribers: Mutex<Subscribers>,
    /// Of which drivers another version is about to take over: of each one at
    /// a time.
    pub(crate) upgrading: Mutex<BTreeSet<DriverName>>,
    pub(crate) ending: Arc<Ending>,
}

pub(crate) struct Registered {
    pub(crate) origin: Origin,
    pub(crate) handle: Arc<RegisteredDriver>,
    /// What it calls itself.
    pub(crate) registers: DriverName,
    /// All names of the component that it is one of, as they are served.
    pub(crate) component: Arc<[DriverName]>,
    /// How it was loaded.
    pub(crate) options: LoadOptions,
    /// What its automatic pools are bounded by now.
    pub(crate) bounds: Arc<Bounds>,
    running: Arc<Running>,
    flight: Arc<Flight>,
    thread: JoinHandle<()>,
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
            ending: Arc::default(),
        })
    }

    /// Tells `subscriber` of every driver there is, and of each that comes.
    ///
    /// # Errors
    /// [`LoadError::Subscriber`] when it cannot serve one that there is: then
    /// it hears that all are gone, and is not subscribed.
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
    /// Every name gets an instance, a queue and a thread of its own, and knows
    /// what the ledger holds of it before anybody hears of it. One that
    /// disagrees with the ledger is registered and out of service, as if it
    /// had failed later: releases go on, grants are refused, the operator is
    /// told the entry ([`Service::inspect`]), and it is tried again. So is one
    /// that takes longer over it than [`Limits::replay_time`].
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
        if self.ending.is_begun() {
            return Err(LoadError::ShutDown);
        }
        let taken = self.drivers().into_iter().collect();
        let digest = factory.digest();
        let read = |name: &DriverName| {
            let mut store = self.committer.store();
            let state = load(&mut **store, name)?;
            maker::check(&mut **store, &options, digest, name, &state)?;
            Ok(state)
        };
        let prepared = prepare(&factory, &options, taken, &self.limits, &self.ending, read)?;
        // Nothing of a stranger runs from here on.
        let subscribers = lock(&self.subscribers);
        if subscribers.is_shut_down || self.ending.is_begun() {
            return Err(LoadError::ShutDown);
        }
        for one in &prepared {
            let taken = lock(&self.drivers).get(&one.name).map(|driver| driver.origin);
            if let Some(origin) = taken {
                return Err(LoadError::Registration(name_taken(&one.name, origin)));
            }
        }
        for one in &prepared {
            maker::note(&mut **self.committer.store(), &options, &one.name);
        }
        let mut registered = Vec::new();
        let component: Arc<[_]> = prepared.iter().map(|one| one.name.clone()).collect();
        let comings = prepared.iter().map(|one| one.instance.is_ok().then_some(one.coming));
        let comings: Vec<_> = comings.collect();
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
        for (name, coming) in names.iter().zip(comings) {
            let Some(Coming { entries, read, replay }) = coming else { continue };
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

    /// The driver of that name, if it is in service, for `server`: on whose
    /// account its requests go.
    #[must_use]
    pub fn handle_for(&self, name: &DriverName, server: Server) -> Option<Arc<dyn DriverHandle>> {
        let handle = self.registered_driver(name)?;
        Some(Arc::new(Handle { handle, server }))
    }

    /// What is durable now, for readers that take their time.
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
    pub(crate) fn registered<T>(
        &self,
        with: impl FnOnce(&mut BTreeMap<DriverName, Registered>) -> T,
    ) -> T {
        with(&mut lock(&self.drivers))
    }

    /// What it was made with.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Every driver and where it came from, in order of name.
    #[must_use]
    pub fn drivers(&self) -> Vec<(DriverName, Origin)> {
        lock(&self.drivers).iter().map(|(name, driver)| (name.clone(), driver.origin)).collect()
    }

    /// The end is near: from here on no driver comes alive, neither at a load
    /// nor after a failure nor in an upgrade. Those that serve go on.
    pub fn begin_shutdown(&self) {
        self.ending.nothing_new();
    }

    /// Ends all drivers within [`Limits::shutdown_time`].
    pub fn shutdown(&self) {
        self.shutdown_within(self.limits.shutdown_time);
    }

    /// Ends all drivers: subscribers hear that they are gone, what waits is
    /// served, and what is staged is committed. Later requests are refused.
    ///
    /// Waits for that no longer than `grace`. Then nothing is granted any more,
    /// calls under way are ended ([`Factory::halt`]), and a driver whose thread
    /// does not end within [`Limits::halt_time`] is left behind. What is
    /// staged is committed all the same, and the store is closed.
    pub fn shutdown_within(&self, grace: Duration) {
        self.ending.nothing_new();
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
            self.ending.no_grants();
        }
        end_all(drivers, Duration::ZERO, &self.limits);
        self.committer.stop();
    }

    fn handles(&self) -> Vec<Arc<RegisteredDriver>> {
        lock(&self.drivers).values().map(|driver| driver.handle.clone()).collect()
    }

    /// Gives a prepared driver its queue and its thread.
    fn start(
        &self,
        options: &LoadOptions,
        component: &Arc<[DriverName]>,
        prepared: Prepared,
    ) -> io::Result<Registered> {
        let Prepared { name, source, spaces, state, instance, coming: _ } = prepared;
        let queue = Arc::new(Queue::new(&self.limits));
        let health = Arc::<Health>::default();
        let (capability, loaded) = (source.capability, state.generation());
        let registers = source.registers.clone();
        let bounds = Arc::new(Bounds::new(options.pools.clone()));
        let flight = Arc::new(Flight::new(name.clone(), queue.clone()));
        let running = Arc::new(Running::new(&source.factory));
        let mut worker = Worker {
            flight: flight.clone(),
            running: running.clone(),
            ending: self.ending.clone(),
            name: name.clone(),
            spaces: spaces.clone(),
            limits: self.limits.clone(),
            bounds: bounds.clone(),
            queue: queue.clone(),
            committer: self.committer.clone(),
            source,
            is_built_in: options.origin == Origin::BuiltIn,
            health: health.clone(),
            state,
            loaded,
            session: 0,
            asked_at: None,
            instance: None,
            outage: Outage::default(),
            breaker: Breaker::default(),
            store_outage: None,
            staged: Vec::new(),
            writes: Writes::new(),
            written_bytes: 0,
            kept: VecDeque::new(),
            kept_owed: VecDeque::new(),
            tail: None,
        };
        match instance {
            Ok(instance) => {
                worker.instance = Some(instance);
                worker.note_version();
            }
            Err(unfit) => worker.is_unfit(&unfit),
        }
        let thread = thread::Builder::new().name(format!("ipam-{name}"));
        let thread = thread.spawn({
            let (queue, batch_max) = (queue.clone(), self.limits.batch_max.max(1));
            move || worker::run(worker, &queue, batch_max)
        })?;
        let handle = RegisteredDriver::new(name, capability, spaces, queue, health, loaded);
        Ok(Registered {
            origin: options.origin,
            handle: Arc::new(handle),
            registers,
            component: component.clone(),
            options: options.clone(),
            bounds,
            running,
            flight,
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

/// Tells every subscriber of every driver; one refusal takes all of it back.
fn announce(
    subscribers: &[Arc<dyn Subscriber>],
    drivers: &[Arc<RegisteredDriver>],
) -> Result<(), LoadError> {
    let mut told: Vec<(&Arc<dyn Subscriber>, &DriverName)> = Vec::new();
    for driver in drivers {
        for subscriber in subscribers {
            let handle = Handle { handle: driver.clone(), server: subscriber.server() };
            if let Err(source) = subscriber.registered(Arc::new(handle)) {
                told.iter().rev().for_each(|(subscriber, name)| subscriber.unregistered(name));
                return Err(LoadError::Subscriber { name: driver.name.clone(), source });
            }
            told.push((subscriber, &driver.name));
        }
    }
    Ok(())
}

/// How often a thread that ends is looked at.
const PAUSE: Duration = Duration::from_millis(2);

impl Registered {
    /// Which factory made what serves.
    pub(crate) fn factory(&self) -> Arc<dyn Factory> {
        self.running.get()
    }
}

/// Waits until the threads of these drivers have ended. Whether they have.
fn wait_for(drivers: &[Registered], time: Duration) -> bool {
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

/// Serves what waits for drivers, and ends their threads. What a stranger's
/// code does is ended after `grace`, and not waited for in the end; a commit is.
fn end_all(drivers: Vec<Registered>, grace: Duration, limits: &Limits) {
    drivers.iter().for_each(|driver| driver.handle.queue.close());
    if !wait_for(&drivers, grace) {
        let late = || drivers.iter().filter(|driver| !driver.thread.is_finished());
        for driver in late() {
            tracing::warn!(driver = %driver.handle.name, "the driver is stopped: it takes too long");
            driver.running.get().halt();
        }
        while !wait_for(&drivers, limits.halt_time) && late().any(|it| it.flight.is_flying()) {}
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
