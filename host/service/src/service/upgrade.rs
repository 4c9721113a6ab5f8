//! Upgrades: a new version takes over while the one before it serves.
//!
//! All names of a component change together. If the new version disagrees
//! anywhere, the old one serves on as if nothing had happened.

use super::{registry::Service, running::RunningDriver};
use crate::{
    front::{
        handle::RegisteredDriver,
        message::{Control, Message},
        ticket::NotDone,
    },
    lifecycle::{
        deadline::Deadline,
        load::{Discovered, LoadOptions, discover},
        new_version::{NewVersion, Swapped, UpgradeInterrupted},
        registration::Origin,
        source::{Source, in_words},
    },
    sync::lock,
};
use ipam_api::{Capability, Digest, DriverName, Factory, Failure};
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
    /// A built-in driver is part of this program.
    #[error("driver {0} is built in: it is upgraded together with this program")]
    BuiltIn(DriverName),
    /// The new version does not start.
    #[error("the new version did not start: {0}")]
    Start(#[source] Failure),
    /// The new version registers something else.
    #[error(
        "the new version registers {new}, the one in service {old}; an upgrade that changes this must be forced"
    )]
    Registration {
        /// What serves now.
        old: String,
        /// What the new version registers.
        new: String,
    },
    /// The new version cannot serve, or disagrees with the ledger.
    #[error("driver {name} stays as it is; of the new version: {source}")]
    CannotServe {
        /// Which driver.
        name: DriverName,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Something interrupted the upgrade.
    #[error("driver {name} stays as it is: {reason}; try again")]
    Interrupted {
        /// Which driver.
        name: DriverName,
        /// What.
        reason: &'static str,
    },
}

/// A driver that was upgraded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgraded {
    /// Which driver.
    pub name: DriverName,
    /// The version before.
    pub from: Option<Digest>,
    /// The version that serves now.
    pub to: Option<Digest>,
    /// Entries of the ledger that were replayed into it.
    pub replayed: usize,
    /// Events since that were replayed into it.
    pub followed: usize,
}

impl Service {
    /// Puts another version of a driver, or another configuration of it, in
    /// service without a gap: it is started, shown the ledger and brought up
    /// to date while the one before it serves. All names of a component change
    /// together. Nothing changes if the new version disagrees anywhere.
    ///
    /// With `insist` it may register other capabilities than the one before it, and a
    /// component with one name may register another: it keeps the name that it is
    /// served under.
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
        let targets = self.targets(name, origin)?;
        let _one_at_a_time = UpgradeLock::new(&self.upgrading, &targets)?;
        let config = config.unwrap_or_else(|| targets[0].options.config.clone());
        let registrations = self.agree_on_names(&targets, &**factory, &config, insist)?;
        // For all of its names together.
        let deadline = Deadline::new(&**factory, self.limits(), &self.shutdown);
        let mut prepared = Vec::new();
        for (target, (registers, capability)) in targets.iter().zip(registrations) {
            let start_name = (targets.len() > 1).then(|| registers.clone());
            let (factory, config) = (factory.clone(), config.clone());
            let source = Source { factory, name: start_name, config, registers, capability };
            match self.prepare(target, source, &deadline) {
                Ok(new) => prepared.push((target, capability, new)),
                Err(interrupted) => {
                    prepared.iter().for_each(|(target, ..)| target.unfollow());
                    return Err(target.failed(interrupted));
                }
            }
        }
        let mut swapped = Vec::new();
        let mut waiting = prepared.into_iter();
        while let Some((target, capability, new)) = waiting.next() {
            match self.swap(target, new) {
                Ok(one) => swapped.push((target, capability, one)),
                // All or none: those that have changed go back.
                Err(interrupted) => {
                    swapped.into_iter().for_each(|(target, _, one)| target.revert(one));
                    target.unfollow();
                    waiting.for_each(|(target, ..)| target.unfollow());
                    return Err(target.failed(interrupted));
                }
            }
        }
        let report = |(target, capability, swapped): (&Target, Capability, Swapped)| {
            *lock(&target.handle.capability) = capability;
            self.with_drivers(|all| {
                if let Some(driver) = all.get_mut(&target.handle.name) {
                    driver.registers.clone_from(&swapped.registers);
                    driver.options.config.clone_from(&config);
                }
            });
            Upgraded {
                name: target.handle.name.clone(),
                from: target.digest,
                to: factory.digest(),
                replayed: swapped.replayed,
                followed: swapped.followed,
            }
        };
        Ok(swapped.into_iter().map(report).collect())
    }

    /// Starts a new version and replays the ledger into it, until it is at most one
    /// batch behind.
    fn prepare(
        &self,
        target: &Target,
        source: Source,
        deadline: &Deadline,
    ) -> Result<NewVersion, UpgradeInterrupted> {
        let (queue, patience) = (&target.handle.queue, self.limits().operator_patience);
        let stored = queue.call_urgently(patience, Control::Stored)?;
        let instance = source.start_with(&target.handle.spaces, &stored)?;
        let (state, tail) = queue.call_urgently(patience, Control::Follow)?;
        let mut new = NewVersion::new(source, instance, stored, tail, deadline.clone());
        match new.catch_up(&state, self.limits().batch_max) {
            Ok(()) => Ok(new),
            Err(interrupted) => {
                target.unfollow();
                Err(interrupted)
            }
        }
    }

    /// Lets a new version take over, on the driver's thread.
    fn swap(&self, target: &Target, new: NewVersion) -> Result<Swapped, UpgradeInterrupted> {
        let patience = self.limits().operator_patience;
        let swap = |ticket| Control::Swap(Box::new(new), ticket);
        target.handle.queue.call_urgently(patience, swap)?
    }

    /// The names that change together with `name`.
    fn targets(&self, name: &DriverName, origin: Origin) -> Result<Vec<Target>, UpgradeError> {
        let targets: Vec<Target> = self.with_drivers(|all| {
            let component = all.get(name).map(|driver| driver.component.clone());
            let names = component.iter().flat_map(|names| names.iter());
            let target = |driver: &RunningDriver| Target {
                origin: driver.origin,
                handle: driver.handle.clone(),
                registers: driver.registers.clone(),
                options: driver.options.clone(),
                digest: driver.factory().digest(),
            };
            names.filter_map(|name| all.get(name)).map(target).collect()
        });
        if targets.is_empty() {
            return Err(UpgradeError::NoDriver(name.clone()));
        }
        if targets.iter().any(|target| target.origin != origin) {
            return Err(UpgradeError::BuiltIn(name.clone()));
        }
        Ok(targets)
    }

    /// What the new version registers for each target, in their order.
    fn agree_on_names(
        &self,
        targets: &[Target],
        factory: &dyn Factory,
        config: &str,
        insist: bool,
    ) -> Result<Vec<(DriverName, Capability)>, UpgradeError> {
        // Room for one name too many, to see that it registers more.
        let discovered = discover(factory, config, BTreeMap::new(), targets.len() + 1);
        let Discovered { names, .. } = discovered.map_err(UpgradeError::Start)?;
        let old: Vec<(DriverName, Capability)> = targets
            .iter()
            .map(|target| (target.registers.clone(), *lock(&target.handle.capability)))
            .collect();
        let same_name = |(name, _): &(DriverName, Capability)| {
            names.iter().find(|(other, _)| other == name).cloned()
        };
        let same: Option<Vec<_>> = old.iter().map(same_name).collect();
        match (same, &names[..]) {
            (Some(same), _) if names.len() == old.len() && (insist || same == old) => Ok(same),
            (_, [only]) if insist && old.len() == 1 => Ok(vec![only.clone()]),
            _ => Err(UpgradeError::Registration { old: in_words(&old), new: in_words(&names) }),
        }
    }
}

