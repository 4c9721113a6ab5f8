//! Loads a factory: from its start to drivers that are ready to be registered.

use super::{
    deadline::Deadline,
    maker::Maker,
    registration::{NameHolder, Origin, Recorder, name_taken},
    shutdown::Shutdown,
    source::Source,
    start_error::StartError,
};
use crate::{Limits, serve::instance::Instance, sync::lock};
use ipam_api::{AddressSpaces, Capability, DriverName, Error, Factory, Failure, IpNet, Start};
use ipam_ledger::{State, StoreError};
use std::{
    collections::{BTreeMap, BTreeSet},
    error, fmt, io,
    sync::Arc,
    time::{Duration, Instant},
};

/// How a factory is loaded.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Where it comes from.
    pub origin: Origin,
    /// The name to serve it under, instead of the one that it registers.
    pub rename: Option<DriverName>,
    /// The operator's table for it: one JSON object.
    pub config: String,
    /// How many names it may register. It gets an instance for each.
    pub names_max: usize,
    /// Where its automatic pools may lie. Nothing: in any range that a container
    /// network may use.
    pub pools: Option<Vec<IpNet>>,
    /// Names that it cannot register, because they are given to others, in service
    /// or not.
    pub reserved: BTreeSet<DriverName>,
    /// What identifies its entry in the operator's configuration. Nothing: it may
    /// have any part of the ledger.
    pub maker: Option<Maker>,
    /// Whether it may have its part of the ledger even if another driver made it.
    pub takes_over: bool,
    /// When it is registered at the latest, whether it serves or not: a limit for
    /// several loads together.
    pub ends: Option<Instant>,
}

impl LoadOptions {
    /// Under its own name, with an empty table.
    #[must_use]
    pub fn new(origin: Origin) -> Self {
        Self {
            origin,
            rename: None,
            config: "{}".to_owned(),
            names_max: 1,
            pools: None,
            reserved: BTreeSet::new(),
            maker: None,
            takes_over: false,
            ends: None,
        }
    }
}

/// Why a factory was not loaded. None of its names is in service then.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It did not start.
    #[error("the driver did not start: {0}")]
    Start(#[source] Failure),
    /// It registered nothing, and nothing was refused.
    #[error("the driver started, but registered no name")]
    NoName,
    /// Everything that it registered was refused.
    #[error("the driver could not register: {0}")]
    Registration(#[source] Error),
    /// It cannot be renamed, because it has several names.
    #[error("the driver cannot be renamed: it registers {}", Names(.0))]
    Rename(Vec<DriverName>),
    /// One of its instances cannot serve.
    #[error("driver {name} cannot serve: {source}")]
    CannotServe {
        /// Which of its names.
        name: DriverName,
        /// Why.
        source: Box<dyn error::Error + Send + Sync>,
    },
    /// Its part of the ledger could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its name has a part of the ledger that another driver made.
    #[error(
        "driver {name}: the ledger holds what {made_by} has granted; it is handed to {maker} \
         with takes-over = true in its table"
    )]
    NotItsOwn {
        /// Which of its names.
        name: DriverName,
        /// Who made it.
        made_by: String,
        /// Who wants it.
        maker: String,
    },
    /// A thread could not be started.
    #[error("the thread of a driver could not be started: {0}")]
    Thread(#[from] io::Error),
    /// A subscriber refused it.
    #[error("driver {name} cannot be served: {source}")]
    Subscriber {
        /// Which driver.
        name: DriverName,
        /// Why.
        source: Box<dyn error::Error + Send + Sync>,
    },
    /// The service has been shut down.
    #[error("the service is shut down")]
    ShutDown,
}

