//! A driver as it is asked here: one question at a time, each at a time of its
//! own, and what it writes to its store is kept.

use ipam_api::{
    Answer, Callback, Capability, Code, Driver, DriverName, Error, Factory, Failure, Kind, Request,
    Start, Stored, names,
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// When the first question is asked, in seconds since 1970: 2026.
const BEGIN: u64 = 1_767_225_600;
/// Each question is asked so much later than the one before it, so that an
/// address that must rest has rested. It is the same time in each run.
const STEP: u64 = 3600;
/// How many names a component may register, if nobody says otherwise.
pub(crate) const NAMES_MAX: usize = 64;

/// What one start registered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Registered {
    pub(crate) names: Vec<(DriverName, Capability)>,
    /// The first that was refused.
    pub(crate) refusal: Option<Error>,
}

/// The host's side of `callback`.
struct Register {
    registered: Arc<Mutex<Registered>>,
    is_built_in: bool,
    names_max: usize,
}

impl Register {
    fn accept(&self, registered: &Registered, name: &str) -> Result<DriverName, Error> {
        let invalid = |text: String| Error::new(Code::InvalidRequest, text);
        let name: DriverName = name.parse().map_err(|error| invalid(format!("{error}")))?;
        let is_taken = [names::DEFAULT_IPAM, names::NULL_IPAM].contains(&name.as_str());
        if is_taken && !self.is_built_in {
            return Err(Error::other(Kind::Forbidden, "a built-in driver has that name"));
        }
        if registered.names.iter().any(|(known, _)| *known == name) {
            return Err(invalid("it is registered already".to_owned()));
        }
        if registered.names.len() >= self.names_max {
            let names_max = self.names_max;
            return Err(invalid(format!("a component may register {names_max} names")));
        }
        Ok(name)
    }
}

impl Callback for Register {
    fn register_ipam_driver_with_capabilities(
        &mut self,
        name: &str,
        capability: Capability,
    ) -> Result<(), Error> {
        let mut registered = self.registered.lock().unwrap_or_else(PoisonError::into_inner);
        match self.accept(&registered, name) {
            Ok(name) => {
                registered.names.push((name, capability));
                Ok(())
            }
            Err(refusal) => {
                registered.refusal.get_or_insert_with(|| refusal.clone());
                Err(refusal)
            }
        }
    }
}

/// An instance, how often it was asked, and what it has stored.
pub(crate) struct Asking {
    driver: Box<dyn Driver>,
    /// How many questions there were, which is the time.
    pub(crate) asked: u64,
    pub(crate) stored: Stored,
    pub(crate) registered: Registered,
}

/// How instances are made.
#[derive(Clone)]
pub(crate) struct Maker {
    pub(crate) factory: Arc<dyn Factory>,
    pub(crate) config: String,
    pub(crate) is_built_in: bool,
    pub(crate) names_max: usize,
}

impl Maker {
    /// Makes an instance that finds this stored.
    pub(crate) fn make(
        &self,
        name: Option<&DriverName>,
        stored: Stored,
    ) -> Result<Asking, Failure> {
        let registered = Arc::<Mutex<Registered>>::default();
        let Self { is_built_in, names_max, .. } = *self;
        let callback = Register { registered: registered.clone(), is_built_in, names_max };
        let start = Start {
            name: name.cloned(),
            config: self.config.clone(),
            stored: Arc::new(stored.clone()),
        };
        let driver = self.factory.make(&start, Box::new(callback))?;
        let registered = registered.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Asking { driver, asked: 0, stored, registered })
    }
}

impl Asking {
    /// The driver, now.
    pub(crate) fn now(&mut self) -> &mut dyn Driver {
        let at = Duration::from_secs(BEGIN.saturating_add(STEP.saturating_mul(self.asked)));
        self.driver.begin(UNIX_EPOCH.checked_add(at).unwrap_or(SystemTime::UNIX_EPOCH));
        &mut *self.driver
    }

    /// Asks one question, and keeps what was written for it.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Answer, Failure> {
        let driver = self.now();
        let answer = match request {
            Request::Pool(request) => driver.request_pool(request).map(Answer::Pool),
            Request::ReleasePool(id) => driver.release_pool(id).map(|()| Answer::Released),
            Request::Address(request) => driver.request_address(request).map(Answer::Address),
            Request::ReleaseAddress(id, address) => {
                driver.release_address(id, *address).map(|()| Answer::Released)
            }
            Request::Status(id) => match driver.pool_status(id) {
                Some(status) => status.map(Answer::Status),
                None => Err(Code::Other(Kind::NotImplemented).into()),
            },
            Request::TakeBack { .. } | Request::Records(_) => {
                Err(Code::Other(Kind::NotImplemented).into())
            }
        };
        self.asked += 1;
        // What is told to a new instance changes nothing that is stored.
        let is_replay = match request {
            Request::Pool(request) => request.options.contains_key(names::REPLAY),
            Request::Address(request) => request.options.contains_key(names::REPLAY),
            Request::ReleasePool(_)
            | Request::ReleaseAddress(..)
            | Request::Status(_)
            | Request::TakeBack { .. }
            | Request::Records(_) => false,
        };
        if answer.is_ok() && !is_replay {
            for (key, value) in self.driver.take_writes() {
                match value {
                    Some(value) => drop(self.stored.insert(key, value)),
                    None => drop(self.stored.remove(&key)),
                }
            }
        }
        answer
    }
}
