//! The ledger decides about releases; drivers are told.

use crate::{
    Caller, Event, State,
    state::{Claim, Held},
};
use ipam_api::{Code, Error, PoolId, Receipt, names};
use std::net::IpAddr;

impl State {
    /// What the release of a pool changes, in order: a claim of the caller's
    /// session is taken back first, then one hold after another is dropped,
    /// and with the last one every lease under the id is released, and the
    /// pool.
    ///
    /// Holds alone would never come to an end: a manager claims its pool after
    /// each restart, which cannot be told from another network that wants the
    /// same, and releases it once, when the network is removed. What tells
    /// them apart then is the gateway: each network leases one for as long as
    /// it lives, and releases it right before the pool. So a pool whose
    /// gateways are all released has lost its last network and goes, whatever
    /// holds were counted, and with what else is leased: managers forget the
    /// addresses of tasks that end while their network is removed.
    ///
    /// In the local space nothing is shared: repeats there are of a node that
    /// had forgotten the pool.
    ///
    /// # Errors
    /// `bad-pool` for a pool that is not held, as the reference answers.
    pub fn release_pool(&self, pool_id: &PoolId, caller: &Caller<'_>) -> Result<Vec<Event>, Error> {
        let held = self.held(pool_id).ok_or(Code::BadPool)?;
        let session = caller.claims_in(&held.pool.address_space);
        let claim = held.claim.filter(|claim| Some(claim.session) == session);
        let is_shared = held.pool.is_no_pool()
            || self.is_of_a_manager(held, caller) && self.has_a_gateway(held);
        Ok(if is_shared { self.drop_hold(held, claim) } else { self.drop_pool(held) })
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
        match address {
            Some(address) => self
                .leased(&held.pool, *address)
                .filter(|leased| leased.lease.generation == *generation)
                .map(|leased| Event::AddressReleased(leased.lease.clone()))
                .into_iter()
                .collect(),
            None => {
                let claim = held.claim.filter(|claim| claim.generation == *generation);
                if claim.is_some() || held.pool.generation == *generation {
                    self.drop_hold(held, claim)
                } else {
                    Vec::new()
                }
            }
        }
    }

    /// What the release of just what was seen changes: nothing when that is
    /// gone, or was released and granted again, or when something under it was
    /// granted after the generation `as_of`. A pool goes with all its holds and
    /// leases.
    #[must_use]
    pub fn take_back(&self, receipt: &Receipt, as_of: u64) -> Vec<Event> {
        if receipt.address.is_some() {
            return self.undo(receipt);
        }
        let Some(held) = self.held(&receipt.pool_id) else { return Vec::new() };
        let is_as_seen =
            held.pool.generation == receipt.generation && self.newest(&receipt.pool_id) <= as_of;
        if is_as_seen { self.drop_pool(held) } else { Vec::new() }
    }

    /// The largest generation of a pool, of its claim, and of what is leased
    /// under its id; 0 if there is no such pool.
    #[must_use]
    pub fn newest(&self, pool_id: &PoolId) -> u64 {
        let Some(held) = self.held(pool_id) else { return 0 };
        let claim = held.claim.map(|claim| claim.generation);
        let leases = self.leases_of(pool_id).map(|lease| lease.generation);
        leases.chain(claim).fold(held.pool.generation, u64::max)
    }

    /// One hold less: of a claim, or of whoever came before. The last hold
    /// takes the pool with it.
    fn drop_hold(&self, held: &Held, claim: Option<Claim>) -> Vec<Event> {
        let pool_id = held.pool.pool_id.clone();
        if held.holds > 1 {
            let generation = claim.map_or(held.pool.generation, |claim| claim.generation);
            return vec![Event::HoldDropped { pool_id, generation, undoes_claim: claim.is_some() }];
        }
        self.drop_pool(held)
    }

    /// Whether a network is left that has its gateway there. Where the driver
    /// named the gateway with the pool nobody need have leased one, and
    /// whatever is leased may be of a network.
    fn has_a_gateway(&self, held: &Held) -> bool {
        let is_gateway = |&address| {
            self.leased(&held.pool, address).is_some_and(|leased| leased.lease.is_gateway())
        };
        if held.pool.data.contains_key(names::GATEWAY) {
            !held.leases.is_empty()
        } else {
            held.leases.iter().any(is_gateway)
        }
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
