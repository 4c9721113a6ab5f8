//! What the ledger decides before a driver is asked, and what it checks
//! before it believes the answer.

use crate::{
    Asked, Caller, Event, Lease, Pool, Session, State, Violation,
    space::Leased,
    state::{Claim, Held},
};
use ipam_api::{
    AddressGrant, AddressRequest, Code, Error, Family, IpNet, Kind, Options, PoolChoice, PoolGrant,
    PoolId, PoolRequest, names,
};
use std::{net::IpAddr, sync::Arc};

/// What becomes of a request that was not refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Course<G> {
    /// The driver is asked for a proposal.
    Ask,
    /// It claims what its caller held in an earlier session; the driver is
    /// not asked.
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
    /// 18.06; it may be a claim in the global space, and in the local one where
    /// a swarm's node asks. Pools that merely overlap are the driver's policy.
    ///
    /// # Errors
    /// `pool-overlap` for a repeat, `invalid-request` for options that only
    /// the host may use.
    pub fn before_pool(
        &self,
        request: &PoolRequest,
        caller: &Caller<'_>,
    ) -> Result<Course<PoolGrant>, Error> {
        refuse_reserved(&request.options)?;
        let PoolChoice::Exact(prefix) = request.pool else { return Ok(Course::Ask) };
        let Some(held) = self
            .space(&request.address_space)
            .and_then(|space| space.subnet(&prefix)?.pools.get(&request.sub_pool))
            .and_then(|pool_id| self.held(pool_id))
        else {
            return Ok(Course::Ask);
        };
        let claimed_in = held.claim.map(|claim| claim.session);
        let Some(session) = caller
            .session
            .filter(|_| self.is_of_a_manager(held, caller) || self.is_of_a_node(held, caller))
            .filter(|&session| is_claimable(session, held.pool.created_in, claimed_in))
        else {
            // The reference's words around its own error.
            let text = format!("invalid pool request: {}", Code::PoolOverlap.text());
            return Err(Error::new(Code::PoolOverlap, text));
        };
        let event = Event::PoolHeld {
            pool_id: held.pool.pool_id.clone(),
            generation: self.generation() + 1,
            claim: Some(session),
        };
        Ok(Course::Claim { event, grant: held.pool.grant() })
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
            created_in: caller.session,
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
    ) -> Result<Course<AddressGrant>, Error> {
        refuse_reserved(&request.options)?;
        let pool = self.known(&request.pool_id)?;
        let Some(address) = request.address else { return Ok(Course::Ask) };
        if !pool.prefix.contains(&address) {
            return Err(Code::IpOutOfRange.into());
        }
        let Some(leased) = self.leased(pool, address) else {
            self.refuse_gateway(pool, request, address)?;
            return Ok(Course::Ask);
        };
        let lease = &leased.lease;
        // Swarm's managers always ask for serial allocation and nobody else
        // does: it is the only sign by which they are known.
        let is_manager =
            request.options.get(names::ALLOC_SERIAL_PREFIX).is_some_and(|it| it == "true");
        let held = self.held(&request.pool_id).filter(|_| lease.pool_id == request.pool_id);
        let session = caller.session.filter(|&session| {
            held.is_some_and(|held| {
                if self.is_of_a_manager(held, caller) {
                    is_manager && is_claimable(session, lease.created_in, leased.claimed_in)
                } else {
                    is_left_behind(leased, held)
                }
            })
        });
        let Some(session) = session else { return Err(Code::IpAlreadyAllocated.into()) };
        let pool_id = request.pool_id.clone();
        Ok(Course::Claim {
            event: Event::AddressClaimed { pool_id, address, session },
            grant: lease.grant(),
        })
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
        let Some(pool) = self.pool(&request.pool_id) else { return Ok(None) };
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
            created_in: caller.session,
            granted: caller.cause,
        }))))
    }

    /// Whether the pool is of the space in which swarm's managers ask.
    pub(crate) fn is_of_a_manager(&self, held: &Held, caller: &Caller<'_>) -> bool {
        caller.global_space == Some(&held.pool.address_space)
    }

    /// Whether the pool is a node's part of a swarm's network, as far as can be
    /// told: the manager beside it holds the same pool in the global space, and
    /// everything in it was asked for by name. Of a network of the node's own
    /// at least the gateway is the driver's choice, unless its user chose all
    /// of that too.
    ///
    /// A node keeps such networks in memory only. When its engine is killed,
    /// and with Docker 20.10 when it is stopped, nothing is released, and the
    /// same pool is asked for again: to refuse that keeps a service's tasks
    /// from ever starting again.
    fn is_of_a_node(&self, held: &Held, caller: &Caller<'_>) -> bool {
        let Pool { prefix, sub_pool, .. } = &*held.pool;
        let is_managed = caller
            .global_space
            .and_then(|global| self.space(global)?.subnet(prefix)?.pools.get(sub_pool))
            .is_some();
        let is_named = |&address| {
            let leased = self.leased(&held.pool, address);
            leased.is_some_and(|leased| leased.lease.asked == Asked::Explicit)
        };
        is_managed && held.pool.asked == Asked::Explicit && held.leases.iter().all(is_named)
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
        if pool.prefix.contains(&address) {
            Ok(self.leased(pool, address).map(|leased| &leased.lease))
        } else {
            Err(Code::IpOutOfRange.into())
        }
    }
}

/// A repeat is a claim once per session, and never in the session that asked
/// first.
fn is_claimable(now: Session, created_in: Option<Session>, claimed_in: Option<Session>) -> bool {
    created_in != Some(now) && claimed_in != Some(now)
}

/// Whether a lease of a node's pool is older than the node's last coming back,
/// and was not asked for since. Nothing lives there: swarm excludes engines
/// whose containers outlive them.
fn is_left_behind(leased: &Leased, held: &Held) -> bool {
    held.claim.is_some_and(|claim| {
        is_older(&leased.lease, claim) && leased.claimed_in < Some(claim.session)
    })
}

/// No generation is granted twice, so a lease never has that of a claim.
fn is_older(lease: &Lease, claim: Claim) -> bool {
    lease.generation < claim.generation
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