impl From<NotDone> for UpgradeInterrupted {
    fn from(not_done: NotDone) -> Self {
        match not_done {
            NotDone::Gone => Self::Gone,
            NotDone::Late => Self::Busy,
        }
    }
}

/// One name that is about to be served by another version.
struct Target {
    origin: Origin,
    handle: Arc<RegisteredDriver>,
    registers: DriverName,
    options: LoadOptions,
    digest: Option<Digest>,
}

impl Target {
    /// Nobody follows its events any more.
    fn unfollow(&self) {
        self.handle.queue.put(Message::Control(Control::Unfollow));
    }

    /// Puts the version before a swap in service again: sooner or later, and before
    /// any other upgrade.
    fn revert(&self, swapped: Swapped) {
        let revert = Control::Revert(Box::new(swapped.replaced));
        self.handle.queue.put(Message::Control(revert));
    }

    fn failed(&self, interrupted: UpgradeInterrupted) -> UpgradeError {
        let name = self.handle.name.clone();
        let reason = match interrupted {
            UpgradeInterrupted::Start(error) => {
                return UpgradeError::CannotServe { name, source: error.into() };
            }
            UpgradeInterrupted::NotFollowed => "the ledger could not be followed",
            UpgradeInterrupted::Gone => "its thread is gone",
            UpgradeInterrupted::Busy => "it is busy with something else",
            UpgradeInterrupted::TooSlow => {
                "the new version is too slow to follow what happens meanwhile"
            }
        };
        UpgradeError::Interrupted { name, reason }
    }
}

/// The right to upgrade some drivers, until dropped.
struct UpgradeLock<'a> {
    upgrading: &'a Mutex<BTreeSet<DriverName>>,
    names: Vec<DriverName>,
}

impl<'a> UpgradeLock<'a> {
    /// Fails if one of them is being upgraded: nobody waits for that.
    fn new(
        upgrading: &'a Mutex<BTreeSet<DriverName>>,
        targets: &[Target],
    ) -> Result<Self, UpgradeError> {
        let names: Vec<_> = targets.iter().map(|target| target.handle.name.clone()).collect();
        let mut all = lock(upgrading);
        if let Some(name) = names.iter().find(|name| all.contains(*name)) {
            let reason = "another upgrade of it is under way";
            return Err(UpgradeError::Interrupted { name: name.clone(), reason });
        }
        all.extend(names.iter().cloned());
        Ok(Self { upgrading, names })
    }
}

impl Drop for UpgradeLock<'_> {
    fn drop(&mut self) {
        let mut all = lock(self.upgrading);
        all.retain(|name| !self.names.contains(name));
    }
}
