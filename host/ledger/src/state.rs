//! One driver's part of the ledger, as a value.

use crate::{
    Event, Lease, Pool, Version,
    space::{Leased, Space, Subnet},
};
use ipam_api::{PoolId, Stored, Writes};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    sync::Arc,
};

/// The generation that an entry had before its last claim, if it was claimed.
/// A claim of early days left a session's number, which is never looked at: what
/// this process did not claim itself is not undone.
pub(crate) type Claimed = Option<u64>;

/// A pool and who holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) pool: Arc<Pool>,
    /// How often a "no pool" must be released before it is gone; at least 1,
    /// and 1 for all others.
    pub(crate) holds: u64,
    pub(crate) claimed: Claimed,
    /// What was leased under this very id.
    pub(crate) leases: BTreeSet<IpAddr>,
    /// Those of them that are gateways.
    pub(crate) gateways: BTreeSet<IpAddr>,
}

/// One driver's part of the ledger.
///
/// Pools are keyed by id; leases by space, pool prefix and address, whatever
/// the id. Every look-up is logarithmic or better in what is held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    pools: HashMap<PoolId, Held>,
    spaces: HashMap<String, Space>,
    generation: u64,
    owed: BTreeMap<u64, Release>,
    version: Option<Version>,
    /// Shared with the instance that was started with it, until either writes.
    stored: Arc<Stored>,
}

/// A release that a driver must be told of: a pool, or an address of it.
pub type Release = (PoolId, Option<IpAddr>);

impl State {
    /// The pool of that id.
    #[must_use]
    pub fn pool(&self, pool_id: &PoolId) -> Option<&Arc<Pool>> {
        self.pools.get(pool_id).map(|held| &held.pool)
    }

    /// All pools, in no order.
    pub fn pools(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.pools.values().map(|held| &held.pool)
    }

    /// All leases, in no order.
    pub fn leases(&self) -> impl Iterator<Item = &Arc<Lease>> {
        self.spaces
            .values()
            .flat_map(Space::subnets)
            .flat_map(|subnet| subnet.leases.values().map(|leased| &leased.lease))
    }

    /// How many holds a pool has; 0 if there is no such pool.
    #[must_use]
    pub fn holds(&self, pool_id: &PoolId) -> u64 {
        self.pools.get(pool_id).map_or(0, |held| held.holds)
    }

    /// The lease of that address in the pool, or in one that shares its prefix.
    #[must_use]
    pub fn lease(&self, pool_id: &PoolId, address: IpAddr) -> Option<&Arc<Lease>> {
        self.leased(self.pool(pool_id)?, address).map(|leased| &leased.lease)
    }

    /// The largest generation that was ever granted here.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Makes later grants larger than `generation`: whoever reads the ledger
    /// again while receipts are about must not grant their generations twice.
    pub fn advance_to(&mut self, generation: u64) {
        self.generation = self.generation.max(generation);
    }

    /// How many leases were taken under that very id.
    #[must_use]
    pub fn lease_count(&self, pool_id: &PoolId) -> usize {
        self.pools.get(pool_id).map_or(0, |held| held.leases.len())
    }

    /// How many leases are held in all.
    #[must_use]
    pub fn lease_total(&self) -> usize {
        self.pools.values().map(|held| held.leases.len()).sum()
    }

    /// The leases taken under that very id, in order of address.
    pub fn leases_of(&self, pool_id: &PoolId) -> impl Iterator<Item = &Arc<Lease>> {
        let held = self.pools.get(pool_id);
        held.into_iter().flat_map(|held| {
            let leased = |address: &IpAddr| self.leased(&held.pool, *address);
            held.leases.iter().filter_map(leased).map(|leased| &leased.lease)
        })
    }

    /// What a driver that keeps its state elsewhere was not told yet, by
    /// number, oldest first.
    #[must_use]
    pub fn owed(&self) -> &BTreeMap<u64, Release> {
        &self.owed
    }

