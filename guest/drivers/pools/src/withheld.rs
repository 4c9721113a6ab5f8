//! Pools that withhold some of their free addresses: a request for any address gets
//! one that is not withheld, while there is one.
//!
//! In: which addresses are withheld, each with a moment. Out: leases, and the address
//! that was withheld first, of all or of those that a request may get.
//!
//! To the allocator an address that is withheld is leased, so that a search steps over
//! whole runs of them. What is withheld outlives its pool: it is kept for when that
//! prefix is granted again, and only then costs as much as there is of it. All else
//! costs what one address costs.

use crate::{Location, Pools};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::ToString;
use core::net::IpAddr;
use ipam_allocator::{Ages, Family, PoolName, reserved};
use ipam_driver::{Code, Error, IpNet, PoolGrant, PoolRequest, SubnetStatus};

/// [`Pools`] of which some free addresses are withheld.
#[derive(Debug)]
pub struct Withheld {
    pools: Pools,
    /// What is withheld of each pool, held or not.
    ages: BTreeMap<PoolName, Ages>,
    /// The same, in order of moments.
    order: BTreeSet<(u64, Location)>,
    /// Pools that are held: the allocator has what is withheld of them.
    held: BTreeSet<PoolName>,
}

#[expect(clippy::missing_errors_doc, reason = "the allocator's, by the contract's names")]
impl Withheld {
    /// These pools, none of whose addresses is withheld.
    #[must_use]
    pub fn new(pools: Pools) -> Self {
        Self { pools, ages: BTreeMap::new(), order: BTreeSet::new(), held: BTreeSet::new() }
    }

    /// Withholds an address of a pool that is not held, as it was when the driver
    /// stored it. `false` if there can be no such address.
    pub fn restore(&mut self, location: Location, moment: u64) -> bool {
        let (pool, address) = location;
        let is_one = pool == pool.parent()
            && pool.pool == pool.pool.trunc()
            && pool.pool.contains(&address)
            && !reserved(pool.pool).contains(&address)
            && !self.held.contains(&pool);
        if is_one {
            self.put(location, moment);
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

    /// Forgets a pool, but not what is withheld of it.
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

    /// Whether an address is withheld.
    #[must_use]
    pub fn is_withheld(&self, (pool, address): Location) -> bool {
        self.ages.get(&pool).is_some_and(|ages| ages.get(address).is_some())
    }

    /// How many addresses are withheld.
    #[must_use]
    pub fn total(&self) -> usize {
        self.order.len()
    }

    /// The address that was withheld first of all.
    #[must_use]
    pub fn oldest(&self) -> Option<(u64, Location)> {
        self.order.first().copied()
    }

    /// The address that was withheld first of those that a request without a name may
    /// get.
    #[must_use]
    pub fn oldest_in(&self, pool: PoolName) -> Option<(u64, IpAddr)> {
        self.ages.get(&pool.parent())?.oldest(pool.range())
    }

    /// Leases an address, also one that is withheld, or any that is not.
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

    /// Frees a lease, and withholds its address if there is a moment for that. One
    /// that is withheld already stays as it is.
    pub fn release_address(
        &mut self,
        pool_id: &str,
        address: IpAddr,
        moment: Option<u64>,
    ) -> Result<(), Error> {
        let location = (self.pools.name(pool_id)?.parent(), address);
        if self.is_withheld(location) {
            return Ok(());
        }
        self.pools.release_address(pool_id, address)?;
        if let Some(moment) = moment
            && self.pools.request_address(pool_id, Some(address), false).is_ok()
        {
            self.put(location, moment);
        }
        Ok(())
    }

    /// Ends the withholding of an address: it is free.
    pub fn free(&mut self, location: Location) {
        let (pool, address) = location;
        if self.drop_out(location).is_some() && self.held.contains(&pool) {
            let released = self.pools.release_address(&pool.to_string(), address);
            debug_assert!(released.is_ok(), "{released:?}");
        }
    }

    /// How full a pool is: what is withheld is free.
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

    fn put(&mut self, location: Location, moment: u64) {
        let (pool, address) = location;
        let ages = self.ages.entry(pool).or_insert_with(|| Ages::new(Family::of(&pool.pool)));
        if let Some(before) = ages.insert(address, moment) {
            self.order.remove(&(before, location));
        }
        self.order.insert((moment, location));
    }

    /// Takes an address out of what is withheld, and nothing else.
    fn drop_out(&mut self, location: Location) -> Option<u64> {
        let (pool, address) = location;
        let ages = self.ages.get_mut(&pool)?;
        let moment = ages.remove(address)?;
        if ages.is_empty() {
            self.ages.remove(&pool);
        }
        self.order.remove(&(moment, location));
        Some(moment)
    }
}

#[cfg(test)]
mod tests;
