//! The ledger as the dumbest thing that works: two lists, searched from end
//! to end.

use crate::Session;
use ipam_api::{
    AddressGrant, AddressRequest, Code, Family, IpNet, Kind, PoolChoice, PoolGrant, PoolId,
    PoolRequest, Receipt, Writes, names,
};
use std::net::IpAddr;

/// The space in which repeats may be claims.
pub(crate) const GLOBAL: &str = "global";

/// Pools with their holds, leases with their generations, and what the driver
/// has stored; sorted.
pub(crate) type Contents = (Vec<(PoolId, u64)>, Vec<(IpNet, u64)>, Vec<(String, Vec<u8>)>);

/// What became of a request.
#[derive(Debug, PartialEq)]
pub(crate) enum Outcome {
    Refused(Code),
    Violation,
    Granted,
    Released,
}

#[derive(Debug, Clone)]
struct ModelPool {
    id: PoolId,
    space: String,
    prefix: IpNet,
    sub_pool: Option<IpNet>,
    is_no_pool: bool,
    is_explicit: bool,
    names_its_gateway: bool,
    /// The address, if it is one.
    gateway: Option<IpAddr>,
    generation: u64,
    created_in: Option<Session>,
    /// Everybody but the first, with the generation and session of claims.
    others: Vec<Option<(u64, Session)>>,
    /// The claim that stands.
    claim: Option<(u64, Session)>,
}

#[derive(Debug, Clone)]
struct ModelLease {
    id: PoolId,
    space: String,
    address: IpNet,
    is_explicit: bool,
    is_gateway: bool,
    generation: u64,
    created_in: Option<Session>,
    claimed_in: Option<Session>,
}

/// What is held.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pools: Vec<ModelPool>,
    leases: Vec<ModelLease>,
    stored: Vec<(String, Vec<u8>)>,
    generation: u64,
}

fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}

impl Model {
    fn pool(&self, id: &PoolId) -> Option<&ModelPool> {
        self.pools.iter().find(|pool| pool.id == *id)
    }

    fn lease_at(&self, pool: &ModelPool, address: IpAddr) -> Option<usize> {
        let key = (&pool.space, pool.prefix, address);
        self.leases
            .iter()
            .position(|lease| (&lease.space, lease.address.trunc(), lease.address.addr()) == key)
    }

    /// Whether another pool of the same prefix than `own` has its gateway there.
    fn has_gateway(
        &self,
        space: &str,
        prefix: IpNet,
        address: IpAddr,
        own: Option<&PoolId>,
    ) -> bool {
        self.pools.iter().any(|pool| {
            (&*pool.space, pool.prefix, pool.gateway) == (space, prefix, Some(address))
                && own != Some(&pool.id)
        })
    }