    /// The note of one more release that it is owed.
    #[must_use]
    pub fn owe(&self, (pool_id, address): Release) -> Event {
        let number = self.owed.last_key_value().map_or(0, |(number, _)| number + 1);
        Event::Owed { number, pool_id, address }
    }

    /// The version that granted last, if any did.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.version
    }

    /// What the driver has stored for itself.
    #[must_use]
    pub fn stored(&self) -> &Arc<Stored> {
        &self.stored
    }

    /// Changes the state. An event that does not fit what is held, such as the
    /// release of what is not there, changes nothing.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::PoolGranted(pool) => self.grant(pool),
            Event::PoolHeld { pool_id, generation, claim } => {
                self.advance_to(*generation);
                if let Some(held) = self.pools.get_mut(pool_id) {
                    held.holds += u64::from(held.pool.is_no_pool());
                    held.claimed = claim.map(|session| session.0).or(held.claimed);
                }
            }
            Event::HoldDropped { pool_id, undoes_claim, .. } => {
                if let Some(held) = self.pools.get_mut(pool_id) {
                    held.holds = held.holds.saturating_sub(1).max(1);
                    held.claimed = held.claimed.filter(|_| !undoes_claim);
                }
            }
            Event::PoolReleased(pool) => self.remove(&pool.pool_id),
            Event::AddressLeased(lease) => drop(self.lease_out(lease, None)),
            Event::AddressClaimed { pool_id, address, session } => {
                let claimed = self.subnet_mut(pool_id).and_then(|it| it.leases.get_mut(address));
                claimed.into_iter().for_each(|leased| leased.claimed = Some(session.0));
            }
            Event::PoolClaimed { pool, before } => {
                self.advance_to(pool.generation);
                if let Some(held) = self.pools.get_mut(&pool.pool_id) {
                    held.pool = pool.clone();
                    held.claimed = Some(*before);
                }
            }
            Event::LeaseClaimed { lease, before } => drop(self.lease_out(lease, Some(*before))),
            Event::Unclaimed { pool_id, address, generation, before } => {
                self.unclaim(pool_id, *address, *generation, *before);
            }
            Event::AddressReleased(lease) => {
                if let Some(subnet) = self.subnet_mut(&lease.pool_id) {
                    subnet.leases.remove(&lease.ip());
                }
                if let Some(held) = self.pools.get_mut(&lease.pool_id) {
                    held.leases.remove(&lease.ip());
                    held.gateways.remove(&lease.ip());
                }
            }
            Event::Owed { number, pool_id, address } => {
                self.owed.insert(*number, (pool_id.clone(), *address));
            }
            Event::Told { number } => drop(self.owed.remove(number)),
            Event::VersionChanged(version) => self.version = Some(*version),
            Event::Stored(writes) => self.write(writes),
        }
    }

    /// Puts what a driver has stored back.
    pub(crate) fn restore_stored(&mut self, stored: Stored) {
        self.stored = Arc::new(stored);
    }

    fn write(&mut self, writes: &Writes) {
        let stored = Arc::make_mut(&mut self.stored);
        for (key, value) in writes {
            match value {
                Some(value) => drop(stored.insert(key.clone(), value.clone())),
                None => drop(stored.remove(key)),
            }
        }
    }

    /// Puts a pool back as it was stored.
    pub(crate) fn restore_pool(&mut self, pool: &Arc<Pool>, holds: u64, claimed: Claimed) {
        self.grant(pool);
        if let Some(held) = self.pools.get_mut(&pool.pool_id) {
            // Claims were counted, too, in early days.
            held.holds = if pool.is_no_pool() { holds } else { 1 };
            held.claimed = claimed;
        }
    }

    /// Puts a lease back as it was stored. Returns whether it could: its pool
    /// comes first.
    pub(crate) fn restore_lease(&mut self, lease: &Arc<Lease>, claimed: Claimed) -> bool {
        self.lease_out(lease, claimed)
    }

    /// The entry has the generation from before its claim, if it has that of
    /// the claim.
    fn unclaim(&mut self, pool_id: &PoolId, address: Option<IpAddr>, generation: u64, before: u64) {
        let Some(address) = address else {
            let claimed = self.pools.get_mut(pool_id);
            if let Some(held) = claimed.filter(|held| held.pool.generation == generation) {
                Arc::make_mut(&mut held.pool).generation = before;
                held.claimed = None;
            }
            return;
        };
        let claimed = self.subnet_mut(pool_id).and_then(|it| it.leases.get_mut(&address));
        if let Some(leased) = claimed.filter(|leased| leased.lease.generation == generation) {
            Arc::make_mut(&mut leased.lease).generation = before;
            leased.claimed = None;
        }
    }

    fn grant(&mut self, pool: &Arc<Pool>) {
        self.advance_to(pool.generation);
        if !pool.is_no_pool() {
            self.spaces.entry(pool.address_space.clone()).or_default().insert_pool(
                pool.prefix,
                pool.sub_pool,
                pool.pool_id.clone(),
            );
        }
        if let Some(gateway) = pool.gateway()
            && let Some(subnet) = self.subnet_of(pool)
        {
            subnet.gateways.insert((gateway.addr(), pool.sub_pool));
        }
        let (leases, gateways) = (BTreeSet::new(), BTreeSet::new());
        let held = Held { pool: pool.clone(), holds: 1, claimed: None, leases, gateways };
        self.pools.insert(pool.pool_id.clone(), held);
    }

    fn remove(&mut self, pool_id: &PoolId) {
        let Some(Held { pool, leases, .. }) = self.pools.remove(pool_id) else { return };
        let Some(space) = self.spaces.get_mut(&pool.address_space) else { return };
        if let Some(subnet) = space.subnet_mut(&pool.prefix) {
            leases.iter().for_each(|address| drop(subnet.leases.remove(address)));
            if let Some(gateway) = pool.gateway() {
                subnet.gateways.remove(&(gateway.addr(), pool.sub_pool));
            }
        }
        if !pool.is_no_pool() {
            space.remove_pool(&pool.prefix, &pool.sub_pool);
        }
        if space.is_empty() {
            self.spaces.remove(&pool.address_space);
        }
    }

    /// Whether there is a pool that it can be of.
    fn lease_out(&mut self, lease: &Arc<Lease>, claimed: Claimed) -> bool {
        self.advance_to(lease.generation);
        // Each is looked up once: a start does this for all that is held.
        let Some(held) = self.pools.get_mut(&lease.pool_id) else { return false };
        let space = self.spaces.get_mut(&held.pool.address_space);
        let Some(subnet) = space.and_then(|space| space.subnet_mut(&held.pool.prefix)) else {
            return false;
        };
        subnet.leases.insert(lease.ip(), Leased { lease: lease.clone(), claimed });
        held.leases.insert(lease.ip());
        if lease.is_gateway() {
            held.gateways.insert(lease.ip());
        }
        true
    }

    fn subnet_of(&mut self, pool: &Pool) -> Option<&mut Subnet> {
        self.spaces.get_mut(&pool.address_space)?.subnet_mut(&pool.prefix)
    }

    fn subnet_mut(&mut self, pool_id: &PoolId) -> Option<&mut Subnet> {
        let pool = &self.pools.get(pool_id)?.pool;
        self.spaces.get_mut(&pool.address_space)?.subnet_mut(&pool.prefix)
    }

    pub(crate) fn held(&self, pool_id: &PoolId) -> Option<&Held> {
        self.pools.get(pool_id)
    }

    pub(crate) fn space(&self, name: &str) -> Option<&Space> {
        self.spaces.get(name)
    }

    pub(crate) fn leased(&self, pool: &Pool, address: IpAddr) -> Option<&Leased> {
        self.space(&pool.address_space)?.subnet(&pool.prefix)?.leases.get(&address)
    }
}
