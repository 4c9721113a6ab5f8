//! What an operator sees of drivers in service.

use crate::{
    Origin, Service, Trouble,
    ending::Pace,
    handle::RegisteredDriver,
    lock,
    queue::{Look, Mail, NotDone},
    rebuild::{Source, tell},
    worker::{Worker, now},
};
use ipam_api::{AddressSpaces, Capability, Digest, DriverName, PoolId, PoolStatus};
use ipam_ledger::{State, Time};
use std::{
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

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
    /// Why it does not serve now.
    pub trouble: Option<Trouble>,
    /// How often an instance was built after the first.
    pub restarts: u64,
    /// When it failed last, and how, whether it serves again or not.
    pub last_failure: Option<(Time, String)>,
    /// What its thread knows. Nothing if it is busy: in one call, or with what
    /// waits, for more than [`Limits::inspect_patience`](crate::Limits).
    pub held: Option<Held>,
}

/// What is held of a driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Which version serves, if it comes from a file.
    pub digest: Option<Digest>,
    /// Pools.
    pub pools: usize,
    /// Leases, and gateways that came with their pools.
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

/// A driver's thread is busy: it did not come to it in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is still busy with something else; `wipam drivers` says how it is")]
pub struct NotNow;

impl Service {
    /// Every driver in service, in order of name. Waits for each driver's
    /// thread to come between two requests, but for all together no longer
    /// than [`Limits::inspect_patience`](crate::Limits).
    #[must_use]
    pub fn inspect(&self) -> Vec<DriverInfo> {
        let drivers: Vec<_> = self.registered(|all| {
            all.values().map(|driver| (driver.origin, driver.handle.clone())).collect()
        });
        let look = |(origin, handle): (Origin, Arc<RegisteredDriver>)| {
            let held = handle.queue.soon(|worker| Held {
                digest: worker.source.factory.digest(),
                pools: worker.state.pools().count(),
                leases: worker.state.address_total(),
                owed: worker.state.owed().len(),
            });
            (origin, handle, held)
        };
        // All are asked before any is waited for.
        let asked: Vec<_> = drivers.into_iter().map(look).collect();
        let deadline = Instant::now() + self.limits().inspect_patience;
        let info =
            |(origin, handle, held): (Origin, Arc<RegisteredDriver>, mpsc::Receiver<Held>)| {
                let held =
                    held.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok();
                // Afterwards: what it waited for may have been the failure.
                let (trouble, restarts) = handle.health.report();
                DriverInfo {
                    name: handle.name.clone(),
                    origin,
                    capability: *lock(&handle.capability),
                    spaces: handle.spaces.clone(),
                    trouble,
                    restarts,
                    last_failure: handle.health.last_failure(),
                    held,
                }
            };
        asked.into_iter().map(info).collect()
    }

    /// Tries a driver that is left alone once more, now, as if it had never
    /// failed. Why it does not serve, if it does not. Nothing if there is no
    /// such driver.
    ///
    /// Waits for its thread no longer than
    /// [`Limits::operator_patience`](crate::Limits::operator_patience).
    ///
    /// # Errors
    /// [`NotNow`] when that takes longer; what it does then it goes on with.
    pub fn reset(&self, name: &DriverName) -> Result<Option<Result<(), Trouble>>, NotNow> {
        let Some(handle) = self.registered_driver(name) else { return Ok(None) };
        // It begins or it does not; once it has begun, nobody waits for a driver
        // that learns the ledger again.
        let began = Instant::now();
        let patience = self.limits().operator_patience;
        match handle.queue.on_thread(patience, Worker::forgive) {
            Err(NotDone::Gone) => return Ok(None),
            Err(NotDone::Late) => return Err(NotNow),
            Ok(()) => {}
        }
        let left = patience.saturating_sub(began.elapsed());
        match handle.queue.soon(|_| ()).recv_timeout(left) {
            Err(mpsc::RecvTimeoutError::Timeout) => return Err(NotNow),
            Err(mpsc::RecvTimeoutError::Disconnected) | Ok(()) => {}
        }
        let (trouble, _) = handle.health.report();
        Ok(Some(trouble.map_or(Ok(()), Err)))
    }

