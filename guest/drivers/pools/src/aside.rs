//! Pools of which some free addresses are set aside: whoever wants any address gets
//! another one while there is another.
//!
//! In: which addresses are set aside, each with a moment. Out: leases, and the address
//! that was set aside first, of all or of those that a request may get.
//!
//! To the allocator an address that is set aside is leased, so that a search steps over
//! whole runs of them. What is set aside outlives its pool: it is kept for when that
//! prefix is granted again, and only then costs as much as there is of it. All else
//! costs what one address costs.

use crate::{Place, Pools};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::ToString;
use core::net::IpAddr;
use ipam_allocator::{Ages, Family, PoolName, reserved};
use ipam_driver::{Code, Error, IpNet, PoolGrant, PoolRequest, SubnetStatus};

/// [`Pools`] with addresses set aside.
#[derive(Debug)]
pub struct Aside {
    pools: Pools,
    /// What is set aside of each pool, held or not.
    ages: BTreeMap<PoolName, Ages>,
    /// The same, in order of moments.
    order: BTreeSet<(u64, Place)>,
    /// Pools that are held: the allocator has what is set aside of them.
    held: BTreeSet<PoolName>,
}

#[expect(clippy::missing_errors_doc, reason = "the allocator's, by the contract's names")]
impl Aside {
    /// These pools, with nothing set aside.
    #[must_use]
    pub fn new(pools: Pools) -> Self {
        Self { pools, ages: BTreeMap::new(), order: BTreeSet::new(), held: BTreeSet::new() }
    }

    /// Sets an address aside of a pool that is not held, as it was when the driver
    /// stored it. `false` if there can be no such address.
    pub fn restore(&mut self, place: Place, moment: u64) -> bool {
        let (pool, address) = place;
        let is_one = pool == pool.parent()
            && pool.pool == pool.pool.trunc()
            && pool.pool.contains(&address)
            && !reserved(pool.pool).contains(&address)
            && !self.held.contains(&pool);
        if is_one {
            self.put(place, moment);
        }
        is_one
    }

    /// Grants a pool.
    pub fn request_pool(&mut self, request: &PoolRequest) -> Result<PoolGrant, Error> {
        let grant = self.pools.request_pool(request)?;
        let pool = self.pools.name(&grant.pool_id)?.parent();
        if self.held.insert(pool) {
            let id = pool.to_string();
            let addresses = self.ages.get(&pool).map(Ages::addresses);
            for address in addresses.into_iter().flatten() {
                if self.pools.request_address(&id, Some(address), false).is_err() {
                    self.drop_out((pool, address));
                }
            }
        }
        Ok(grant)
    }

    /// Forgets a pool, but not what is set aside of it.
    pub fn release_pool(&mut self, pool_id: &str) -> Result<(), Error> {
        let pool = PoolName::parse(pool_id).map(PoolName::parent);
        self.pools.release_pool(pool_id)?;
        if let Ok(pool) = pool
            && self.pools.name(&pool.to_string()).is_err()
        {
            self.held.remove(&pool);
        }
        Ok(())
    }

    /// What an id names, if that is held.
    pub fn name(&mut self, pool_id: &str) -> Result<PoolName, Error> {
        self.pools.name(pool_id)
    }

    /// Whether an address is set aside.
    #[must_use]
    pub fn has(&self, (pool, address): Place) -> bool {
        self.ages.get(&pool).is_some_and(|ages| ages.get(address).is_some())
    }

    /// How many addresses are set aside.
    #[must_use]
    pub fn total(&self) -> usize {
        self.order.len()
    }

    /// The address that was set aside first of all.
    #[must_use]
    pub fn oldest(&self) -> Option<(u64, Place)> {
        self.order.first().copied()
    }

    /// The address that was set aside first of those that a request without a name may
    /// get.
    #[must_use]
    pub fn oldest_in(&self, pool: PoolName) -> Option<(u64, IpAddr)> {
        self.ages.get(&pool.parent())?.oldest(pool.range())
    }

    /// Leases an address, also one that is set aside, or any that is not.
    pub fn request_address(
        &mut self,
        pool_id: &str,
        address: Option<IpAddr>,
        is_serial: bool,
    ) -> Result<IpNet, Error> {
        let granted = self.pools.request_address(pool_id, address, is_serial);
        match (granted, address) {
            (Err(refusal), Some(address)) if refusal.code() == Code::IpAlreadyAllocated => {
                let pool = self.pools.name(pool_id)?.parent();
                // The allocator has it from before.
                self.drop_out((pool, address)).ok_or(refusal)?;
                IpNet::new(address, pool.pool.prefix_len()).map_err(|_| Code::IpOutOfRange.into())
            }
            (granted, _) => granted,
        }
    }

    /// Frees a lease, and sets its address aside if there is a moment for that. One
    /// that is set aside already stays as it is.
    pub fn release_address(
        &mut self,
        pool_id: &str,
        address: IpAddr,
        moment: Option<u64>,
    ) -> Result<(), Error> {
        let place = (self.pools.name(pool_id)?.parent(), address);
        if self.has(place) {
            return Ok(());
        }
        self.pools.release_address(pool_id, address)?;
        if let Some(moment) = moment
            && self.pools.request_address(pool_id, Some(address), false).is_ok()
        {
            self.put(place, moment);
        }
        Ok(())
    }

    /// Has an address set aside no longer: it is free.
    pub fn free(&mut self, place: Place) {
        let (pool, address) = place;
        if self.drop_out(place).is_some() && self.held.contains(&pool) {
            let released = self.pools.release_address(&pool.to_string(), address);
            debug_assert!(released.is_ok(), "{released:?}");
        }
    }

    /// How full a pool is: what is set aside is free.
    pub fn status(&self, pool_id: &str) -> Result<SubnetStatus, Error> {
        let mut status = self.pools.status(pool_id)?;
        if let Ok(name) = PoolName::parse(pool_id)
            && let Some(ages) = self.ages.get(&name.parent())
        {
            status.ips_in_use = status.ips_in_use.saturating_sub(ages.count(name.pool));
            let available = status.dynamic_ips_available;
            status.dynamic_ips_available = available.saturating_add(ages.count(name.range()));
        }
        Ok(status)
    }

    fn put(&mut self, place: Place, moment: u64) {
        let (pool, address) = place;
        let ages = self.ages.entry(pool).or_insert_with(|| Ages::new(Family::of(&pool.pool)));
        if let Some(before) = ages.insert(address, moment) {
            self.order.remove(&(before, place));
        }
        self.order.insert((moment, place));
    }

    /// Takes an address out of what is set aside, and nothing else.
    fn drop_out(&mut self, place: Place) -> Option<u64> {
        let (pool, address) = place;
        let ages = self.ages.get_mut(&pool)?;
        let moment = ages.remove(address)?;
        if ages.is_empty() {
            self.ages.remove(&pool);
        }
        self.order.remove(&(moment, place));
        Some(moment)
    }
}

#[cfg(test)]
mod tests;
