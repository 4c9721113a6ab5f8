//! From a factory to drivers that are ready to be registered.

use crate::{
    Limits,
    ending::{Ending, Pace},
    instance::Instance,
    lock,
    maker::Maker,
    rebuild::{Source, Unfit},
    registration::{Recorder, Taken, name_taken},
};
use ipam_api::{AddressSpaces, Capability, DriverName, Error, Factory, Failure, IpNet, Start};
use ipam_ledger::{State, StoreError};
use std::{
    collections::{BTreeMap, BTreeSet},
    error, fmt, io,
    sync::Arc,
    time::{Duration, Instant},
};

/// Where a driver came from. The host knows; it does not ask the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Part of the host: nobody can take its name.
    BuiltIn,
    /// The operator's.
    Component,
}

/// How a factory is loaded.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Where it comes from.
    pub origin: Origin,
    /// What the one name that it registers shall be instead.
    pub rename: Option<DriverName>,
    /// The operator's table for it: one JSON object.
    pub config: String,
    /// How many names it may register, and so how many instances it has.
    pub names_max: usize,
    /// What its automatic pools are bounded by; else by what a network of
    /// containers may have.
    pub pools: Option<Vec<IpNet>>,
    /// Names that it cannot have by itself: others have them, whether they are
    /// in service or not.
    pub reserved: BTreeSet<DriverName>,
    /// What its entry in the operator's configuration is known by. Nothing for
    /// a program that knows whose its drivers are: then any may have any part
    /// of the ledger.
    pub maker: Option<Maker>,
    /// Whether it may have what another was granted under its name.
    pub takes_over: bool,
    /// When it is to be registered at the latest, alive or not: whoever loads
    /// several bounds them all.
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

/// Why a factory was not loaded. Nothing of it is in service then.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It did not start.
    #[error("the driver did not start: {0}")]
    Start(#[source] Failure),
    /// It registered nothing, though nothing kept it from it.
    #[error("the driver started, but registered no name")]
    NoName,
    /// Whatever it registered was refused.
    #[error("the driver could not register: {0}")]
    Registration(#[source] Error),
    /// It is to be renamed, but it is not clear which of its names is meant.
    #[error("the driver cannot be renamed: it registers {}", Names(.0))]
    Rename(Vec<DriverName>),
    /// One of its instances is not what it must be.
    #[error("driver {name} cannot serve: {source}")]
    Unfit {
        /// Which of its names.
        name: DriverName,
        /// What is wrong with it.
        source: Box<dyn error::Error + Send + Sync>,
    },
    /// What the ledger holds of it could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the ledger holds under its name was another's.
    #[error(
        "driver {name}: the ledger holds what {made_by} has granted; it is handed to {maker} \
         with takes-over = true in its table"
    )]
    NotItsOwn {
        /// Which of its names.
        name: DriverName,
        /// Who made that.
        made_by: String,
        /// Who wants it.
        maker: String,
    },
    /// A thread could not be started.
    #[error("no thread for a driver: {0}")]
    Thread(#[from] io::Error),
    /// A subscriber cannot serve it.
    #[error("driver {name} cannot be served: {source}")]
    Subscriber {
        /// Which driver.
        name: DriverName,
        /// The subscriber's words.
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
    /// Or why there is none that agrees with the ledger: it is served, since
    /// releases go on, and is tried again like one that fails later.
    pub(crate) instance: Result<Instance, Unfit>,
    pub(crate) coming: Coming,
}

/// What it took to bring a driver into service, for whoever keeps a log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Coming {
    /// Pools and leases that the ledger holds of it.
    pub(crate) entries: usize,
    /// To read them.
    pub(crate) read: Duration,
    /// To start an instance, if there was none, and show them to it.
    pub(crate) replay: Duration,
}

/// What starting a factory for its names came to.
pub(crate) struct Discovered {
    pub(crate) instance: Instance,
    /// In order of registration.
    pub(crate) names: Vec<(DriverName, Capability)>,
    /// The first registration that was refused.
    pub(crate) refusal: Option<Error>,
}

/// Starts a factory for its names; those in `refused` it cannot have.
pub(crate) fn discover(
    factory: &dyn Factory,
    config: &str,
    refused: BTreeMap<DriverName, Taken>,
    names_max: usize,
) -> Result<Discovered, Failure> {
    let (recorder, registered) = Recorder::new(refused, names_max);
    let start = Start { name: None, config: config.to_owned(), stored: Arc::default() };
    let instance = Instance::make(factory, &start, recorder)?;
    let mut registered = lock(&registered);
    let (names, refusal) = (std::mem::take(&mut registered.names), registered.refusal.take());
    Ok(Discovered { instance, names, refusal })
}

/// Starts a factory for its names, and one instance for each of them.
pub(crate) fn prepare(
    factory: &Arc<dyn Factory>,
    options: &LoadOptions,
    taken: BTreeMap<DriverName, Origin>,
    limits: &Limits,
    ending: &Arc<Ending>,
    mut read: impl FnMut(&DriverName) -> Result<State, LoadError>,
) -> Result<Vec<Prepared>, LoadError> {
    // A name that is going to be replaced may be taken.
    let (refused, new_name_taken) = match &options.rename {
        Some(name) => (BTreeMap::new(), taken.get(name).copied()),
        None => {
            let reserved = options.reserved.iter().map(|name| (name.clone(), Taken::Reserved));
            let taken = taken.into_iter().map(|(name, origin)| (name, Taken::By(origin)));
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
    let pace = Pace::new(&**factory, limits, ending).by(options.ends);
    // The instance that registered just one name serves it, unless it had to
    // start without what it has stored; one that has several has said what it
    // was started for.
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
        let made = first.map_or_else(|| source.make(state.stored()), Ok);
        let revived = made.and_then(|mut instance| {
            let spaces = instance.default_address_spaces().map_err(Unfit::Ask)?;
            Ok((source.teach(&state, &mut instance, &pace).map(|()| instance), spaces))
        });
        match revived {
            Ok((Err(Unfit::Ending), _)) => Err(LoadError::ShutDown),
            Ok((instance, spaces)) => {
                let entries = state.pools().count() + state.lease_total();
                let coming = Coming { entries, read, replay: begin.elapsed() - read };
                Ok(Prepared { name, source, spaces, state, instance, coming })
            }
            Err(unfit) => Err(LoadError::Unfit { name, source: unfit.into() }),
        }
    };
    names.into_iter().map(&mut ready).collect()
}