    /// Looks at what the ledger holds of a driver, on its thread between two
    /// requests, and returns what was seen when all of it is durable. Nothing
    /// if there is no such driver, the ledger cannot be written now, or the
    /// driver's thread does not come to it within
    /// [`Limits::operator_patience`](crate::Limits::operator_patience).
    pub fn look<T: Send + 'static>(
        &self,
        name: &DriverName,
        look: impl FnOnce(&State) -> T + Send + 'static,
    ) -> Option<T> {
        let handle = self.registered_driver(name)?;
        let (sender, receiver) = mpsc::sync_channel(1);
        let look: Look = Box::new(move |worker| {
            let seen = look(&worker.state);
            Box::new(move || drop(sender.send(seen)))
        });
        handle.queue.put(Mail::Look(look));
        receiver.recv_timeout(self.limits().operator_patience).ok()
    }

    /// The generation of a driver's part of the ledger when this process read
    /// it: what is no younger was asked for by nobody since. Nothing if there
    /// is no such driver.
    #[must_use]
    pub fn loaded(&self, name: &DriverName) -> Option<u64> {
        self.registered_driver(name).map(|handle| handle.loaded)
    }

    /// Compares a driver with the ledger and changes nothing: a fresh instance
    /// is shown all that is held, and must say of each pool what the instance
    /// that serves says. Nothing if there is no such driver.
    #[must_use]
    pub fn check(&self, name: &DriverName) -> Option<CheckReport> {
        let handle = self.registered_driver(name)?;
        // What both are asked may depend on the time.
        let at = now();
        let patience = self.limits().operator_patience;
        let looked = handle.queue.on_thread(patience, move |worker| {
            worker.at(at);
            // Requests wait meanwhile.
            let (began, limit) = (Instant::now(), worker.limits.swap_time);
            let ids: Vec<PoolId> = worker.state.pools().map(|pool| pool.pool_id.clone()).collect();
            let statuses: Vec<(PoolId, Option<PoolStatus>)> = ids
                .into_iter()
                .take_while(|_| began.elapsed() < limit)
                .map(|id| {
                    let status = worker.ask(|driver| driver.pool_status(&id));
                    (id, status.ok().flatten())
                })
                .collect();
            (worker.state.clone(), worker.source.clone(), statuses)
        });
        let (state, source, statuses) = match looked {
            Ok(looked) => looked,
            Err(NotDone::Gone) => return None,
            Err(NotDone::Late) => {
                let notes = vec![NotNow.to_string()];
                return Some(CheckReport { notes, ..CheckReport::default() });
            }
        };
        let pace =
            Pace::new(&*source.factory, self.limits(), &self.ending).by(Some(soon(patience)));
        Some(check(&state, &source, &statuses, at, &pace))
    }
}

fn soon(patience: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(patience).unwrap_or(now)
}

fn check(
    state: &State,
    source: &Source,
    statuses: &[(PoolId, Option<PoolStatus>)],
    at: Time,
    pace: &Pace,
) -> CheckReport {
    let mut report = CheckReport::default();
    if !source.capability.requires_request_replay {
        report.notes.push("it keeps its state elsewhere: it cannot be shown the ledger".to_owned());
        return report;
    }
    let mut fresh = match source.make(state.stored()) {
        Ok(fresh) => fresh,
        Err(unfit) => {
            report.differs(unfit.to_string());
            return report;
        }
    };
    for entry in state.replay() {
        if let Err(unfit) = pace.check() {
            report.notes.push(format!("not all was compared: {unfit}"));
            return report;
        }
        report.entries += 1;
        if let Err(unfit) = tell(&mut fresh, &entry) {
            report.differs(unfit.to_string());
            if report.differences.len() == CheckReport::DIFFERENCES_MAX {
                return report;
            }
        }
    }
    fresh.at(at);
    let mut has_status = false;
    for (pool_id, serving) in statuses {
        let Some(serving) = serving else { continue };
        if let Err(unfit) = pace.check() {
            report.notes.push(format!("not all was compared: {unfit}"));
            return report;
        }
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
