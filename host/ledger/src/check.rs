//! What the ledger decides before a driver is asked, and what it checks
//! before it believes the answer.

use crate::{Asked, Caller, Event, Lease, Pool, State, Violation};
use ipam_api::{
    AddressGrant, AddressRequest, Code, Error, Family, IpNet, Kind, Options, PoolChoice, PoolGrant,
    PoolId, PoolRequest, names,
};
use std::{net::IpAddr, sync::Arc};

/// What becomes of a request that was not refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision<G> {
    /// The driver is asked for a proposal.
    Ask,
    /// It claims what its caller may have forgotten; the driver is not asked.
    Claim {
        /// What changes.
        event: Event,
        /// The answer.
        grant: G,
    },
}

impl State {
    /// Decides about a request for a pool before its driver is asked.
    ///
    /// A repeated exact pool, the same space, prefix and sub-pool, is known
    /// here and refused here, as libnetwork's allocator does since Docker
    /// 18.06, unless it is a claim. Pools that merely overlap are the
    /// policy of the driver, or of the service where there is a system of record.
    ///
    /// # Errors
    /// `pool-overlap` for a repeat, `invalid-request` for options that only
    /// the host may use.
    pub fn before_pool(
        &self,
        request: &PoolRequest,
        caller: &Caller<'_>,
    ) -> Result<Decision<PoolGrant>, Error> {
        refuse_reserved(&request.options)?;
        let PoolChoice::Exact(prefix) = request.pool else { return Ok(Decision::Ask) };
        let Some(held) = self
            .space(&request.address_space)
            .and_then(|space| space.subnet(&prefix)?.pools.get(&request.sub_pool))
            .and_then(|pool_id| self.held(pool_id))
        else {
            return Ok(Decision::Ask);
        };
        if !self.may_claim_pool(held, caller) {
            // The reference's words around its own error.
            let text = format!("invalid pool request: {}", Code::PoolOverlap.text());
            return Err(Error::new(Code::PoolOverlap, text));
        }
        let claimed = Pool {
            options: request.options.clone(),
            generation: self.generation() + 1,
            granted: caller.cause,
            ..(*held.pool).clone()
        };
        let (pool, before) = (Arc::new(claimed), held.pool.generation);
        Ok(Decision::Claim { grant: pool.grant(), event: Event::PoolClaimed { pool, before } })
    }

    /// Checks the answer to a request that [`State::before_pool`] let through.
    ///
    /// # Errors
    /// How the proposal breaks the contract.
    pub fn check_pool(
        &self,
        request: &PoolRequest,
        proposal: &PoolGrant,
        caller: &Caller<'_>,
    ) -> Result<Event, Violation> {
        let proposed = proposal.pool;
        if proposed != proposed.trunc() {
            return Err(Violation::HostBits { proposed });
        }
        let is_no_pool = match request.pool {
            PoolChoice::Exact(asked) if asked != proposed => {
                return Err(Violation::NotThePool { asked, proposed });
            }
            PoolChoice::Exact(_) => false,
            PoolChoice::Automatic(family) | PoolChoice::Sized(family, _)
                if family != Family::of(&proposed) =>
            {
                return Err(Violation::PoolFamily { proposed });
            }
            PoolChoice::Sized(_, asked) if asked != proposed.prefix_len() => {
                return Err(Violation::PoolLength { asked, proposed });
            }
            PoolChoice::Automatic(_) | PoolChoice::Sized(..) => proposed.prefix_len() == 0,
        };
        let asked = match request.pool {
            PoolChoice::Exact(_) => Asked::Explicit,
            PoolChoice::Automatic(_) | PoolChoice::Sized(..) => Asked::Automatic,
        };
        let pool = Pool {
            pool_id: proposal.pool_id.clone(),
            address_space: request.address_space.clone(),
            prefix: proposed,
            sub_pool: request.sub_pool,
            asked,
            options: request.options.clone(),
            data: proposal.data.clone(),
            generation: self.generation() + 1,
            created_in: None,
            granted: caller.cause,
        };
        pool.check_gateway()?;
        if let Some(held) = self.held(&pool.pool_id) {
            // An id that is held can come back only as the same "no pool":
            // every other repeat was decided before the driver was asked.
            let same = held.pool.is_no_pool()
                && is_no_pool
                && (&held.pool.address_space, held.pool.prefix)
                    == (&pool.address_space, pool.prefix);
            return if same {
                let generation = held.pool.generation;
                Ok(Event::PoolHeld { pool_id: pool.pool_id, generation, claim: None })
            } else {
                Err(Violation::PoolIdTaken {
                    means: meaning(&held.pool),
                    proposed: meaning(&pool),
                    pool_id: pool.pool_id,
                })
            };
        }
        if asked == Asked::Automatic
            && !is_no_pool
            && let Some(live) =
                self.space(&pool.address_space).and_then(|space| space.overlap(&proposed))
        {
            return Err(Violation::PoolOverlap { proposed, live });
        }
        self.check_gateway_is_free(&pool)?;
        Ok(Event::PoolGranted(Arc::new(pool)))
    }

