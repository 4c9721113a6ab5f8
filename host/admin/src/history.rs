//! Who held an address when: each grant with the release that ended it.

use crate::{
    Timestamp,
    host::Host,
    lookup::Answers,
    out::{Out, Stop},
    rows,
    wire::{Address, Tenure},
};
use ipam_api::{Digest, DriverName, with_causes};
use ipam_ledger::{Audit, Event, Past, Pool, Time};
use std::{collections::BTreeMap, net::IpAddr, ops::ControlFlow};

/// Tenures by driver and generation, which no two of them share. What is held
/// is known even if its grant is no more kept; so is what was released, since
/// a release carries what it ends. A gateway that came with its pool is held as
/// long as that.
#[derive(Default)]
struct Tenures {
    all: BTreeMap<(DriverName, u64), Tenure>,
    /// Of the oldest event that is kept.
    since: Option<Time>,
}

impl Tenures {
    fn of(&mut self, driver: &DriverName, granted: Address) -> &mut Tenure {
        self.all.entry((driver.clone(), granted.generation)).or_insert_with(|| Tenure {
            granted,
            digest: None,
            artifacts: Vec::new(),
            released_at: None,
            released_by: None,
        })
    }

    fn granted(&mut self, driver: &DriverName, granted: Address, digest: Option<Digest>) {
        let tenure = self.of(driver, granted.clone());
        // A lease that was claimed in vain says who claimed it.
        tenure.granted = granted;
        tenure.digest = digest.map(|digest| digest.to_string());
    }

    fn released(&mut self, driver: &DriverName, granted: Address, cause: Audit) {
        self.of(driver, granted).end(cause);
    }

    fn name_artifacts(&mut self, host: &dyn Host) {
        let mut known = BTreeMap::new();
        for tenure in self.all.values_mut() {
            let Some(Ok(component)) = tenure.digest.as_deref().map(str::parse) else { continue };
            let artifacts = known.entry(component).or_insert_with(|| {
                host.artifacts_with(component).iter().map(ToString::to_string).collect()
            });
            tenure.artifacts.clone_from(artifacts);
        }
    }

    /// The tenure of that generation ended, if it is known.
    fn ended(&mut self, driver: &DriverName, generation: u64, cause: Audit) {
        let tenure = self.all.get_mut(&(driver.clone(), generation));
        tenure.into_iter().for_each(|tenure| tenure.end(cause));
    }

    /// The tenure of that generation did not end after all.
    fn goes_on(&mut self, driver: &DriverName, generation: u64) {
        let tenure = self.all.get_mut(&(driver.clone(), generation));
        if let Some(tenure) = tenure {
            (tenure.released_at, tenure.released_by) = (None, None);
        }
    }
}

impl Tenure {
    fn end(&mut self, cause: Audit) {
        self.released_at = Timestamp::known(cause.at);
        self.released_by = Some(cause.by.to_string());
    }

    /// Whether it was held then, as far as times are known.
    fn is_of(&self, at: Timestamp) -> bool {
        let began = self.granted.granted_at.is_none_or(|from| from <= at);
        let is_held = self.released_by.is_none();
        began && (is_held || self.released_at.is_none_or(|until| until > at))
    }
}

pub(crate) fn list(
    answers: &Answers,
    drivers: &[DriverName],
    address: IpAddr,
    at: Option<Timestamp>,
    out: &mut impl Out,
) -> Result<(), Stop> {
    if let Some(at) = at.filter(|at| *at > Timestamp::now()) {
        return Err(Stop::Error(format!("{at} is in the future")));
    }
    let mut tenures = Tenures::default();
    // First, so that what is released meanwhile is found in the events, too.
    for driver in drivers {
        for row in answers.rows_at(driver, address)? {
            tenures.of(driver, Address { stale: None, ..row });
        }
    }
    let is_it = |pool: &Pool| pool.gateway().is_some_and(|gateway| gateway.addr() == address);
    let mut visit = |Past { driver, digest, record }: Past<'_>| {
        tenures.since.get_or_insert(record.cause.at);
        if drivers.contains(driver) {
            match &record.event {
                Event::AddressLeased(lease) if lease.ip() == address => {
                    tenures.granted(driver, rows::address(driver, lease), digest);
                }
                Event::AddressReleased(lease) if lease.ip() == address => {
                    tenures.released(driver, rows::address(driver, lease), record.cause);
                }
                Event::PoolGranted(pool) if is_it(pool) => {
                    if let Some(row) = rows::gateway(driver, pool) {
                        tenures.granted(driver, row, digest);
                    }
                }
                Event::PoolReleased(pool) if is_it(pool) => {
                    if let Some(row) = rows::gateway(driver, pool) {
                        tenures.released(driver, row, record.cause);
                    }
                }
                Event::LeaseClaimed { lease, before } if lease.ip() == address => {
                    tenures.ended(driver, *before, record.cause);
                    tenures.granted(driver, rows::address(driver, lease), digest);
                }
                Event::PoolClaimed { pool, before } if is_it(pool) => {
                    tenures.ended(driver, *before, record.cause);
                    if let Some(row) = rows::gateway(driver, pool) {
                        tenures.granted(driver, row, digest);
                    }
                }
                // No two things of a driver have the same generation.
                Event::Unclaimed { generation, before, .. } => {
                    tenures.ended(driver, *generation, record.cause);
                    tenures.goes_on(driver, *before);
                }
                Event::AddressLeased(_)
                | Event::AddressReleased(_)
                | Event::LeaseClaimed { .. }
                | Event::PoolClaimed { .. }
                | Event::PoolGranted(_)
                | Event::PoolHeld { .. }
                | Event::HoldDropped { .. }
                | Event::PoolReleased(_)
                | Event::AddressClaimed { .. }
                | Event::Owed { .. }
                | Event::Told { .. }
                | Event::VersionChanged(_)
                | Event::Stored(_) => {}
            }
        }
        ControlFlow::Continue(())
    };
    answers.view()?.history(&mut visit).map_err(|error| with_causes(&error))?;
    tenures.name_artifacts(&*answers.host);

    let mut told: Vec<&Tenure> =
        tenures.all.values().filter(|tenure| at.is_none_or(|at| tenure.is_of(at))).collect();
    told.sort_by_key(|tenure| (tenure.granted.granted_at, tenure.granted.generation));
    told.iter().try_for_each(|tenure| out.item(tenure))?;
    let since = tenures.since.and_then(Timestamp::known);
    let gap = match since {
        Some(since) => format!("history goes back to {since}"),
        None => "no history is kept; only current allocations are known".to_owned(),
    };
    match at {
        Some(at) if since.is_some_and(|since| since <= at) => {}
        // Somebody may have held it: what is not kept is no proof that nobody did.
        Some(at) if told.is_empty() => {
            return Err(Stop::Error(format!("it is unknown who held {address} at {at}: {gap}")));
        }
        _ => out.note(gap),
    }
    Ok(())
}
