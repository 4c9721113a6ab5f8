//! What operators see and change of drivers in service.

use super::registry::Service;
use crate::{
    front::{
        handle::RegisteredDriver,
        message::{Control, Held, Inspect, Message},
        ticket::{NotDone, Waiting},
    },
    health::HealthProblem,
    lifecycle::registration::Origin,
    meter::Reading,
    sync::lock,
};
use ipam_api::{AddressSpaces, Capability, DriverName, IpNet};
use ipam_ledger::{State, Time};
use std::{
    sync::{Arc, mpsc},
    time::Instant,
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
    /// Whether it says what its system of record holds.
    pub has_records: bool,
    /// Its address spaces.
    pub spaces: AddressSpaces,
    /// Why it does not serve now.
    pub problem: Option<HealthProblem>,
    /// How often an instance was started after the first.
    pub restarts: u64,
    /// When and why it failed last, whether it serves again or not.
    pub last_failure: Option<(Time, String)>,
    /// What is held of it. Nothing if its thread does not answer within
    /// [`Limits::inspect_patience`](crate::Limits), because it is busy.
    pub held: Option<Held>,
}

/// A driver's thread is busy, and did not come to the work in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the driver is busy; `wipam drivers` shows its state")]
pub struct NotNow;

impl Service {
    /// Every driver in service, in order of name. Each driver's thread is asked
    /// between two requests; all together are waited for no longer than
    /// [`Limits::inspect_patience`](crate::Limits).
    #[must_use]
    pub fn inspect(&self) -> Vec<DriverInfo> {
        let drivers: Vec<_> = self.with_drivers(|all| {
            all.values()
                .map(|driver| (driver.origin, driver.factory(), driver.handle.clone()))
                .collect()
        });
        // All are asked before any is waited for.
        let asked: Vec<_> = drivers
            .into_iter()
            .map(|(origin, factory, handle)| {
                (origin, factory.has_records(), handle.queue.send(Control::Count), handle)
            })
            .collect();
        let deadline = Instant::now() + self.limits().inspect_patience;
        type Asked = (Origin, bool, Waiting<Held>, Arc<RegisteredDriver>);
        let info = |(origin, has_records, held, handle): Asked| {
            let left = deadline.saturating_duration_since(Instant::now());
            let held = held.wait_at_most(left).ok();
            // Afterwards: what it waited for may have been the failure.
            let (problem, restarts) = handle.health.report();
            DriverInfo {
                name: handle.name.clone(),
                origin,
                capability: *lock(&handle.capability),
                has_records,
                spaces: handle.spaces.clone(),
                problem,
                restarts,
                last_failure: handle.health.last_failure(),
                held,
            }
        };
        asked.into_iter().map(info).collect()
    }

    /// What every driver in service has done, in order of name. Waits for
    /// nothing.
    #[must_use]
    pub fn readings(&self) -> Vec<Reading> {
        let handles: Vec<Arc<RegisteredDriver>> =
            self.with_drivers(|all| all.values().map(|driver| driver.handle.clone()).collect());
        handles.iter().map(|it| it.meter.read(it.name.clone(), it.health.report())).collect()
    }

    /// Limits the automatic pools of all names of the component that `name` belongs
    /// to, from the next request on: each lies in one of `pools`. Without a list
    /// they may lie in any range that a container network may use ([`unusable`]).
    ///
    /// [`unusable`]: ipam_ledger::unusable
    pub fn bound_pools(&self, name: &DriverName, pools: Option<&[IpNet]>) {
        self.with_drivers(|all| {
            let component = all.get(name).map(|driver| driver.component.clone());
            for name in component.iter().flat_map(|names| names.iter()) {
                if let Some(driver) = all.get(name) {
                    driver.bounds.set(pools.map(<[IpNet]>::to_vec));
                }
            }
        });
    }

    /// Starts a suspended driver now, as if it had never failed. Returns why it does
    /// not serve, if it does not; nothing if there is no such driver.
    ///
    /// Waits for its thread no longer than
    /// [`Limits::operator_patience`](crate::Limits::operator_patience).
    ///
    /// # Errors
    /// [`NotNow`] when that takes longer. A start that has begun continues.
    pub fn reset(&self, name: &DriverName) -> Result<Option<Result<(), HealthProblem>>, NotNow> {
        let Some(handle) = self.registered_driver(name) else { return Ok(None) };
        // It begins or it does not. Once it has begun, nobody waits for a driver that
        // learns the ledger again.
        let began = Instant::now();
        let patience = self.limits().operator_patience;
        match handle.queue.call(patience, Control::Reset) {
            Err(NotDone::Gone) => return Ok(None),
            Err(NotDone::Late) => return Err(NotNow),
            Ok(()) => {}
        }
        // The start is tried before the next work on the thread.
        let left = patience.saturating_sub(began.elapsed());
        match handle.queue.send(Control::Count).wait_at_most(left) {
            Err(NotDone::Late) => return Err(NotNow),
            Err(NotDone::Gone) | Ok(_) => {}
        }
        let (problem, _) = handle.health.report();
        Ok(Some(problem.map_or(Ok(()), Err)))
    }

    /// Looks at a driver's part of the ledger, on its thread between two requests.
    /// Returns what was seen, once all of that is durable. Nothing if there is no
    /// such driver, the ledger cannot be written now, or the driver's thread does not
    /// come to it within
    /// [`Limits::operator_patience`](crate::Limits::operator_patience).
    pub fn look<T: Send + 'static>(
        &self,
        name: &DriverName,
        look: impl FnOnce(&State) -> T + Send + 'static,
    ) -> Option<T> {
        let handle = self.registered_driver(name)?;
        let (sender, receiver) = mpsc::sync_channel(1);
        let inspect: Inspect = Box::new(move |state| {
            let seen = look(state);
            Box::new(move || drop(sender.send(seen)))
        });
        handle.queue.put(Message::Inspect(inspect));
        receiver.recv_timeout(self.limits().operator_patience).ok()
    }

    /// The generation of a driver's part of the ledger when this process read it:
    /// nobody has asked since for entries that are not younger. Nothing if there is
    /// no such driver.
    #[must_use]
    pub fn loaded(&self, name: &DriverName) -> Option<u64> {
        self.registered_driver(name).map(|handle| handle.loaded)
    }
}