    /// Decides about a request for an address before its driver is asked.
    ///
    /// # Errors
    /// `other(not-found)` for a pool that is not held, `ip-out-of-range` for an
    /// address that is not of it, `ip-already-allocated` for one that is
    /// leased or a gateway, `invalid-request` for options that only the host may use.
    pub fn before_address(
        &self,
        request: &AddressRequest,
        caller: &Caller<'_>,
    ) -> Result<Decision<AddressGrant>, Error> {
        refuse_reserved(&request.options)?;
        let pool = self.known(&request.pool_id)?;
        let Some(address) = request.address else { return Ok(Decision::Ask) };
        if !pool.prefix.contains(&address) && !pool.is_no_pool() {
            return Err(Error::as_the_engine(Code::IpOutOfRange));
        }
        let Some(leased) = self.leased(pool, address) else {
            self.refuse_gateway(pool, request, address)?;
            return Ok(Decision::Ask);
        };
        let held = self.held(&request.pool_id);
        if !held.is_some_and(|held| self.may_claim_address(held, leased, request, caller)) {
            return Err(Code::IpAlreadyAllocated.into());
        }
        let claimed = Lease {
            options: request.options.clone(),
            generation: self.generation() + 1,
            granted: caller.cause,
            ..(*leased.lease).clone()
        };
        let (lease, before) = (Arc::new(claimed), leased.lease.generation);
        Ok(Decision::Claim { grant: lease.grant(), event: Event::LeaseClaimed { lease, before } })
    }

    /// Checks the answer to a request that [`State::before_address`] let
    /// through. Nothing changes when the driver gave no address.
    ///
    /// # Errors
    /// How the proposal breaks the contract.
    pub fn check_address(
        &self,
        request: &AddressRequest,
        proposal: &AddressGrant,
        caller: &Caller<'_>,
    ) -> Result<Option<Event>, Violation> {
        let Some(pool) = self.pool(&request.pool_id) else {
            let leases_nothing = |proposed| Violation::LeaseOfNoPool { proposed };
            return proposal.address.map(leases_nothing).map_or(Ok(None), Err);
        };
        let Some(proposed) = proposal.address else {
            return match request.address {
                Some(asked) if !pool.is_no_pool() => {
                    Err(Violation::NotTheAddress { asked, proposed: None })
                }
                _ => Ok(None),
            };
        };
        if pool.is_no_pool() {
            return Err(Violation::LeaseOfNoPool { proposed });
        }
        if let Some(asked) = request.address.filter(|&asked| asked != proposed.addr()) {
            return Err(Violation::NotTheAddress { asked, proposed: Some(proposed) });
        }
        if !pool.prefix.contains(&proposed.addr()) {
            return Err(Violation::OutsidePool { proposed, pool: pool.prefix });
        }
        if proposed.prefix_len() != pool.prefix.prefix_len() {
            return Err(Violation::AddressLength { proposed, pool: pool.prefix });
        }
        if let (None, Some(sub_pool)) = (request.address, pool.sub_pool)
            && !sub_pool.contains(&proposed.addr())
        {
            return Err(Violation::OutsideSubPool { proposed, sub_pool });
        }
        if self.leased(pool, proposed.addr()).is_some() {
            return Err(Violation::AlreadyLeased { proposed });
        }
        if !self.may_lease(pool, request, proposed.addr()) {
            return Err(Violation::LeaseOfGateway { proposed });
        }
        Ok(Some(Event::AddressLeased(Arc::new(Lease {
            pool_id: request.pool_id.clone(),
            address: proposed,
            asked: if request.address.is_some() { Asked::Explicit } else { Asked::Automatic },
            options: request.options.clone(),
            data: proposal.data.clone(),
            generation: self.generation() + 1,
            created_in: None,
            granted: caller.cause,
        }))))
    }

    /// The pool of that id.
    ///
    /// # Errors
    /// The reference's error for an id that it does not know.
    pub fn known(&self, pool_id: &PoolId) -> Result<&Arc<Pool>, Error> {
        self.pool(pool_id).ok_or_else(|| {
            let text = format!("cannot find address pool for poolID:{pool_id}");
            Error::other(Kind::NotFound, text)
        })
    }

    /// Whether the pool, or one that shares its prefix, leases that address.
    ///
    /// # Errors
    /// As [`State::known`], and `ip-out-of-range` for an address outside it.
    pub(crate) fn find_lease(
        &self,
        pool_id: &PoolId,
        address: IpAddr,
    ) -> Result<Option<&Arc<Lease>>, Error> {
        let pool = self.known(pool_id)?;
        if pool.prefix.contains(&address) || pool.is_no_pool() {
            Ok(self.leased(pool, address).map(|leased| &leased.lease))
        } else {
            Err(Error::as_the_engine(Code::IpOutOfRange))
        }
    }
}

/// A caller that could say "this is a replay" could make a driver answer what
/// it would have refused.
fn refuse_reserved(options: &Options) -> Result<(), Error> {
    if options.contains_key(names::REPLAY) {
        let text = format!("the option {} is the host's own", names::REPLAY);
        return Err(Error::new(Code::InvalidRequest, text));
    }
    Ok(())
}

/// What a pool id stands for, in words.
fn meaning(pool: &Pool) -> String {
    let Pool { address_space, prefix, sub_pool, .. } = pool;
    let within = sub_pool.map_or_else(String::new, |sub_pool: IpNet| format!(", {sub_pool} of it"));
    format!("{prefix} of {address_space:?}{within}")
}
