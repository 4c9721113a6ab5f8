//! Releases: the ledger has decided, drivers are told.

use crate::{
    committer::ledger_failed,
    handle::unavailable,
    queue::Asker,
    worker::{Worker, now},
};
use ipam_api::{Error, Failure, Kind, Request};
use ipam_ledger::{Actor, Audit, Event, Release};
use std::time::Instant;

impl Worker {
    /// Applies and stages what the ledger decided, and tells the driver. What
    /// the driver says changes nothing, but costs it its life.
    pub(crate) fn release(&mut self, released: impl IntoIterator<Item = Event>, cause: Audit) {
        for event in released {
            self.apply(cause, event.clone());
            self.tell_of(&event);
        }
    }

    /// Tells the driver of a release that was applied.
    pub(crate) fn tell_of(&mut self, event: &Event) {
        if let Some(release) = told(event)
            && let Err(failure) = self.tell(&release)
        {
            if self.instance.is_some() {
                self.drop_instance(&format!("refused a release: {failure}"));
            }
            self.owe(release);
        }
    }

    fn tell(&mut self, (pool_id, address): &Release) -> Result<(), Failure> {
        self.ask(|driver| match address {
            Some(address) => driver.release_address(pool_id, *address),
            None => driver.release_pool(pool_id),
        })?;
        self.take_writes();
        Ok(())
    }

    /// Notes what the driver must be told once it serves again: released while
    /// it was out of service, or proposed and refused. The note is as durable
    /// as the release. A driver with replay learns it from the ledger.
    pub(crate) fn owe(&mut self, release: Release) {
        if self.source.capability.requires_request_replay {
            return;
        }
        if self.state.owed().len() >= self.limits.releases_kept_max {
            return self.will_not_hear(&release);
        }
        let event = self.state.owe(release);
        self.apply(by_host(), event);
    }

    pub(crate) fn will_not_hear(&self, (pool_id, address): &Release) {
        tracing::error!(
            driver = %self.name, pool_id = ?pool_id.as_str(), ?address,
            "the driver will not hear of a release: too many wait",
        );
    }

    /// Tells an instance what it is owed, but for what the ledger grants: a
    /// proposal may have been refused because somebody else holds just that.
    ///
    /// Not all at once: requests are served in between, or a slow driver that is
    /// owed much would hold them up for hours. What it is not told yet it takes
    /// for granted, so it proposes nothing of it.
    pub(crate) fn deliver_owed(&mut self) {
        self.deliver_all();
        self.stage_writes(by_host(), &Ok(()));
    }

    fn deliver_all(&mut self) {
        self.at(now());
        let began = Instant::now();
        while let Some((&number, release)) = self.state.owed().first_key_value() {
            let release @ (pool_id, address) = &release.clone();
            let is_granted = match address {
                // Also a gateway: a driver that leased it had better go on so.
                Some(address) => self.state.is_held(pool_id, *address),
                None => self.state.pool(pool_id).is_some(),
            };
            let told = if is_granted { Ok(()) } else { self.tell(release) };
            let is_gone = match told {
                Ok(()) => true,
                Err(Failure::Refused(refusal)) if refusal.kind() != Kind::Unavailable => {
                    tracing::warn!(
                        driver = %self.name, pool_id = ?pool_id.as_str(), ?address, %refusal,
                        "the driver refused a release that it was owed",
                    );
                    true
                }
                Err(failure) => {
                    self.outage.failed(&self.limits);
                    self.health.failed(&format!("cannot take a release: {failure}"));
                    tracing::error!(
                        driver = %self.name, %failure,
                        "the driver is not served: it cannot take a release",
                    );
                    // Where the state is cannot be reached: later, and nothing
                    // is granted before. What breaks the driver is not tried
                    // twice, or it would never serve again.
                    self.instance = None;
                    matches!(failure, Failure::Broken { .. })
                }
            };
            if is_gone {
                self.apply(by_host(), Event::Told { number });
            }
            if self.instance.is_none() || began.elapsed() >= self.limits.owed_time {
                return;
            }
        }
    }

    /// Keeps a release that the store cannot take, because Docker never repeats
    /// one. Returns what the caller is told.
    pub(crate) fn keep_release(&mut self, request: &Request, asker: Asker) -> Failure {
        let released: Result<Vec<Event>, Error> = match request {
            Request::ReleasePool(pool_id) => self.state.release_pool(pool_id, &self.caller(asker)),
            Request::ReleaseAddress(pool_id, address) => self
                .state
                .release_address(pool_id, *address)
                .map(|event| event.into_iter().collect()),
            Request::TakeBack { receipt, as_of } => Ok(self.state.take_back(receipt, *as_of)),
            Request::Pool(_) | Request::Address(_) | Request::Status(_) => return ledger_failed(),
        };
        match released {
            Ok(released) if !released.is_empty() => {
                released.iter().for_each(|event| self.state.apply(event));
                if !self.keep_decided(released, asker.cause) {
                    return ledger_failed();
                }
                unavailable("the ledger cannot be written now; the release is kept until it can be")
            }
            Ok(_) if matches!(request, Request::TakeBack { .. }) => not_as_seen().into(),
            Ok(_) => ledger_failed(),
            Err(refusal) => refusal.into(),
        }
    }

    pub(crate) fn keep_owed(&mut self, release: Release) {
        if self.source.capability.requires_request_replay {
            return;
        }
        if self.kept_owed.len() >= self.limits.releases_kept_max {
            return self.will_not_hear(&release);
        }
        self.kept_owed.push_back(release);
    }
}

/// What a driver is told of a release: nothing of holds, which it never saw.
fn told(event: &Event) -> Option<Release> {
    match event {
        Event::AddressReleased(lease) => Some((lease.pool_id.clone(), Some(lease.ip()))),
        Event::PoolReleased(pool) => Some((pool.pool_id.clone(), None)),
        Event::HoldDropped { .. }
        | Event::PoolGranted(_)
        | Event::PoolHeld { .. }
        | Event::AddressLeased(_)
        | Event::AddressClaimed { .. }
        | Event::PoolClaimed { .. }
        | Event::LeaseClaimed { .. }
        | Event::Unclaimed { .. }
        | Event::Owed { .. }
        | Event::Told { .. }
        | Event::VersionChanged(_)
        | Event::Stored(_) => None,
    }
}

/// The answer to a receipt that fits nothing.
pub(crate) fn not_as_seen() -> Error {
    Error::other(Kind::NotFound, "it is not held any more as it was then")
}

/// The host's own account.
pub(crate) fn by_host() -> Audit {
    Audit { at: now(), by: Actor::Host }
}
