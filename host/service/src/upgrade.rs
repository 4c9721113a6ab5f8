//! Another version takes over while the one before it serves.
//!
//! All names of a component change together. If the new version disagrees
//! anywhere, the old one goes on as if nothing had been.

use crate::{
    LoadOptions, Origin, Service,
    candidate::{Candidate, Taken},
    ending::Pace,
    handle::RegisteredDriver,
    load::{Discovered, discover},
    lock,
    rebuild::{Source, words},
    service::Registered,
};
use ipam_api::{Capability, Digest, DriverName, Factory};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

/// Why an upgrade did not happen. The version before it serves on.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// No driver of that name is in service.
    #[error("no driver {0} is in service")]
    NoDriver(DriverName),
    /// A built-in driver comes with this program.
    #[error("driver {0} is built in: it changes with this program alone")]
    BuiltIn(DriverName),
    /// The new version does not start.
    #[error("the new version did not start: {0}")]
    Start(#[source] ipam_api::Failure),
    /// The new version registers something else.
    #[error(
        "the new version registers {new}, the one in service {old}; only by force is that changed"
    )]
    Registration {
        /// What serves now.
        old: String,
        /// What would.
        new: String,
    },
    /// The new version does not agree with the ledger.
    #[error("driver {name} stays as it is; of the new version: {source}")]
    Unfit {
        /// Which driver.
        name: DriverName,
        /// Where it disagrees.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The ledger could not be followed.
    #[error("driver {name} stays as it is: {reason}; try again")]
    Hitch {
        /// Which driver.
        name: DriverName,
        /// What came between.
        reason: &'static str,
    },
}

/// What an upgrade came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgraded {
    /// Which driver.
    pub name: DriverName,
    /// The version before.
    pub from: Option<Digest>,
    /// The version that serves now.
    pub to: Option<Digest>,
    /// Entries of the ledger that it was shown.
    pub replayed: usize,
    /// Events that it was told of since.
    pub followed: usize,
}

impl Service {
    /// Puts another version of a driver, or another configuration of it, in
    /// service without a gap: it is started, shown the ledger and brought up
    /// to date while the one before it serves. All names of a component change
    /// together. Nothing changes if the new version disagrees anywhere.
    ///
    /// With `insist` it may need something else than the one before it, and a
    /// component with one name may call itself otherwise: it keeps the name it
    /// is served under.
    ///
    /// # Errors
    /// Why the one before it serves on.
    pub fn upgrade(
        &self,
        name: &DriverName,
        factory: &Arc<dyn Factory>,
        origin: Origin,
        config: Option<String>,
        insist: bool,
    ) -> Result<Vec<Upgraded>, UpgradeError> {
        let seats = self.seats(name, origin)?;
        let _one_at_a_time = Turn::new(&self.upgrading, &seats)?;
        let config = config.unwrap_or_else(|| seats[0].options.config.clone());
        let capabilities = self.agree_on_names(&seats, &**factory, &config, insist)?;
        // For all of its names together.
        let pace = Pace::new(&**factory, self.limits(), &self.ending);
        let mut candidates = Vec::new();
        for (seat, (registers, capability)) in seats.iter().zip(capabilities) {
            let start_name = (seats.len() > 1).then(|| registers.clone());
            let (factory, config) = (factory.clone(), config.clone());
            let source = Source { factory, name: start_name, config, registers, capability };
            let queue = &seat.handle.queue;
            let batch_max = self.limits().batch_max;
            let bounds = (pace.clone(), self.limits().operator_patience);
            match Candidate::prepare(source, &seat.handle.spaces, queue, batch_max, bounds) {
                Ok(candidate) => candidates.push((seat, capability, candidate)),
                Err(hitch) => {
                    for (seat, _, candidate) in candidates {
                        candidate.give_up(&seat.handle.queue);
                    }
                    return Err(hitch.of(&seat.handle.name));
                }
            }
        }
        let mut taken = Vec::new();
        let mut waiting = candidates.into_iter();
        while let Some((seat, capability, candidate)) = waiting.next() {
            match candidate.take_over(&seat.handle.queue) {
                Ok(one) => taken.push((seat, capability, one)),
                // All or none: those that have changed go back.
                Err(hitch) => {
                    taken.into_iter().for_each(|(seat, _, one)| one.revert(&seat.handle.queue));
                    waiting.for_each(|(seat, _, other)| other.give_up(&seat.handle.queue));
                    return Err(hitch.of(&seat.handle.name));
                }
            }
        }
        let report = |(seat, capability, taken): (&Seat, Capability, Taken)| {
            *lock(&seat.handle.capability) = capability;
            self.registered(|all| {
                if let Some(driver) = all.get_mut(&seat.handle.name) {
                    driver.registers.clone_from(&taken.registers);
                    driver.options.config.clone_from(&config);
                }
            });
            Upgraded {
                name: seat.handle.name.clone(),
                from: seat.digest,
                to: factory.digest(),
                replayed: taken.replayed,
                followed: taken.followed,
            }
        };
        Ok(taken.into_iter().map(report).collect())
    }

