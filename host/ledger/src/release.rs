//! The ledger decides about releases; drivers are told.

use crate::{Caller, Event, State, state::Held};
use ipam_api::{Code, Error, PoolId, Receipt, names};
use std::net::IpAddr;

impl State {
    /// What the release of a pool changes, in order: every lease under the id
    /// is released, and the pool.
    ///
    /// In the global space several networks may have one pool, and a manager
    /// asks for each again whenever it begins to lead, and releases it once.
    /// What tells how many are left is the gateway: each network leases one
    /// for as long as it lives, and releases it right before the pool. So a
    /// pool that was claimed stays as long as a gateway is leased, and goes
    /// without one, with what else is leased: managers forget the addresses of
    /// tasks that end while their network is removed. One that was never
    /// claimed is of one network, and goes with it.
    ///
    /// A "no pool" is counted: whoever got it releases it once.
    ///
    /// # Errors
    /// `bad-pool` for a pool that is not held, as the reference answers.
    pub fn release_pool(&self, pool_id: &PoolId, caller: &Caller<'_>) -> Result<Vec<Event>, Error> {
        let held = self.held(pool_id).ok_or_else(|| Error::as_the_engine(Code::BadPool))?;
        let may_be_shared = caller.is_global(&held.pool.address_space) && held.claimed.is_some();
        let stays = may_be_shared && self.has_a_gateway(held);
        Ok(if stays { Vec::new() } else { self.drop_hold(held) })
    }

    /// What the release of an address changes: nothing if it is not held. The
    /// lease is found under any id that shares the pool's prefix.
    ///
    /// # Errors
    /// The reference's: `other(not-found)` for a pool that is not held,
    /// `ip-out-of-range` for an address outside it.
    pub fn release_address(
        &self,
        pool_id: &PoolId,
        address: IpAddr,
    ) -> Result<Option<Event>, Error> {
        let lease = self.find_lease(pool_id, address)?;
        Ok(lease.map(|lease| Event::AddressReleased(lease.clone())))
    }

    /// What taking back one answer changes: nothing when what it had created
    /// is gone, or was released and granted again.
    #[must_use]
    pub fn undo(&self, receipt: &Receipt) -> Vec<Event> {
        let Receipt { pool_id, address, generation } = receipt;
        let Some(held) = self.held(pool_id) else { return Vec::new() };
        let (claimed, released) = match *address {
            Some(address) => match self.leased(&held.pool, address) {
                Some(leased) if leased.lease.generation == *generation => {
                    (leased.claimed, vec![Event::AddressReleased(leased.lease.clone())])
                }
                Some(_) | None => return Vec::new(),
            },
            None if held.pool.generation == *generation => (held.claimed, self.drop_hold(held)),
            None => return Vec::new(),
        };
        let (pool_id, address, generation) = (pool_id.clone(), *address, *generation);
        match claimed {
            Some(before) => vec![Event::Unclaimed { pool_id, address, generation, before }],
            None => released,
        }
    }

    /// What the release of just what was seen changes: nothing when that is
    /// gone, or was released and granted again, or when something under it was
    /// granted after the generation `as_of`. A pool goes with all its holds and
    /// leases.
    #[must_use]
    pub fn take_back(&self, receipt: &Receipt, as_of: u64) -> Vec<Event> {
        let Some(held) = self.held(&receipt.pool_id) else { return Vec::new() };
        if let Some(address) = receipt.address {
            let leased = self.leased(&held.pool, address).map(|leased| leased.lease.clone());
            let as_seen = leased.filter(|lease| lease.generation == receipt.generation);
            return as_seen.map(Event::AddressReleased).into_iter().collect();
        }
        let is_as_seen =
            held.pool.generation == receipt.generation && self.newest(&receipt.pool_id) <= as_of;
        if is_as_seen { self.drop_pool(held) } else { Vec::new() }
    }

    /// The largest generation of a pool and of what is leased under its id; 0
    /// if there is no such pool.
    #[must_use]
    pub fn newest(&self, pool_id: &PoolId) -> u64 {
        let leases = self.leases_of(pool_id).map(|lease| lease.generation);
        leases.chain(self.pool(pool_id).map(|pool| pool.generation)).max().unwrap_or_default()
    }

    /// One hold less. The last takes the pool with it.
    fn drop_hold(&self, held: &Held) -> Vec<Event> {
        if held.holds > 1 {
            let (pool_id, generation) = (held.pool.pool_id.clone(), held.pool.generation);
            return vec![Event::HoldDropped { pool_id, generation, undoes_claim: false }];
        }
        self.drop_pool(held)
    }

    /// Whether a network is left that has its gateway there. Where the driver
    /// named the gateway with the pool nobody need have leased one, and
    /// whatever is leased may be of a network.
    fn has_a_gateway(&self, held: &Held) -> bool {
        let is_named = held.pool.data.contains_key(names::GATEWAY);
        let left = if is_named { &held.leases } else { &held.gateways };
        !left.is_empty()
    }

    /// All leases under the id, and the pool.
    fn drop_pool(&self, held: &Held) -> Vec<Event> {
        let leases = held.leases.iter().filter_map(|&address| {
            Some(Event::AddressReleased(self.leased(&held.pool, address)?.lease.clone()))
        });
        let mut events: Vec<Event> = leases.collect();
        events.push(Event::PoolReleased(held.pool.clone()));
        events
    }
}
