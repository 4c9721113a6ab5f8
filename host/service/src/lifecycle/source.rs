//! How the instances of one registered driver are made.

use super::{
    deadline::Deadline, registration::Recorder, replay::replay_into, start_error::StartError,
};
use crate::{serve::instance::Instance, sync::lock};
use ipam_api::{AddressSpaces, Capability, DriverName, Factory, Start, Stored};
use ipam_ledger::State;
use std::{collections::BTreeMap, sync::Arc};

/// How one registered driver is made, and what it must register each time.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) factory: Arc<dyn Factory>,
    /// Which of its names it is started for, if it has several.
    pub(crate) name: Option<DriverName>,
    pub(crate) config: String,
    /// The name it registers; the operator may have renamed it.
    pub(crate) registers: DriverName,
    pub(crate) capability: Capability,
}

impl Source {
    /// Starts an instance that registers as the first one did.
    pub(crate) fn start(&self, stored: &Arc<Stored>) -> Result<Instance, StartError> {
        // Room for one name too many, to see that it registers more than its own.
        let (recorder, registered) = Recorder::new(BTreeMap::new(), 2);
        let (name, config) = (self.name.clone(), self.config.clone());
        let start = Start { name, config, stored: stored.clone() };
        let instance =
            Instance::make(&*self.factory, &start, recorder).map_err(StartError::Start)?;
        let names = &lock(&registered).names;
        if names.as_slice() == [(self.registers.clone(), self.capability)] {
            return Ok(instance);
        }
        let expected = words(&self.registers, self.capability);
        Err(StartError::Registration { registered: in_words(names), expected })
    }

    /// Starts an instance that has these address spaces, as the first one had.
    pub(crate) fn start_with(
        &self,
        spaces: &AddressSpaces,
        stored: &Arc<Stored>,
    ) -> Result<Instance, StartError> {
        let mut instance = self.start(stored)?;
        match instance.default_address_spaces() {
            Ok(found) if found == *spaces => Ok(instance),
            Ok(_) => Err(StartError::AddressSpaces),
            Err(failure) => Err(StartError::Ask(failure)),
        }
    }

    /// Starts an instance that knows the ledger.
    pub(crate) fn start_replayed(
        &self,
        spaces: &AddressSpaces,
        state: &State,
        deadline: &Deadline,
    ) -> Result<Instance, StartError> {
        deadline.check()?;
        let mut instance = self.start_with(spaces, state.stored())?;
        self.replay(state, &mut instance, deadline)?;
        Ok(instance)
    }

    /// Replays the ledger into a started instance, if it uses replay. Returns how
    /// many entries that were.
    pub(crate) fn replay(
        &self,
        state: &State,
        instance: &mut Instance,
        deadline: &Deadline,
    ) -> Result<usize, StartError> {
        let mut replayed = 0;
        if self.capability.requires_request_replay {
            for entry in state.replay() {
                deadline.check()?;
                replay_into(instance, &entry)?;
                replayed += 1;
            }
        }
        Ok(replayed)
    }
}

/// What is registered, in words.
pub(crate) fn in_words(names: &[(DriverName, Capability)]) -> String {
    let words: Vec<String> =
        names.iter().map(|(name, capability)| words(name, *capability)).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(" and ") }
}

fn words(name: &DriverName, capability: Capability) -> String {
    let Capability { requires_mac_address, requires_request_replay } = capability;
    let mac = if requires_mac_address { " with MAC addresses" } else { "" };
    let replay = if requires_request_replay { " with replay" } else { "" };
    format!("{name}{mac}{replay}")
}
