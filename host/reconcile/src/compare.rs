//! The ledger beside an observation: which of its entries no engine knows.
//!
//! In come [`Held`] and [`Observation`], out come [`Found`]. Pure: no I/O and no
//! clock. Whenever the engines' answers leave it open whether something is in
//! use, it is in use.

use crate::{
    held::{GrantedBy, Held, HeldLease, HeldPool, Space},
    known::Observation,
    report::Found,
};
use ipam_api::{IpNet, PoolId};
use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
};

/// What no engine knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unknown {
    /// Addresses of pools that an engine knows.
    pub addresses: Vec<Found>,
    /// Pools that no engine knows. Their addresses go with them, and are not
    /// in `addresses`: they belong to a network that another engine may have.
    pub pools: Vec<Found>,
}

/// What two observations say together.
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
/// - Only what Docker's server granted in a local space is found, and no pool
///   under which another server granted something.
/// - A pool is known when a network has its driver and its subnet. Where
///   several pools share a subnet, its network's `--ip-range` must be the
///   pool's sub-pool; a network whose range is none of theirs makes all of
///   them known. It is also known when one of its addresses is.
/// - An address is known when any network of its driver and subnet has it as
///   an endpoint's, a gateway's or an auxiliary one.
/// - A gateway goes with its pool alone: engines do not show every gateway.
#[must_use]
pub fn compare(held: &[Held], seen: &Observation) -> Unknown {
    let known = Known::new(seen);
    let mut sub_pools: HashMap<(&str, IpNet), Vec<Option<IpNet>>> = HashMap::new();
    for (driver, pool) in ours(held) {
        sub_pools.entry((driver, pool.prefix)).or_default().push(pool.sub_pool);
    }
    let mut unknown = Unknown::default();
    for (driver, pool) in ours(held) {
        let networks = known.of(driver, pool.prefix);
        let siblings = &sub_pools[&(driver, pool.prefix)];
        let has = |address| networks.has(address) || seen.unplaced.contains(&address);
        if networks.have(pool, siblings) || pool.leases.iter().any(|lease| has(lease.address)) {
            let forgotten = |lease: &&HeldLease| {
                lease.granted_by == GrantedBy::Docker && !lease.is_gateway && !has(lease.address)
            };
            if networks.are_complete() {
                let found = pool.leases.iter().filter(forgotten);
                unknown.addresses.extend(found.map(|lease| address(driver, pool, lease)));
            }
        } else if pool.leases.iter().all(|lease| lease.granted_by == GrantedBy::Docker) {
            unknown.pools.push(whole(driver, pool));
        }
    }
    unknown
}

/// What may be touched at all.
fn ours(held: &[Held]) -> impl Iterator<Item = (&str, &HeldPool)> {
    let all = held.iter().flat_map(|held| held.pools.iter().map(|pool| (&*held.driver, pool)));
    all.filter(|(_, pool)| pool.granted_by == GrantedBy::Docker && pool.space == Space::Local)
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

/// The networks of an observation by driver and subnet.
struct Known<'a> {
    exact: HashMap<(&'a str, IpNet), Facts>,
    /// Subnets of which only the length is known.
    any: HashMap<(&'a str, bool, u8), Facts>,
}

/// What all networks of one driver and subnet have together.
#[derive(Default)]
struct Facts {
    ranges: HashSet<Option<IpNet>>,
    addresses: HashSet<IpAddr>,
    is_incomplete: bool,
}

/// The facts that bear on one pool.
struct Networks<'a> {
    exact: Option<&'a Facts>,
    any: Option<&'a Facts>,
}

impl<'a> Known<'a> {
    fn new(seen: &'a Observation) -> Self {
        let mut known = Self { exact: HashMap::new(), any: HashMap::new() };
        for network in &seen.networks {
            for subnet in &network.subnets {
                let prefix = subnet.prefix;
                let is_any = prefix.addr().is_unspecified() && prefix.prefix_len() > 0;
                let facts = if is_any {
                    let key = (&*network.driver, is_v6(prefix), prefix.prefix_len());
                    known.any.entry(key).or_default()
                } else {
                    known.exact.entry((&*network.driver, prefix)).or_default()
                };
                facts.ranges.insert(subnet.ip_range);
                facts.is_incomplete |= !network.is_complete;
                facts.addresses.extend(&subnet.reserved);
                let inside = |address: &&IpAddr| is_any || prefix.contains(*address);
                facts.addresses.extend(network.endpoints.iter().filter(inside));
            }
        }
        known
    }

    fn of(&self, driver: &'a str, prefix: IpNet) -> Networks<'_> {
        Networks {
            exact: self.exact.get(&(driver, prefix)),
            any: self.any.get(&(driver, is_v6(prefix), prefix.prefix_len())),
        }
    }
}

impl Networks<'_> {
    fn has(&self, address: IpAddr) -> bool {
        [self.exact, self.any].into_iter().flatten().any(|facts| facts.addresses.contains(&address))
    }

    /// Whether one of them is, or may be, the network of this pool. `siblings`
    /// are the sub-pools of all pools of this subnet.
    fn have(&self, pool: &HeldPool, siblings: &[Option<IpNet>]) -> bool {
        let exact = self.exact.is_some_and(|Facts { ranges, .. }| {
            ranges.contains(&pool.sub_pool) || ranges.iter().any(|range| !siblings.contains(range))
        });
        exact || self.any.is_some()
    }

    /// Whether there is one, and the endpoints of all of them are known.
    fn are_complete(&self) -> bool {
        let mut all = [self.exact, self.any].into_iter().flatten().peekable();
        all.peek().is_some() && all.all(|facts| !facts.is_incomplete)
    }
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
            // Somebody claims it or leases under it, so somebody has its network.
            Some(now)
                if now.newest > found.newest
                    || now.leases.iter().any(|lease| !has(&found, lease)) =>
            {
                confirmed.changed.push(found);
            }
            Some(now) => confirmed.pools.push(now.clone()),
            // Its network was removed meanwhile: it goes with the pool.
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