    /// The names that change together with `name`.
    fn seats(&self, name: &DriverName, origin: Origin) -> Result<Vec<Seat>, UpgradeError> {
        let seats: Vec<Seat> = self.registered(|all| {
            let component = all.get(name).map(|driver| driver.component.clone());
            let names = component.iter().flat_map(|names| names.iter());
            let seat = |driver: &Registered| Seat {
                origin: driver.origin,
                handle: driver.handle.clone(),
                registers: driver.registers.clone(),
                options: driver.options.clone(),
                digest: driver.factory().digest(),
            };
            names.filter_map(|name| all.get(name)).map(seat).collect()
        });
        if seats.is_empty() {
            return Err(UpgradeError::NoDriver(name.clone()));
        }
        if seats.iter().any(|seat| seat.origin != origin) {
            return Err(UpgradeError::BuiltIn(name.clone()));
        }
        Ok(seats)
    }

    /// What the new version registers for each seat, in their order.
    fn agree_on_names(
        &self,
        seats: &[Seat],
        factory: &dyn Factory,
        config: &str,
        insist: bool,
    ) -> Result<Vec<(DriverName, Capability)>, UpgradeError> {
        // One name too many, to be told of it.
        let discovered = discover(factory, config, BTreeMap::new(), seats.len() + 1);
        let Discovered { names, .. } = discovered.map_err(UpgradeError::Start)?;
        let old: Vec<(DriverName, Capability)> = seats
            .iter()
            .map(|seat| (seat.registers.clone(), *lock(&seat.handle.capability)))
            .collect();
        let same_name = |(name, _): &(DriverName, Capability)| {
            names.iter().find(|(other, _)| other == name).cloned()
        };
        let kept: Option<Vec<_>> = old.iter().map(same_name).collect();
        match (kept, &names[..]) {
            (Some(kept), _) if names.len() == old.len() && (insist || kept == old) => Ok(kept),
            (_, [only]) if insist && old.len() == 1 => Ok(vec![only.clone()]),
            _ => Err(UpgradeError::Registration { old: in_words(&old), new: in_words(&names) }),
        }
    }
}

/// One name that is about to be served by another version.
struct Seat {
    origin: Origin,
    handle: Arc<RegisteredDriver>,
    registers: DriverName,
    options: LoadOptions,
    digest: Option<Digest>,
}

/// Drivers that are being upgraded, until dropped.
struct Turn<'a> {
    upgrading: &'a Mutex<BTreeSet<DriverName>>,
    names: Vec<DriverName>,
}

impl<'a> Turn<'a> {
    /// Nobody waits for another operator's upgrade.
    fn new(
        upgrading: &'a Mutex<BTreeSet<DriverName>>,
        seats: &[Seat],
    ) -> Result<Self, UpgradeError> {
        let names: Vec<_> = seats.iter().map(|seat| seat.handle.name.clone()).collect();
        let mut all = lock(upgrading);
        if let Some(name) = names.iter().find(|name| all.contains(*name)) {
            let reason = "another upgrade of it is under way";
            return Err(UpgradeError::Hitch { name: name.clone(), reason });
        }
        all.extend(names.iter().cloned());
        Ok(Self { upgrading, names })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut all = lock(self.upgrading);
        all.retain(|name| !self.names.contains(name));
    }
}

fn in_words(names: &[(DriverName, Capability)]) -> String {
    let words: Vec<String> = names.iter().map(|(name, needs)| words(name, *needs)).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(" and ") }
}
