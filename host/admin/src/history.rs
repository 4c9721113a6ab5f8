//! Who held an address when: each grant with the release that ended it.

use crate::{
    Moment,
    answer::{Answers, Out, Stop},
    rows,
    wire::Tenure,
};
use ipam_api::{Digest, DriverName, with_causes};
use ipam_ledger::{Cause, Event, Lease, Past, Time};
use std::{collections::BTreeMap, net::IpAddr, ops::ControlFlow};

/// Tenures by driver and generation, which no two of them share. What is held
/// is known even if its grant is no more kept; so is what was released, since
/// a release carries what it ends.
#[derive(Default)]
struct Tenures {
    all: BTreeMap<(DriverName, u64), Tenure>,
    /// Of the oldest event that is kept.
    since: Option<Time>,
}

impl Tenures {
    fn of(&mut self, driver: &DriverName, lease: &Lease) -> &mut Tenure {
        self.all.entry((driver.clone(), lease.generation)).or_insert_with(|| Tenure {
            granted: rows::address(driver, lease),
            digest: None,
            released_at: None,
            released_by: None,
        })
    }

    fn granted(&mut self, driver: &DriverName, lease: &Lease, digest: Option<Digest>) {
        self.of(driver, lease).digest = digest.map(|digest| digest.to_string());
    }

    fn released(&mut self, driver: &DriverName, lease: &Lease, cause: Cause) {
        let tenure = self.of(driver, lease);
        tenure.released_at = Moment::known(cause.at);
        tenure.released_by = Some(cause.by.to_string());
    }
}

impl Tenure {
    /// Whether it was held then, as far as times are known.
    fn is_of(&self, at: Moment) -> bool {
        let began = self.granted.granted_at.is_none_or(|from| from <= at);
        let is_held = self.released_by.is_none();
        began && (is_held || self.released_at.is_none_or(|until| until > at))
    }
}

pub(crate) fn tell(
    answers: &Answers,
    drivers: &[DriverName],
    address: IpAddr,
    at: Option<Moment>,
    out: &mut impl Out,
) -> Result<(), Stop> {
    if let Some(at) = at.filter(|at| *at > Moment::now()) {
        return Err(Stop::Told(format!("who holds {address} at {at} is not known yet")));
    }
    let mut tenures = Tenures::default();
    // First, so that what is released meanwhile is found in the events, too.
    for driver in drivers {
        for lease in answers.leases_at(driver, address)? {
            tenures.of(driver, &lease);
        }
    }
    let mut visit = |Past { driver, digest, record }: Past<'_>| {
        tenures.since.get_or_insert(record.cause.at);
        if drivers.contains(driver) {
            match &record.event {
                Event::AddressLeased(lease) if lease.ip() == address => {
                    tenures.granted(driver, lease, digest);
                }
                Event::AddressReleased(lease) if lease.ip() == address => {
                    tenures.released(driver, lease, record.cause);
                }
                Event::AddressLeased(_)
                | Event::AddressReleased(_)
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

    let mut told: Vec<&Tenure> =
        tenures.all.values().filter(|tenure| at.is_none_or(|at| tenure.is_of(at))).collect();
    told.sort_by_key(|tenure| (tenure.granted.granted_at, tenure.granted.generation));
    told.iter().try_for_each(|tenure| out.item(tenure))?;
    let since = tenures.since.and_then(Moment::known);
    let gap = match since {
        Some(since) => format!("history goes back to {since}"),
        None => "no history is kept: only what is held now is known".to_owned(),
    };
    match at {
        Some(at) if since.is_some_and(|since| since <= at) => {}
        // Somebody may have held it: what is not kept is no proof that nobody did.
        Some(at) if told.is_empty() => {
            return Err(Stop::Told(format!("who held {address} at {at} cannot be told: {gap}")));
        }
        _ => out.note(gap),
    }
    Ok(())
}
