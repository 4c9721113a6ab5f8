//! Releases: the ledger decides, and the driver is notified.

use super::processor::{Effects, Processor, by_host};
use crate::clock::now;
use ipam_api::{Failure, Kind, PoolId};
use ipam_ledger::{Audit, Event, Release};
use std::time::{Duration, Instant};

impl Processor {
    /// Applies and stages what the ledger decided, and notifies the driver. Its
    /// answer changes nothing, but an instance that refuses is dropped.
    ///
    /// A pool may have many leases. A driver without replay is slow, for it keeps its
    /// state elsewhere: what it was not notified of within a limit is pending, so that
    /// other requests are served in between.
    pub(super) fn release(&mut self, released: impl IntoIterator<Item = Event>, audit: Audit) {
        let began = Instant::now();
        let mut is_late = false;
        for event in released {
            self.apply(audit, event.clone());
            if is_late && let Some(release) = released_of(&event) {
                // Without the bound of those that are added: it was held, which is bounded,
                // and the pool comes last.
                let event = self.state.owe(release);
                self.apply(by_host(), event);
            } else {
                self.notify_of(&event);
            }
            is_late =
                !self.settings.uses_replay && began.elapsed() >= self.settings.limits.owed_time;
        }
    }

    /// Notifies the driver of a release that was applied.
    pub(super) fn notify_of(&mut self, event: &Event) {
        if let Some(release) = released_of(event)
            && let Err(failure) = self.notify(&release)
        {
            if self.instance.is_some() {
                self.broke(format!("refused a release: {failure}"));
            }
            self.add_pending_release(release);
        }
    }

    fn notify(&mut self, (pool_id, address): &Release) -> Result<(), Failure> {
        self.ask(|driver| match address {
            Some(address) => driver.release_address(pool_id, *address),
            None => driver.release_pool(pool_id),
        })?;
        self.keep_writes();
        Ok(())
    }

    /// Records a release that the driver is notified of when it serves again: one
    /// it missed while it was out of service, or a proposal that was refused. The
    /// record is as durable as the release. A driver that learns the ledger by
    /// replay needs none.
    pub(super) fn add_pending_release(&mut self, release: Release) {
        if self.settings.uses_replay {
            return;
        }
        if self.state.owed().len() >= self.settings.limits.releases_kept_max {
            return self.lose_notification(&release);
        }
        let event = self.state.owe(release);
        self.apply(by_host(), event);
    }

    pub(super) fn lose_notification(&self, (pool_id, address): &Release) {
        tracing::error!(
            driver = %self.settings.name, pool_id = ?pool_id.as_str(),
            address = address.map(display),
            "the driver will not be notified of a release: too many are pending",
        );
    }

    /// Whether there are pending releases, and an instance to notify of them.
    pub(crate) fn can_notify(&self) -> bool {
        self.instance.is_some() && self.has_pending()
    }

    /// Whether there are pending releases.
    pub(crate) fn has_pending(&self) -> bool {
        !self.state.owed().is_empty()
    }

    /// Notifies the instance of pending releases, at least of one and then for no
    /// longer than `limit`: requests are served in between, so that a slow driver
    /// with many pending releases does not hold them up. What the driver was not
    /// notified of yet it believes to be held, and proposes nothing of it.
    ///
    /// A pending release is skipped if the ledger holds the same again: the
    /// proposal may have been refused because somebody else holds just that.
    ///
    /// Fails if the driver cannot accept a release. Then the instance is gone.
    pub(crate) fn notify_pending(&mut self, limit: Duration) -> (Result<(), Failure>, Effects) {
        let outcome = self.notify_until(limit);
        self.stage_writes(by_host(), &Ok(()));
        (outcome, self.take_effects())
    }

    fn notify_until(&mut self, limit: Duration) -> Result<(), Failure> {
        self.set_time(now());
        let began = Instant::now();
        while let Some((numbers, release)) = self.next_pending() {
            let (pool_id, address) = &release;
            let is_held = match address {
                // Also a gateway: a driver that leased it must keep it.
                Some(address) => self.state.is_held(pool_id, *address),
                None => self.state.pool(pool_id).is_some(),
            };
            let notified = if is_held { Ok(()) } else { self.notify(&release) };
            if numbers.len() > 1
                && let Err(failure) = &notified
            {
                // All at once may be too much, or one of them is to stay: its parts show
                // that, and whether the driver is away.
                self.in_parts.insert(pool_id.clone());
                if let Failure::Refused(_) = failure {
                    continue;
                }
                return notified;
            }
            let outcome = match notified {
                Err(Failure::Refused(refusal)) if refusal.kind() != Kind::Unavailable => {
                    tracing::warn!(
                        driver = %self.settings.name, pool_id = ?pool_id.as_str(),
                        address = address.map(display), %refusal,
                        "the driver refused a pending release",
                    );
                    Ok(())
                }
                outcome => outcome,
            };
            // A driver that cannot reach its state is notified again later, and
            // nothing is granted before. A release that breaks the driver is not
            // tried twice, or it would never serve again.
            if !matches!(outcome, Err(Failure::Refused(_))) {
                for number in numbers {
                    self.apply(by_host(), Event::Told { number });
                }
            }
            if let Err(failure) = outcome {
                self.instance = None;
                return Err(failure);
            }
            if self.instance.is_none() || began.elapsed() >= limit {
                break;
            }
        }
        if !self.has_pending() {
            self.in_parts.clear();
        }
        Ok(())
    }

    /// The pending release that the driver is notified of next, and the numbers of all
    /// that it stands for.
    fn next_pending(&self) -> Option<(Vec<u64>, Release)> {
        let (number, release) = self.state.owed().first_key_value()?;
        Some(match self.with_pool(&release.0) {
            Some(numbers) => (numbers, (release.0.clone(), None)),
            None => (vec![*number], release.clone()),
        })
    }

    /// The pending releases of a pool and of its addresses, if the driver takes all of
    /// them back when it is notified of the pool alone.
    fn with_pool(&self, pool_id: &PoolId) -> Option<Vec<u64>> {
        let has_records = self.instance.as_ref().is_some_and(|instance| instance.has_records);
        let is_whole = has_records && !self.in_parts.contains(pool_id);
        if !is_whole || self.state.pool(pool_id).is_some() {
            return None;
        }
        let (mut numbers, mut addresses, mut is_released) = (Vec::new(), 0, false);
        for (number, (_, address)) in self.state.owed().iter().filter(|(_, it)| it.0 == *pool_id) {
            numbers.push(*number);
            match address {
                None => is_released = true,
                Some(_) if addresses == self.settings.limits.pool_release_addresses_max => {
                    return None;
                }
                Some(_) => addresses += 1,
            }
        }
        is_released.then_some(numbers)
    }
}

/// What a driver is notified of: nothing of holds, which it never saw.
fn released_of(event: &Event) -> Option<Release> {
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
