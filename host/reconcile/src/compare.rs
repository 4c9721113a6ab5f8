//! Compares the ledger with an observation: finds the entries that no engine
//! knows.
//!
//! In: [`Held`] and [`Observation`]. Out: [`Found`]. It is pure: no I/O and no
//! clock. When the engines' answers do not tell whether something is in use, it
//! counts as in use.

use crate::{
    held::{GrantedBy, Held, HeldLease, HeldPool, Space},
    known::Observation,
    report::Found,
};
use ipam_api::{IpNet, PoolId};
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    net::IpAddr,
};

/// What no engine knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unknown {
    /// Addresses of pools that an engine knows.
    pub addresses: Vec<Found>,
    /// Pools that no engine knows. Their addresses are released with them and are
    /// not in `addresses`: they belong to a network that another engine may have.
    pub pools: Vec<Found>,
}

/// What two observations show together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Confirmed {
    /// Unknown in both, in the same generation.
    pub(crate) addresses: Vec<Found>,
    /// Unknown in both, in the same generation, and nothing was leased under
    /// them meanwhile.
    pub(crate) pools: Vec<Found>,
    pub(crate) seen_again: Vec<Found>,
    pub(crate) changed: Vec<Found>,
}

/// Finds what `held` has and no engine knows.
///
/// - Only what Docker's server granted is found, and no pool under which another
///   server granted something.
/// - In a global space only what is stale is found, and only when the engines
///   know what their swarm's managers have handed out. A single address is found
///   only where no node can have one that is not shown.
/// - An address is in use when anything has it: an endpoint, a container, a
///   gateway or an auxiliary address, in any network of any driver.
/// - A pool is in use when it overlaps a network's subnet, whatever that network's
///   driver is called; when anything has an address in it; when a container at
///   rest had one in it or is configured to get one; and when a network does not
///   say which subnets it has.
/// - A single address is found only when a network names its driver, its subnet
///   and its sub-pool, and no network that may have it hides its endpoints. A
///   range that is the sub-pool of no pool of that subnet may be any of theirs.
/// - A gateway is found only with its pool: engines do not show every gateway.
#[must_use]
pub fn compare(held: &[Held], seen: &Observation) -> Unknown {
    let known = Known::new(seen);
    let are_swarms_known = seen.swarms.why_unknown().is_none();
    let judged = || {
        dockers(held).filter(|(_, pool)| match pool.space {
            Space::Local => true,
            Space::Global => are_swarms_known,
            Space::Other => false,
        })
    };
    let mut sub_pools: HashMap<(&str, Space, IpNet), Vec<Option<IpNet>>> = HashMap::new();
    for (driver, pool) in judged() {
        sub_pools.entry((driver, pool.space, pool.prefix)).or_default().push(pool.sub_pool);
    }
    let mut unknown = Unknown::default();
    for (driver, pool) in judged() {
        let is_local = pool.space == Space::Local;
        let networks = known.of(driver, pool.prefix);
        let siblings = &sub_pools[&(driver, pool.space, pool.prefix)];
        let hidden = if is_local { &known.incomplete } else { &known.incomplete_in_swarm };
        let has = |address| known.addresses.contains(&address);
        let is_dockers = |lease: &HeldLease| lease.granted_by == GrantedBy::Docker;
        if networks.have(pool, siblings) {
            let forgotten = |lease: &&HeldLease| {
                is_dockers(lease)
                    && !lease.is_gateway
                    && (is_local || lease.is_stale)
                    && !has(lease.address)
            };
            if !hidden.share(pool.prefix) {
                let found = pool.leases.iter().filter(forgotten);
                unknown.addresses.extend(found.map(|lease| address(driver, pool, lease)));
            }
        } else if (is_local || pool.is_stale)
            && !known.all.share(pool.prefix)
            && !any_in(pool.prefix, &known.addresses)
            && !any_in(pool.prefix, &seen.at_rest)
            && pool.leases.iter().all(|lease| is_dockers(lease) && !has(lease.address))
        {
            unknown.pools.push(whole(driver, pool));
        }
    }
    unknown
}

/// The drivers of `pools` that no network of `seen` names. If a driver has another
/// name there, all of its networks seem to be missing.
pub(crate) fn unnamed(pools: &[Found], seen: &Observation) -> BTreeSet<String> {
    let named: HashSet<&str> = seen.networks.iter().map(|network| &*network.driver).collect();
    let all = pools.iter().map(|found| &found.driver);
    all.filter(|driver| !named.contains(&***driver)).cloned().collect()
}