/// Names, for an operator.
struct Names<'a>(&'a [DriverName]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.0.iter().enumerate() {
            write!(f, "{}{name}", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// One name of a component, with what the ledger holds of it.
pub(crate) struct Prepared {
    pub(crate) name: DriverName,
    pub(crate) source: Source,
    pub(crate) spaces: AddressSpaces,
    pub(crate) state: State,
    /// Or why none serves: the driver is registered all the same, since releases
    /// go on, and is started again later.
    pub(crate) instance: Result<Instance, StartError>,
    pub(crate) times: LoadTimes,
}

/// How long the load of a driver took; for the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LoadTimes {
    /// Pools and leases that the ledger holds of it.
    pub(crate) entries: usize,
    /// The time to read them.
    pub(crate) read: Duration,
    /// The time to start an instance, if there was none, and to replay them.
    pub(crate) replay: Duration,
}

/// What a factory registers.
pub(crate) struct Discovered {
    pub(crate) instance: Instance,
    /// In order of registration.
    pub(crate) names: Vec<(DriverName, Capability)>,
    /// The first registration that was refused.
    pub(crate) refusal: Option<Error>,
}

/// Starts a factory to see what it registers. It cannot have the names in
/// `refused`.
pub(crate) fn discover(
    factory: &dyn Factory,
    config: &str,
    refused: BTreeMap<DriverName, NameHolder>,
    names_max: usize,
) -> Result<Discovered, Failure> {
    let (recorder, registered) = Recorder::new(refused, names_max);
    let start = Start { name: None, config: config.to_owned(), stored: Arc::default() };
    let instance = Instance::make(factory, &start, recorder)?;
    let mut registered = lock(&registered);
    let (names, refusal) = (std::mem::take(&mut registered.names), registered.refusal.take());
    Ok(Discovered { instance, names, refusal })
}

/// Starts a factory to see what it registers, and one instance for each name.
pub(crate) fn prepare(
    factory: &Arc<dyn Factory>,
    options: &LoadOptions,
    taken: BTreeMap<DriverName, Origin>,
    limits: &Limits,
    shutdown: &Arc<Shutdown>,
    mut read: impl FnMut(&DriverName) -> Result<State, LoadError>,
) -> Result<Vec<Prepared>, LoadError> {
    // A name that will be replaced may be taken.
    let (refused, new_name_taken) = match &options.rename {
        Some(name) => (BTreeMap::new(), taken.get(name).copied()),
        None => {
            let reserved = options.reserved.iter().map(|name| (name.clone(), NameHolder::Reserved));
            let taken = taken.into_iter().map(|(name, origin)| (name, NameHolder::Driver(origin)));
            (reserved.chain(taken).collect(), None)
        }
    };
    let names_max = options.names_max.min(limits.names_max);
    let discovered = discover(&**factory, &options.config, refused, names_max);
    let Discovered { instance: first, names, refusal } = discovered.map_err(LoadError::Start)?;
    if names.is_empty() {
        return Err(refusal.map_or(LoadError::NoName, LoadError::Registration));
    }
    let several = names.len() > 1;
    if several && options.rename.is_some() {
        return Err(LoadError::Rename(names.into_iter().map(|(name, _)| name).collect()));
    }
    if let (Some(name), Some(origin)) = (&options.rename, new_name_taken) {
        return Err(LoadError::Registration(name_taken(name, origin)));
    }
    // For all of its names together.
    let deadline = Deadline::new(&**factory, limits, shutdown).by(options.ends);
    // An instance that registered one name serves it, unless it has stored
    // something and had to start without it. A component with several names gets
    // an instance for each.
    let mut first = Some(first).filter(|_| !several);
    let mut ready = |(registers, capability): (DriverName, Capability)| {
        let name = options.rename.clone().unwrap_or_else(|| registers.clone());
        let start_name = several.then(|| registers.clone());
        let (factory, config) = (factory.clone(), options.config.clone());
        let source = Source { factory, name: start_name, config, registers, capability };
        let begin = Instant::now();
        let state = read(&name)?;
        let read = begin.elapsed();
        let first = first.take().filter(|_| state.stored().is_empty());
        let started = first.map_or_else(|| source.start(state.stored()), Ok);
        let started = started.and_then(|mut instance| {
            let spaces = instance.default_address_spaces().map_err(StartError::Ask)?;
            Ok((source.replay(&state, &mut instance, &deadline).map(|_| instance), spaces))
        });
        match started {
            Ok((Err(StartError::ShuttingDown), _)) => Err(LoadError::ShutDown),
            Ok((instance, spaces)) => {
                let entries = state.pools().count() + state.lease_total();
                let times = LoadTimes { entries, read, replay: begin.elapsed() - read };
                Ok(Prepared { name, source, spaces, state, instance, times })
            }
            Err(error) => Err(LoadError::CannotServe { name, source: error.into() }),
        }
    };
    names.into_iter().map(&mut ready).collect()
}
