//! Releases: the ledger has decided, drivers are told.

use crate::worker::Worker;
use ipam_api::{Error, Failure, Kind, PoolId, Receipt, Request};
use ipam_ledger::{Event, Session};
use std::{collections::VecDeque, net::IpAddr};

/// What a driver that keeps its state elsewhere must still be told: released
/// while it was out of service, proposed and refused, lost by the store. In
/// order. It lives in memory; a durable one goes where the ledger goes.
pub(crate) type Owed = VecDeque<(PoolId, Option<IpAddr>)>;

impl Worker {
    /// Applies and stages what the ledger decided, and tells the driver. What
    /// the driver says changes nothing, but costs it its life.
    pub(crate) fn release(
        &mut self,
        released: impl IntoIterator<Item = Event>,
        events: &mut Vec<Event>,
    ) {
        for event in released {
            self.state.apply(&event);
            if let Some((pool_id, address)) = told(&event)
                && let Err(failure) = self.tell(&pool_id, address)
            {
                if self.instance.is_some() {
                    self.drop_instance(&format!("refused a release: {failure}"));
                }
                self.owe(pool_id, address);
            }
            events.push(event);
        }
    }

    fn tell(&mut self, pool_id: &PoolId, address: Option<IpAddr>) -> Result<(), Failure> {
        self.ask(|driver| match address {
            Some(address) => driver.release_address(pool_id, address),
            None => driver.release_pool(pool_id),
        })
    }

    /// Notes what the driver must be told once it serves again. One with
    /// replay learns it from the ledger.
    pub(crate) fn owe(&mut self, pool_id: PoolId, address: Option<IpAddr>) {
        if self.source.capability.requires_request_replay {
            return;
        }
        if self.owed.len() >= self.limits.releases_kept_max {
            tracing::error!(
                driver = %self.name, %pool_id, ?address,
                "the driver will not hear of a release: too many wait",
            );
            return;
        }
        self.owed.push_back((pool_id, address));
    }

    /// Tells a new instance what it is owed, but for what the ledger grants:
    /// a proposal may have been refused because somebody else holds just that.
    pub(crate) fn deliver_owed(&mut self) {
        while let Some((pool_id, address)) = self.owed.pop_front() {
            let is_granted = match address {
                Some(address) => self.state.lease(&pool_id, address).is_some(),
                None => self.state.pool(&pool_id).is_some(),
            };
            if is_granted {
                continue;
            }
            match self.tell(&pool_id, address) {
                Ok(()) => {}
                Err(Failure::Refused(refusal)) if refusal.kind() != Kind::Unavailable => {
                    tracing::warn!(
                        driver = %self.name, %pool_id, ?address, %refusal,
                        "the driver refused a release that it was owed",
                    );
                }
                Err(failure) => {
                    // Where the state is cannot be reached: later, and nothing
                    // is granted before. What breaks the driver is not tried
                    // twice, or it would never serve again.
                    if let Failure::Refused(_) = failure {
                        self.owed.push_front((pool_id, address));
                        self.instance = None;
                    }
                    self.outage.failed(&self.limits);
                    tracing::error!(
                        driver = %self.name, %failure,
                        "the driver is not served: it cannot take a release",
                    );
                    return;
                }
            }
        }
    }

    /// Keeps a release that the store cannot take: its caller never repeats it.
    pub(crate) fn keep_release(&mut self, request: &Request, session: Option<Session>) {
        let released: Result<Vec<Event>, Error> = match request {
            Request::ReleasePool(pool_id) => {
                self.state.release_pool(pool_id, &self.caller(session))
            }
            Request::ReleaseAddress(pool_id, address) => self
                .state
                .release_address(pool_id, *address)
                .map(|event| event.into_iter().collect()),
            Request::Pool(_) | Request::Address(_) | Request::Status(_) => return,
        };
        for event in released.into_iter().flatten() {
            self.state.apply(&event);
            event.receipt().into_iter().for_each(|receipt| self.keep(receipt));
        }
    }

    /// Keeps what a failed commit was to release; what it was to grant was
    /// never granted, and the driver must forget it.
    pub(crate) fn keep_failed(&mut self, failed: &[Event]) {
        for event in failed {
            match event.receipt() {
                Some(receipt) if event.is_release() => self.keep(receipt),
                Some(Receipt { pool_id, address, .. }) => self.owe(pool_id, address),
                None => {}
            }
        }
    }

    pub(crate) fn keep(&mut self, receipt: Receipt) {
        if self.kept.len() >= self.limits.releases_kept_max {
            tracing::error!(
                driver = %self.name, pool_id = %receipt.pool_id, address = ?receipt.address,
                "a release is lost: too many are kept",
            );
            return;
        }
        self.kept.push_back(receipt);
    }
}

/// What a driver is told of a release: nothing of holds, which it never saw.
fn told(event: &Event) -> Option<(PoolId, Option<IpAddr>)> {
    match event {
        Event::AddressReleased { pool_id, address, .. } => Some((pool_id.clone(), Some(*address))),
        Event::PoolReleased { pool_id, .. } => Some((pool_id.clone(), None)),
        Event::HoldDropped { .. }
        | Event::PoolGranted(_)
        | Event::PoolHeld { .. }
        | Event::AddressLeased(_)
        | Event::AddressClaimed { .. } => None,
    }
}