/// What is stale in the global spaces, if the engines do not know whether it is
/// in use: pools, and addresses of pools that are not stale.
pub(crate) fn unjudged(held: &[Held], seen: &Observation) -> Vec<Found> {
    let mut found = Vec::new();
    if seen.swarms.why_unknown().is_none() {
        return found;
    }
    for (driver, pool) in dockers(held).filter(|(_, pool)| pool.space == Space::Global) {
        if pool.is_stale {
            found.push(whole(driver, pool));
            continue;
        }
        let is_stale = |lease: &&HeldLease| lease.is_stale && lease.granted_by == GrantedBy::Docker;
        let stale = pool.leases.iter().filter(is_stale);
        found.extend(stale.map(|lease| address(driver, pool, lease)));
    }
    found
}

/// The pools that Docker's server asked for.
fn dockers(held: &[Held]) -> impl Iterator<Item = (&str, &HeldPool)> {
    let all = held.iter().flat_map(|held| held.pools.iter().map(|pool| (&*held.driver, pool)));
    all.filter(|(_, pool)| pool.granted_by == GrantedBy::Docker)
}

fn whole(driver: &str, pool: &HeldPool) -> Found {
    Found {
        driver: driver.to_owned(),
        pool_id: pool.pool_id.clone(),
        prefix: pool.prefix,
        sub_pool: pool.sub_pool,
        address: None,
        generation: pool.generation,
        newest: pool.newest,
        leases: pool.leases.iter().map(|lease| (lease.address, lease.generation)).collect(),
    }
}

fn address(driver: &str, pool: &HeldPool, lease: &HeldLease) -> Found {
    Found {
        driver: driver.to_owned(),
        pool_id: pool.pool_id.clone(),
        prefix: pool.prefix,
        sub_pool: pool.sub_pool,
        address: Some(lease.address),
        generation: lease.generation,
        newest: lease.generation,
        leases: Default::default(),
    }
}

/// The networks of an observation.
struct Known<'a> {
    /// The `--ip-range` of each, by driver and subnet.
    exact: HashMap<(&'a str, IpNet), HashSet<Option<IpNet>>>,
    /// By driver, the subnets of which only the length is known.
    any: HashSet<(&'a str, bool, u8)>,
    /// All subnets, whatever the driver is called.
    all: Subnets,
    /// Those of networks whose endpoints are not all known.
    incomplete: Subnets,
    /// Those of networks in which a swarm's nodes, or engines that share a
    /// network otherwise, may have addresses that are not known.
    incomplete_in_swarm: Subnets,
    /// Every address of anything.
    addresses: BTreeSet<IpAddr>,
}

/// The networks of one driver and subnet.
struct Networks<'a> {
    ranges: Option<&'a HashSet<Option<IpNet>>>,
    /// Whether one may have any subnet of that length.
    is_any: bool,
}

impl<'a> Known<'a> {
    fn new(seen: &'a Observation) -> Self {
        let mut known = Self {
            exact: HashMap::new(),
            any: HashSet::new(),
            all: Subnets::default(),
            incomplete: Subnets::default(),
            incomplete_in_swarm: Subnets::default(),
            addresses: seen.unplaced.clone(),
        };
        seen.dockers_own.iter().for_each(|prefix| known.all.add(*prefix));
        for network in &seen.networks {
            known.addresses.extend(&network.endpoints);
            let is_open = network.subnets.is_empty();
            let hides = !network.is_complete || !network.shows_all_of_swarm;
            known.all.is_open |= is_open;
            known.incomplete.is_open |= is_open && !network.is_complete;
            known.incomplete_in_swarm.is_open |= is_open && hides;
            for subnet in &network.subnets {
                known.addresses.extend(&subnet.reserved);
                known.all.add(subnet.prefix);
                if !network.is_complete {
                    known.incomplete.add(subnet.prefix);
                }
                if hides {
                    known.incomplete_in_swarm.add(subnet.prefix);
                }
                let driver = &*network.driver;
                if let Some((is_v6, length)) = any_of(subnet.prefix) {
                    known.any.insert((driver, is_v6, length));
                } else {
                    let ranges = known.exact.entry((driver, subnet.prefix)).or_default();
                    ranges.insert(subnet.ip_range);
                }
            }
        }
        known
    }

