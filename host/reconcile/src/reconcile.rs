//! Compares the ledger with the engines twice, a grace period apart, and releases
//! what was unknown both times.
//!
//! In: a ledger, engines and a clock, each behind a trait. Out: a [`Report`].
//! What must hold: the ledger is read *before* the engines each time, so that
//! what is granted in between is not taken for forgotten; an observation that
//! failed frees nothing.

use crate::{
    compare::{Confirmed, Unknown, compare, confirm, unjudged, unnamed},
    held::Held,
    known::Observation,
    report::{Found, Report},
};
use ipam_api::{
    text::{bounded, joined},
    with_causes,
};
use std::{collections::HashSet, error, future::Future, time::Duration};

/// Where entries are held and released.
pub trait Ledger {
    /// Why it cannot be read or changed, for the operator.
    type Error: error::Error + Send + Sync + 'static;

    /// Returns everything that it holds at one moment.
    ///
    /// # Errors
    /// When that cannot be read completely.
    fn held(&mut self) -> impl Future<Output = Result<Vec<Held>, Self::Error>>;

    /// Releases what [`Found::receipt`] names; with a pool, also the leases under
    /// it. Releases nothing if the entry does not exist in that generation any
    /// more, or if something under it was granted after [`Found::newest`].
    /// Returns whether something was released.
    ///
    /// # Errors
    /// When the release failed, or it is not known whether it did.
    fn release(&mut self, found: &Found) -> impl Future<Output = Result<bool, Self::Error>>;
}

/// The engines that the ledger is compared with.
pub trait Engines {
    /// Why they cannot be read, for the operator.
    type Error: error::Error + Send + Sync + 'static;

    /// Returns what all of them know.
    ///
    /// # Errors
    /// When one of them cannot be read completely.
    fn observe(&mut self) -> impl Future<Output = Result<Observation, Self::Error>>;
}

/// What waits for the grace period.
pub trait Clock {
    /// Waits.
    fn sleep(&mut self, time: Duration) -> impl Future<Output = ()>;
}

/// Tokio's clock; its runtime must have time enabled.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokioClock;

impl Clock for TokioClock {
    fn sleep(&mut self, time: Duration) -> impl Future<Output = ()> {
        tokio::time::sleep(time)
    }
}

/// How to reconcile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How long something must be unknown. Docker shows an endpoint only some time
    /// after its address was granted: in between it may wait for other plugins,
    /// 15 s for each that is down. A record in a system of record is there before its
    /// grant is in the ledger, for as long as that request takes.
    pub grace: Duration,
    /// Whether to report only, and change nothing.
    pub dry_run: bool,
    /// Whether nobody else uses the other side: the given engines are all that use
    /// this ledger, or no other host has this host's name in the system of record.
    /// Only then whole pools are freed.
    pub exclusive: bool,
}

impl Options {
    /// A grace period that is long enough for two address families and a network
    /// plugin that is down.
    pub const GRACE: Duration = Duration::from_secs(60);
}

impl Default for Options {
    fn default() -> Self {
        Self { grace: Self::GRACE, dry_run: false, exclusive: false }
    }
}

/// What happens, as it happens, for the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// The ledger and the engines were read.
    Observed {
        /// Networks of all engines whose IPAM driver is not Docker's own.
        networks: usize,
        /// Addresses of endpoints in them.
        endpoints: usize,
        /// Addresses that the ledger holds and no engine knows.
        addresses: usize,
        /// Pools that the ledger holds and no engine knows.
        pools: usize,
    },
    /// Networks do not say which subnets they have (`"Config": null`). They may
    /// have any, so no pool is freed.
    SubnetsOpen {
        /// How many names they have.
        count: usize,
        /// Their names, escaped and shortened.
        names: &'a str,
    },
    /// Something is stale in the global space, and the engines do not know
    /// whether it is in use.
    NeedsManager {
        /// How many pools and addresses.
        entries: usize,
        /// Why it is not known.
        why: &'static str,
    },
    /// The grace period begins.
    Waiting {
        /// How long it is.
        grace: Duration,
    },
    /// Something was freed.
    Freed(&'a Found),
    /// Something was released or granted again after it was seen.
    Changed(&'a Found),
}

/// Why nothing was reconciled. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error<L: error::Error + 'static, E: error::Error + 'static> {
    /// The ledger cannot be read.
    #[error("the ledger cannot be read")]
    Ledger(#[source] L),
    /// The engines cannot be read.
    #[error("what the engines know cannot be read completely")]
    Engines(#[source] E),
    /// Pools of drivers were to be freed that no network of any engine names. The
    /// drivers may have another name there, as managed plugins do.
    #[error(
        "no network of these engines names the IPAM driver {drivers}, so whether its pools are \
         in use is not known (if it goes by another name there, say which)"
    )]
    Unnamed {
        /// Their names, as given to this crate.
        drivers: String,
    },
}

