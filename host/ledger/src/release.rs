//! The ledger decides about releases; drivers are told.

use crate::{
    Caller, Event, State,
    state::{Claim, Held},
};
use ipam_api::{Code, Error, PoolId, Receipt};
use std::net::IpAddr;

impl State {
    /// What the release of a pool changes, in order: a claim of the caller's
    /// session is taken back first, then one hold after another is dropped,
    /// and with the last one every lease under the id is released, and the
    /// pool.
    ///
    /// # Errors
    /// `bad-pool` for a pool that is not held, as the reference answers.
    pub fn release_pool(&self, pool_id: &PoolId, caller: &Caller<'_>) -> Result<Vec<Event>, Error> {
        let held = self.held(pool_id).ok_or(Code::BadPool)?;
        let session = caller.claims_in(&held.pool.address_space);
        let claim = held.claim.filter(|claim| Some(claim.session) == session);
        Ok(self.drop_hold(held, claim))
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

    /// One hold less: of a claim, or of whoever came before. The last hold
    /// takes the pool with it.
    fn drop_hold(&self, held: &Held, claim: Option<Claim>) -> Vec<Event> {
        let pool_id = held.pool.pool_id.clone();
        if held.holds > 1 {
            let generation = claim.map_or(held.pool.generation, |claim| claim.generation);
            return vec![Event::HoldDropped { pool_id, generation, undoes_claim: claim.is_some() }];
        }
        let leases = held.leases.iter().filter_map(|&address| {
            Some(Event::AddressReleased(self.leased(&held.pool, address)?.lease.clone()))
        });
        let mut events: Vec<Event> = leases.collect();
        events.push(Event::PoolReleased(held.pool.clone()));
        events
    }
}