    fn of(&self, driver: &'a str, prefix: IpNet) -> Networks<'_> {
        Networks {
            ranges: self.exact.get(&(driver, prefix)),
            is_any: self.any.contains(&(driver, is_v6(prefix), prefix.prefix_len())),
        }
    }
}

impl Networks<'_> {
    /// Whether one of them is, or may be, the network of this pool. `siblings`
    /// are the sub-pools of all pools of this subnet.
    fn have(&self, pool: &HeldPool, siblings: &[Option<IpNet>]) -> bool {
        let exact = self.ranges.is_some_and(|ranges| {
            ranges.contains(&pool.sub_pool) || ranges.iter().any(|range| !siblings.contains(range))
        });
        exact || self.is_any
    }
}

/// A set of prefixes.
#[derive(Default)]
struct Subnets {
    /// By the first address.
    exact: BTreeSet<(IpAddr, u8)>,
    /// Families and lengths of prefixes of which nothing else is known.
    lengths: HashSet<(bool, u8)>,
    /// Whether there is a prefix of which nothing is known.
    is_open: bool,
}

impl Subnets {
    fn add(&mut self, prefix: IpNet) {
        match any_of(prefix) {
            Some(length) => self.lengths.insert(length),
            None => self.exact.insert((prefix.network(), prefix.prefix_len())),
        };
    }

    /// Whether a prefix of the set overlaps, or may overlap, this one. A prefix of
    /// length 0 is the null driver's, and overlaps only itself.
    fn share(&self, prefix: IpNet) -> bool {
        let (first, length) = (prefix.network(), prefix.prefix_len());
        let is_around = |shorter| {
            let around = IpNet::new(first, shorter).map(|net| (net.network(), shorter));
            around.is_ok_and(|around| self.exact.contains(&around))
        };
        let within = (first, length)..=(prefix.broadcast(), u8::MAX);
        self.is_open
            || self.lengths.contains(&(is_v6(prefix), length))
            || self.exact.contains(&(first, length))
            || (length > 0
                && ((1..length).any(is_around) || self.exact.range(within).next().is_some()))
    }
}

/// Whether one of these is in it. One of length 0 is the null driver's, and no
/// network's subnet.
fn any_in(prefix: IpNet, addresses: &BTreeSet<IpAddr>) -> bool {
    prefix.prefix_len() > 0
        && addresses.range(prefix.network()..=prefix.broadcast()).next().is_some()
}

/// The family and the length, if that is all that is known of this subnet.
fn any_of(prefix: IpNet) -> Option<(bool, u8)> {
    let is_any = prefix.addr().is_unspecified() && prefix.prefix_len() > 0;
    is_any.then(|| (is_v6(prefix), prefix.prefix_len()))
}

fn is_v6(prefix: IpNet) -> bool {
    matches!(prefix, IpNet::V6(_))
}

/// What is still unknown. `held` is what the ledger held before `second` was
/// observed.
pub(crate) fn confirm(first: Unknown, held: &[Held], second: &Unknown) -> Confirmed {
    type Key<'a> = (&'a str, &'a PoolId, Option<IpAddr>);
    let mut generations: HashMap<Key<'_>, u64> = HashMap::new();
    for Held { driver, pools } in held {
        for pool in pools {
            generations.insert((driver, &pool.pool_id, None), pool.generation);
            for lease in &pool.leases {
                let key = (&**driver, &pool.pool_id, Some(lease.address));
                generations.insert(key, lease.generation);
            }
        }
    }
    let again: HashMap<Key<'_>, &Found> = second
        .addresses
        .iter()
        .chain(&second.pools)
        .map(|found| ((&*found.driver, &found.pool_id, found.address), found))
        .collect();
    let mut confirmed = Confirmed::default();
    for found in first.addresses.into_iter().chain(first.pools) {
        let key = |address| (&*found.driver, &found.pool_id, address);
        if generations.get(&key(found.address)) != Some(&found.generation) {
            confirmed.changed.push(found);
            continue;
        }
        match again.get(&key(found.address)).copied() {
            Some(now) if now.address.is_some() => confirmed.addresses.push(now.clone()),
            // It was claimed or leased under, so an engine has its network.
            Some(now)
                if now.newest > found.newest
                    || now.leases.iter().any(|lease| !has(&found, lease)) =>
            {
                confirmed.changed.push(found);
            }
            Some(now) => confirmed.pools.push(now.clone()),
            // Its network was removed meanwhile: it is released with the pool.
            None if again.contains_key(&key(None)) => confirmed.changed.push(found),
            None => confirmed.seen_again.push(found),
        }
    }
    confirmed
}

fn has(pool: &Found, (address, generation): (&IpAddr, &u64)) -> bool {
    pool.leases.get(address) == Some(generation)
}

#[cfg(test)]
mod tests;