/// How much of the names of networks the operator is shown, in bytes.
const NAMES_MAX_BYTES: usize = 256;

/// Tells the operator of networks that keep every pool from being freed.
fn tell_open(seen: &Observation, progress: &mut dyn FnMut(Progress<'_>)) {
    let open = seen.open();
    if !open.is_empty() {
        let names = bounded(NAMES_MAX_BYTES, joined(&open, ", "));
        progress(Progress::SubnetsOpen { count: open.len(), names: &names });
    }
}

/// Checks that pools may be freed, if they are to be.
fn must_be_named<L: error::Error, E: error::Error>(
    unknown: &Unknown,
    seen: &Observation,
    options: &Options,
) -> Result<(), Error<L, E>> {
    let drivers = unnamed(&unknown.pools, seen);
    if !options.exclusive || drivers.is_empty() {
        return Ok(());
    }
    let drivers: Vec<String> = drivers.iter().map(|driver| format!("{driver:?}")).collect();
    Err(Error::Unnamed { drivers: drivers.join(", ") })
}

/// Frees what the ledger holds and no engine has known for the grace period.
///
/// The first release that fails ends it. The report says why, and what is left.
///
/// # Errors
/// When the ledger or an engine cannot be read, and when [`Options::exclusive`]
/// is set and no engine has a network of a driver whose pools would be freed.
/// Nothing was changed then.
pub async fn reconcile<L: Ledger, E: Engines>(
    ledger: &mut L,
    engines: &mut E,
    clock: &mut impl Clock,
    options: &Options,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Report, Error<L::Error, E::Error>> {
    let mut report = Report { dry_run: options.dry_run, ..Report::default() };
    let held = ledger.held().await.map_err(Error::Ledger)?;
    let seen = engines.observe().await.map_err(Error::Engines)?;
    let first = compare(&held, &seen);
    let observed = |seen: &Observation, addresses: usize, pools: usize| Progress::Observed {
        networks: seen.networks.len(),
        endpoints: seen.endpoints(),
        addresses,
        pools,
    };
    progress(observed(&seen, first.addresses.len(), first.pools.len()));
    tell_open(&seen, progress);
    report.needs_manager = unjudged(&held, &seen);
    if let (Some(why), entries @ 1..) = (seen.swarms.why_unknown(), report.needs_manager.len()) {
        progress(Progress::NeedsManager { entries, why });
    }
    must_be_named(&first, &seen, options)?;
    if first.addresses.is_empty() && first.pools.is_empty() {
        return Ok(report);
    }
    progress(Progress::Waiting { grace: options.grace });
    clock.sleep(options.grace).await;

    let held = ledger.held().await.map_err(Error::Ledger)?;
    let seen = engines.observe().await.map_err(Error::Engines)?;
    let second = compare(&held, &seen);
    progress(observed(&seen, second.addresses.len(), second.pools.len()));
    tell_open(&seen, progress);
    must_be_named(&second, &seen, options)?;
    let Confirmed { addresses, pools, seen_again, changed } = confirm(first, &held, &second);
    (report.seen_again, report.changed) = (seen_again, changed);
    report.needs_manager = unjudged(&held, &seen);
    // A manager that no longer shows all of its swarm does not count.
    let places: HashSet<_> = report.needs_manager.iter().map(Found::place).collect();
    report.seen_again.retain(|found| {
        let (driver, pool_id, address) = found.place();
        [address, None].iter().all(|at| !places.contains(&(driver, pool_id, *at)))
    });
    report.changed.iter().for_each(|found| progress(Progress::Changed(found)));

    let mut to_free = addresses;
    if options.exclusive {
        to_free.extend(pools);
    } else {
        report.pools_unknown = pools;
    }
    if options.dry_run {
        report.would_free = to_free;
    } else {
        free(ledger, to_free, &mut report, progress).await;
    }
    Ok(report)
}

/// Nothing that is freed here can have come into use after the second
/// observation: a grant would have a new generation.
async fn free<L: Ledger>(
    ledger: &mut L,
    to_free: Vec<Found>,
    report: &mut Report,
    progress: &mut dyn FnMut(Progress<'_>),
) {
    let mut waiting = to_free.into_iter();
    while let Some(found) = waiting.next() {
        match ledger.release(&found).await {
            Ok(true) => {
                progress(Progress::Freed(&found));
                let freed = match found.address {
                    Some(_) => &mut report.freed,
                    None => &mut report.pools_freed,
                };
                freed.push(found);
            }
            Ok(false) => {
                progress(Progress::Changed(&found));
                report.changed.push(found);
            }
            Err(error) => {
                report.failure = Some(with_causes(&error));
                report.left.push(found);
                report.left.extend(waiting);
                return;
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
