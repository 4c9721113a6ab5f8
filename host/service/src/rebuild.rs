//! Coming alive: a new instance is made, started, and shown the ledger.

use crate::{ending::Pace, instance::Instance, lock, registration::Recorder};
use ipam_api::{
    AddressSpaces, Capability, DriverName, Factory, Failure, IpNet, PoolId, Start, Stored,
};
use ipam_ledger::{Replay, State};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// How one registered driver is made, and what must come out each time.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) factory: Arc<dyn Factory>,
    /// Which of its names it is started for, if it has several.
    pub(crate) name: Option<DriverName>,
    pub(crate) config: String,
    /// What it calls itself; the operator may have renamed it.
    pub(crate) registers: DriverName,
    pub(crate) capability: Capability,
}

/// Why an instance does not serve; for the operator.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("it did not start: {0}")]
    Start(#[source] Failure),
    #[error("it registered {registered}, not {expected}")]
    Registration { registered: String, expected: String },
    #[error("its address spaces changed")]
    AddressSpaces,
    #[error("it could not be asked: {0}")]
    Ask(#[source] Failure),
    #[error("it refused what the ledger holds, {entry}: {failure}")]
    Refused { entry: String, failure: Failure },
    #[error("it disagrees with the ledger: {entry} came back as {answered}")]
    Disagrees { entry: String, answered: String },
    #[error("it did not learn the ledger within {0:?}")]
    TooSlow(Duration),
    #[error("it was stopped while it learned the ledger, for another version of it")]
    GaveWay,
    #[error("the service ends")]
    Ending,
}

impl Source {
    /// Makes an instance that registers as it did the first time.
    pub(crate) fn make(&self, stored: &Arc<Stored>) -> Result<Instance, Unfit> {
        // Room for one name too many, so that a driver with more than its own
        // is told apart.
        let (recorder, registered) = Recorder::new(BTreeMap::new(), 2);
        let (name, config) = (self.name.clone(), self.config.clone());
        let start = Start { name, config, stored: stored.clone() };
        let instance = Instance::make(&*self.factory, &start, recorder).map_err(Unfit::Start)?;
        let registered = &lock(&registered).names;
        if registered.as_slice() == [(self.registers.clone(), self.capability)] {
            return Ok(instance);
        }
        let words: Vec<String> =
            registered.iter().map(|(name, capability)| words(name, *capability)).collect();
        let registered = if words.is_empty() { "nothing".to_owned() } else { words.join(" and ") };
        Err(Unfit::Registration { registered, expected: words_of(self) })
    }

    /// Makes an instance that knows the ledger.
    pub(crate) fn revive(
        &self,
        spaces: &AddressSpaces,
        state: &State,
        pace: &Pace,
    ) -> Result<Instance, Unfit> {
        pace.check()?;
        let mut instance = self.make(state.stored())?;
        if instance.default_address_spaces().map_err(Unfit::Ask)? != *spaces {
            return Err(Unfit::AddressSpaces);
        }
        self.teach(state, &mut instance, pace)?;
        Ok(instance)
    }

    /// Shows the ledger to a started instance, if it needs that.
    pub(crate) fn teach(
        &self,
        state: &State,
        instance: &mut Instance,
        pace: &Pace,
    ) -> Result<(), Unfit> {
        if !self.capability.requires_request_replay {
            return Ok(());
        }
        state.replay().try_for_each(|entry| {
            pace.check()?;
            tell(instance, &entry)
        })
    }
}

/// Shows an entry of the ledger to a new instance. Id, prefix and address must
/// come back as they were granted; `data` may differ.
pub(crate) fn tell(instance: &mut Instance, entry: &Replay) -> Result<(), Unfit> {
    match entry {
        Replay::Pool(request, granted, at) => {
            instance.at(*at);
            let words = |id: &PoolId, pool: IpNet| format!("pool {pool} with id {id:?}");
            let entry = || words(&granted.pool_id, granted.pool);
            let grant = match instance.request_pool(request) {
                Ok(grant) => grant,
                Err(failure) => return Err(Unfit::Refused { entry: entry(), failure }),
            };
            if (&grant.pool_id, grant.pool) != (&granted.pool_id, granted.pool) {
                let answered = words(&grant.pool_id, grant.pool);
                return Err(Unfit::Disagrees { entry: entry(), answered });
            }
        }
        Replay::Address(request, leased, at) => {
            instance.at(*at);
            let words = |address: Option<IpNet>| match address {
                Some(address) => format!("address {address} of pool {:?}", request.pool_id),
                None => "no address".to_owned(),
            };
            let grant = match instance.request_address(request) {
                Ok(grant) => grant,
                Err(failure) => {
                    return Err(Unfit::Refused { entry: words(leased.address), failure });
                }
            };
            if grant.address != leased.address {
                let entry = words(leased.address);
                return Err(Unfit::Disagrees { entry, answered: words(grant.address) });
            }
        }
    }
    Ok(())
}

fn words_of(source: &Source) -> String {
    words(&source.registers, source.capability)
}

/// What is registered, in words.
pub(crate) fn words(name: &DriverName, capability: Capability) -> String {
    let Capability { requires_mac_address, requires_request_replay } = capability;
    let mac = if requires_mac_address { " with MAC addresses" } else { "" };
    let replay = if requires_request_replay { " with replay" } else { "" };
    format!("{name}{mac}{replay}")
}