    pub(crate) fn request_pool(
        &mut self,
        request: &PoolRequest,
        proposal: &PoolGrant,
        session: Option<Session>,
    ) -> Outcome {
        let space = &request.address_space;
        let is_exact = matches!(request.pool, PoolChoice::Exact(_));
        if let PoolChoice::Exact(prefix) = request.pool {
            let find = |space: &str| {
                self.pools.iter().position(|pool| {
                    !pool.is_no_pool
                        && (&*pool.space, pool.prefix, pool.sub_pool)
                            == (space, prefix, request.sub_pool)
                })
            };
            if let Some(at) = find(space) {
                let id = &self.pools[at].id;
                let is_of_a_node = find(GLOBAL).is_some()
                    && self.pools[at].is_explicit
                    && self.leases.iter().all(|lease| lease.id != *id || lease.is_explicit);
                let pool = &mut self.pools[at];
                let claims = session.filter(|_| space == GLOBAL || is_of_a_node);
                let Some(session) = claims.filter(|&session| {
                    pool.created_in != Some(session)
                        && pool.claim.map(|claim| claim.1) != Some(session)
                }) else {
                    return Outcome::Refused(Code::PoolOverlap);
                };
                self.generation += 1;
                pool.claim = Some((self.generation, session));
                pool.others.push(pool.claim);
                return Outcome::Granted;
            }
        }
        let is_no_pool = !is_exact && proposal.pool.prefix_len() == 0;
        let fits = match request.pool {
            PoolChoice::Exact(prefix) => proposal.pool == prefix,
            PoolChoice::Automatic(family) => Family::of(&proposal.pool) == family,
            PoolChoice::Sized(family, length) => {
                Family::of(&proposal.pool) == family && proposal.pool.prefix_len() == length
            }
        };
        if !fits || proposal.pool.trunc() != proposal.pool {
            return Outcome::Violation;
        }
        let named = proposal.data.get(names::GATEWAY).and_then(|text| text.parse().ok());
        let gateway = named.filter(|named: &IpNet| {
            named.prefix_len() > 0 || Family::of(named) != Family::of(&proposal.pool)
        });
        if let Some(gateway) = gateway {
            let key = (space, proposal.pool, gateway.addr());
            let is_leased = self
                .leases
                .iter()
                .any(|lease| (&lease.space, lease.address.trunc(), lease.address.addr()) == key);
            if is_no_pool
                || gateway.trunc() != proposal.pool
                || is_leased
                || self.has_gateway(space, proposal.pool, gateway.addr(), None)
            {
                return Outcome::Violation;
            }
        }
        if let Some(pool) = self.pools.iter_mut().find(|pool| pool.id == proposal.pool_id) {
            if pool.is_no_pool && is_no_pool && (&pool.space, pool.prefix) == (space, proposal.pool)
            {
                pool.others.push(None);
                return Outcome::Granted;
            }
            return Outcome::Violation;
        }
        let collides = |pool: &ModelPool| {
            !pool.is_no_pool && pool.space == *space && overlap(&pool.prefix, &proposal.pool)
        };
        if !is_exact && !is_no_pool && self.pools.iter().any(collides) {
            return Outcome::Violation;
        }
        self.generation += 1;
        self.pools.push(ModelPool {
            id: proposal.pool_id.clone(),
            space: space.clone(),
            prefix: proposal.pool,
            sub_pool: request.sub_pool,
            is_no_pool,
            is_explicit: is_exact,
            names_its_gateway: proposal.data.contains_key(names::GATEWAY),
            gateway: gateway.map(|gateway| gateway.addr()),
            generation: self.generation,
            created_in: session,
            others: Vec::new(),
            claim: None,
        });
        Outcome::Granted
    }

    pub(crate) fn request_address(
        &mut self,
        request: &AddressRequest,
        proposal: &AddressGrant,
        session: Option<Session>,
    ) -> Outcome {
        let Some(pool) = self.pool(&request.pool_id).cloned() else {
            return Outcome::Refused(Code::Other(Kind::NotFound));
        };
        if let Some(address) = request.address {
            if !pool.prefix.contains(&address) {
                return Outcome::Refused(Code::IpOutOfRange);
            }
            if let Some(at) = self.lease_at(&pool, address) {
                let lease = &mut self.leases[at];
                let is_serial = request.options.get(names::ALLOC_SERIAL_PREFIX).map(String::as_str)
                    == Some("true");
                let claims = session.filter(|&session| {
                    let may_claim = if pool.space == GLOBAL {
                        is_serial
                            && lease.created_in != Some(session)
                            && lease.claimed_in != Some(session)
                    } else {
                        pool.claim.is_some_and(|(generation, claimed_in)| {
                            lease.generation < generation && lease.claimed_in < Some(claimed_in)
                        })
                    };
                    may_claim && lease.id == request.pool_id
                });
                let Some(session) = claims else {
                    return Outcome::Refused(Code::IpAlreadyAllocated);
                };
                lease.claimed_in = Some(session);
                return Outcome::Granted;
            }
        }
        let is_typed = request.options.get(names::REQUEST_ADDRESS_TYPE).map(String::as_str)
            == Some(names::GATEWAY);
        let own = (is_typed && request.address.is_some()).then_some(&request.pool_id);
        if let Some(address) = request.address
            && self.has_gateway(&pool.space, pool.prefix, address, own)
        {
            return Outcome::Refused(Code::IpAlreadyAllocated);
        }
        let Some(proposed) = proposal.address else {
            let is_fine = request.address.is_none() || pool.is_no_pool;
            return if is_fine { Outcome::Granted } else { Outcome::Violation };
        };
        let fits = !pool.is_no_pool
            && pool.prefix.contains(&proposed.addr())
            && proposed.prefix_len() == pool.prefix.prefix_len()
            && match (request.address, pool.sub_pool) {
                (Some(asked), _) => asked == proposed.addr(),
                (None, Some(sub_pool)) => sub_pool.contains(&proposed.addr()),
                (None, None) => true,
            }
            && self.lease_at(&pool, proposed.addr()).is_none()
            && !self.has_gateway(&pool.space, pool.prefix, proposed.addr(), own);
        if !fits {
            return Outcome::Violation;
        }
        self.generation += 1;
        self.leases.push(ModelLease {
            id: request.pool_id.clone(),
            space: pool.space,
            address: proposed,
            is_explicit: request.address.is_some(),
            is_gateway: is_typed,
            generation: self.generation,
            created_in: session,
            claimed_in: None,
        });
        Outcome::Granted
    }

