//! What an operator sees of drivers in service, and how they change versions.

use crate::{
    LoadOptions, Origin, Service, Trouble, UpgradeError, Upgraded,
    load::{Discovered, discover},
    lock,
    rebuild::{Source, tell, words},
    upgrade::{Candidate, on_thread},
};
use ipam_api::{AddressSpaces, Capability, Digest, DriverName, Factory, PoolId, PoolStatus, Start};
use ipam_ledger::State;
use std::{collections::BTreeMap, sync::Arc};

/// A driver in service.
#[derive(Debug, Clone)]
pub struct DriverInfo {
    /// The name it is served under.
    pub name: DriverName,
    /// Where it comes from.
    pub origin: Origin,
    /// What it registered with.
    pub capability: Capability,
    /// Its address spaces.
    pub spaces: AddressSpaces,
    /// Which version serves, if it comes from a file.
    pub digest: Option<Digest>,
    /// Why it does not serve now.
    pub trouble: Option<Trouble>,
    /// How often an instance was built after the first.
    pub restarts: u64,
    /// Pools that are held.
    pub pools: usize,
    /// Leases that are held.
    pub leases: usize,
    /// Releases that it was not told of yet.
    pub owed: usize,
}

/// Whether a driver is what the ledger says.
#[derive(Debug, Clone, Default)]
pub struct CheckReport {
    /// Entries that a fresh instance was shown.
    pub entries: usize,
    /// Where a fresh instance, or the one that serves, differs from the
    /// ledger; at most [`CheckReport::DIFFERENCES_MAX`].
    pub differences: Vec<String>,
    /// Why less was compared than could be.
    pub notes: Vec<String>,
}

impl CheckReport {
    /// How many differences are told.
    pub const DIFFERENCES_MAX: usize = 100;

    fn differs(&mut self, difference: String) {
        if self.differences.len() < Self::DIFFERENCES_MAX {
            self.differences.push(difference);
        }
    }
}

impl Service {
    /// Every driver in service, in order of name. Waits for each driver's
    /// thread to come between two requests.
    #[must_use]
    pub fn inspect(&self) -> Vec<DriverInfo> {
        let drivers: Vec<_> = self.registered(|all| {
            all.values().map(|driver| (driver.origin, driver.handle.clone())).collect()
        });
        let info = |(origin, handle): (Origin, Arc<crate::mount::Handle>)| {
            let (trouble, restarts) = handle.health.report();
            let (digest, pools, leases, owed) = on_thread(&handle.queue, |worker| {
                let state = &worker.state;
                let digest = worker.source.factory.digest();
                (digest, state.pools().count(), state.lease_total(), state.owed().len())
            })?;
            Some(DriverInfo {
                name: handle.name.clone(),
                origin,
                capability: *lock(&handle.capability),
                spaces: handle.spaces.clone(),
                digest,
                trouble,
                restarts,
                pools,
                leases,
                owed,
            })
        };
        drivers.into_iter().filter_map(info).collect()
    }