    /// Drops one hold: that claim, or anybody's.
    fn drop_hold(&mut self, id: &PoolId, claim: Option<(u64, Session)>) {
        let Some(at) = self.pools.iter().position(|pool| pool.id == *id) else { return };
        let pool = &mut self.pools[at];
        if pool.others.pop().is_some() {
            if claim.is_some() {
                pool.claim = None;
            }
        } else {
            self.leases.retain(|lease| lease.id != *id);
            self.pools.remove(at);
        }
    }

    pub(crate) fn release_pool(&mut self, id: &PoolId, session: Option<Session>) -> Outcome {
        let Some(pool) = self.pool(id) else { return Outcome::Refused(Code::BadPool) };
        let claims = session.filter(|_| pool.space == GLOBAL);
        let claim = pool.claim.filter(|claim| Some(claim.1) == claims);
        let has_a_gateway = self
            .leases
            .iter()
            .any(|lease| lease.id == *id && (lease.is_gateway || pool.names_its_gateway));
        let is_shared = pool.is_no_pool || pool.space == GLOBAL && has_a_gateway;
        if !is_shared {
            self.pools
                .iter_mut()
                .filter(|pool| pool.id == *id)
                .for_each(|pool| pool.others.clear());
        }
        self.drop_hold(id, claim);
        Outcome::Released
    }

    pub(crate) fn release_address(&mut self, id: &PoolId, address: IpAddr) -> Outcome {
        let Some(pool) = self.pool(id) else {
            return Outcome::Refused(Code::Other(Kind::NotFound));
        };
        if !pool.prefix.contains(&address) {
            return Outcome::Refused(Code::IpOutOfRange);
        }
        if let Some(at) = self.lease_at(pool, address) {
            self.leases.remove(at);
        }
        Outcome::Released
    }

    pub(crate) fn undo(&mut self, receipt: &Receipt) {
        let Receipt { pool_id, address, generation } = receipt;
        if address.is_some() {
            self.leases.retain(|lease| lease.generation != *generation);
        } else if let Some(pool) = self.pool(pool_id) {
            let claim = pool.claim.filter(|claim| claim.0 == *generation);
            if claim.is_some() || pool.generation == *generation {
                self.drop_hold(pool_id, claim);
            }
        }
    }

    pub(crate) fn write(&mut self, writes: &Writes) {
        for (key, value) in writes {
            self.stored.retain(|(stored, _)| stored != key);
            self.stored.extend(value.clone().map(|value| (key.clone(), value)));
        }
    }

    pub(crate) fn contents(&self) -> Contents {
        let mut pools: Vec<_> =
            self.pools.iter().map(|pool| (pool.id.clone(), 1 + pool.others.len() as u64)).collect();
        let mut leases: Vec<_> =
            self.leases.iter().map(|lease| (lease.address, lease.generation)).collect();
        let mut stored = self.stored.clone();
        pools.sort();
        leases.sort();
        stored.sort();
        (pools, leases, stored)
    }
}