    /// Looks at what the ledger holds of a driver, on its thread between two
    /// requests, and returns what was seen when all of it is durable. Nothing
    /// if there is no such driver, or the ledger cannot be written now.
    pub fn look<T: Send + 'static>(
        &self,
        name: &DriverName,
        look: impl FnOnce(&State) -> T + Send + 'static,
    ) -> Option<T> {
        let handle = self.handle(name)?;
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let look: crate::queue::Look = Box::new(move |worker| {
            let seen = look(&worker.state);
            Box::new(move || drop(sender.send(seen)))
        });
        handle.queue.put(crate::queue::Mail::Look(look));
        receiver.recv().ok()
    }

    /// Compares a driver with the ledger and changes nothing: a fresh instance
    /// is shown all that is held, and must say of each pool what the instance
    /// that serves says. Nothing if there is no such driver.
    #[must_use]
    pub fn check(&self, name: &DriverName) -> Option<CheckReport> {
        let handle = self.handle(name)?;
        let (state, source, statuses) = on_thread(&handle.queue, |worker| {
            let ids: Vec<PoolId> = worker.state.pools().map(|pool| pool.pool_id.clone()).collect();
            let statuses: Vec<(PoolId, Option<PoolStatus>)> = ids
                .into_iter()
                .map(|id| {
                    let status = worker.ask(|driver| driver.pool_status(&id));
                    (id, status.ok().flatten())
                })
                .collect();
            (worker.state.clone(), worker.source.clone(), statuses)
        })?;
        Some(check(&state, &source, &statuses))
    }

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
        let _one_at_a_time = lock(&self.upgrading);
        let seats = self.seats(name, origin)?;
        let config = config.unwrap_or_else(|| seats[0].options.config.clone());
        let capabilities = self.agree_on_names(&seats, &**factory, &config, insist)?;
        let mut candidates = Vec::new();
        for (seat, (registers, capability)) in seats.iter().zip(capabilities) {
            let start_name = (seats.len() > 1).then(|| registers.clone());
            let start = Start { name: start_name, config: config.clone() };
            let source = Source { factory: factory.clone(), start, registers, capability };
            let queue = &seat.handle.queue;
            let batch_max = self.limits().batch_max;
            match Candidate::prepare(source, &seat.handle.spaces, queue, batch_max) {
                Ok(candidate) => candidates.push((seat, capability, candidate)),
                Err(hitch) => {
                    for (seat, _, candidate) in candidates {
                        candidate.give_up(&seat.handle.queue);
                    }
                    return Err(hitch.of(&seat.handle.name));
                }
            }
        }
        let mut upgraded = Vec::new();
        for (seat, capability, candidate) in candidates {
            let handle = &seat.handle;
            let (replayed, followed) =
                candidate.take_over(&handle.queue).map_err(|hitch| hitch.of(&handle.name))?;
            *lock(&handle.capability) = capability;
            self.registered(|all| {
                if let Some(driver) = all.get_mut(&handle.name) {
                    driver.options.config.clone_from(&config);
                }
            });
            upgraded.push(Upgraded {
                name: handle.name.clone(),
                from: seat.digest,
                to: factory.digest(),
                replayed,
                followed,
            });
        }
        Ok(upgraded)
    }

    /// The names that change together with `name`.
    fn seats(&self, name: &DriverName, origin: Origin) -> Result<Vec<Seat>, UpgradeError> {
        let seats: Vec<Seat> = self.registered(|all| {
            let component = all.get(name).map(|driver| driver.component.clone());
            let names = component.iter().flat_map(|names| names.iter());
            let seat = |driver: &crate::service::Registered| Seat {
                origin: driver.origin,
                handle: driver.handle.clone(),
                registers: driver.registers.clone(),
                options: driver.options.clone(),
                digest: None,
            };
            names.filter_map(|name| all.get(name)).map(seat).collect()
        });
        if seats.is_empty() {
            return Err(UpgradeError::NoDriver(name.clone()));
        }
        if seats.iter().any(|seat| seat.origin != origin) {
            return Err(UpgradeError::BuiltIn(name.clone()));
        }
        let with_digest = |seat: Seat| {
            let digest = on_thread(&seat.handle.queue, |worker| worker.source.factory.digest());
            Seat { digest: digest.flatten(), ..seat }
        };
        Ok(seats.into_iter().map(with_digest).collect())
    }

    /// What the new version registers for each seat, in their order.
    fn agree_on_names(
        &self,
        seats: &[Seat],
        factory: &dyn Factory,
        config: &str,
        insist: bool,
    ) -> Result<Vec<(DriverName, Capability)>, UpgradeError> {
        let discovered = discover(factory, config, BTreeMap::new(), self.limits().names_max);
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
    handle: Arc<crate::mount::Handle>,
    registers: DriverName,
    options: LoadOptions,
    digest: Option<Digest>,
}

fn in_words(names: &[(DriverName, Capability)]) -> String {
    let words: Vec<String> = names.iter().map(|(name, needs)| words(name, *needs)).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(" and ") }
}

fn check(state: &State, source: &Source, statuses: &[(PoolId, Option<PoolStatus>)]) -> CheckReport {
    let mut report = CheckReport::default();
    if !source.capability.requires_request_replay {
        report.notes.push("it keeps its state elsewhere: it cannot be shown the ledger".to_owned());
        return report;
    }
    let mut fresh = match source.make() {
        Ok(fresh) => fresh,
        Err(unfit) => {
            report.differs(unfit.to_string());
            return report;
        }
    };
    for entry in state.replay() {
        report.entries += 1;
        if let Err(unfit) = tell(&mut fresh, &entry) {
            report.differs(unfit.to_string());
            if report.differences.len() == CheckReport::DIFFERENCES_MAX {
                return report;
            }
        }
    }
    let mut has_status = false;
    for (pool_id, serving) in statuses {
        let Some(serving) = serving else { continue };
        has_status = true;
        match fresh.pool_status(pool_id) {
            Ok(Some(told)) if told == *serving => {}
            Ok(told) => report.differs(format!(
                "pool {pool_id:?}: the ledger comes to {}, the driver says {serving:?}",
                told.map_or("nothing".to_owned(), |told| format!("{told:?}")),
            )),
            Err(failure) => report.differs(format!("pool {pool_id:?}: {failure}")),
        }
    }
    if !has_status && !statuses.is_empty() {
        report.notes.push("it has no status: only a fresh instance was compared".to_owned());
    }
    report
}
