//! The ledger as the dumbest thing that works: two lists, searched from end
//! to end.

use ipam_api::{
    AddressGrant, AddressRequest, Code, Family, IpNet, Kind, PoolChoice, PoolGrant, PoolId,
    PoolRequest, Receipt, Writes, names,
};
use std::net::IpAddr;

/// The space in which repeats may be claims.
pub(crate) const GLOBAL: &str = "global";

/// Pools with their holds and generations, leases with their generations, and what the driver
/// has stored; sorted.
pub(crate) type Contents = (Vec<(PoolId, u64, u64)>, Vec<(IpNet, u64)>, Vec<(String, Vec<u8>)>);

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
    /// The generation before the last claim.
    before: Option<u64>,
    /// How many got this "no pool" beside the first.
    others: u64,
}

#[derive(Debug, Clone)]
struct ModelLease {
    id: PoolId,
    space: String,
    address: IpNet,
    is_explicit: bool,
    is_gateway: bool,
    generation: u64,
    /// The generation before the last claim.
    before: Option<u64>,
}

/// What is held.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pools: Vec<ModelPool>,
    leases: Vec<ModelLease>,
    stored: Vec<(String, Vec<u8>)>,
    generation: u64,
    /// The generation when the process began, and when an engine asked what is
    /// needed.
    loaded: u64,
    asked_at: Option<u64>,
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

    pub(crate) fn begin(&mut self, is_restart: bool) {
        self.asked_at = Some(self.generation);
        if is_restart {
            self.loaded = self.generation;
        }
    }

    /// Whether something of that generation was there before.
    fn is_old(&self, space: &str, generation: u64) -> bool {
        let of = if space == GLOBAL { self.asked_at } else { self.asked_at.map(|_| self.loaded) };
        of.is_some_and(|of| generation <= of)
    }

    pub(crate) fn request_pool(&mut self, request: &PoolRequest, proposal: &PoolGrant) -> Outcome {
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
                let pool = &self.pools[at];
                let leases = || self.leases.iter().filter(|lease| lease.id == pool.id);
                let may_claim = if space != GLOBAL {
                    pool.is_explicit
                        && self.is_old(space, pool.generation)
                        && leases().all(|lease| lease.is_explicit)
                } else if leases().any(|lease| lease.is_gateway) {
                    leases().any(|it| it.is_gateway && self.is_old(space, it.generation))
                } else {
                    self.is_old(space, pool.generation)
                };
                if !may_claim {
                    return Outcome::Refused(Code::PoolOverlap);
                }
                self.generation += 1;
                self.pools[at].before = Some(self.pools[at].generation);
                self.pools[at].generation = self.generation;
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
                pool.others += 1;
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
            before: None,
            others: 0,
        });
        Outcome::Granted
    }

    pub(crate) fn request_address(
        &mut self,
        request: &AddressRequest,
        proposal: &AddressGrant,
    ) -> Outcome {
        let Some(pool) = self.pool(&request.pool_id).cloned() else {
            return Outcome::Refused(Code::Other(Kind::NotFound));
        };
        if let Some(address) = request.address {
            if !pool.prefix.contains(&address) && !pool.is_no_pool {
                return Outcome::Refused(Code::IpOutOfRange);
            }
            if let Some(at) = self.lease_at(&pool, address) {
                let lease = &self.leases[at];
                let has = |key: &str| request.options.get(key).map(String::as_str);
                let is_gateway = has(names::REQUEST_ADDRESS_TYPE) == Some(names::GATEWAY);
                let is_old = |generation| self.is_old(&pool.space, generation);
                let mut gateways =
                    self.leases.iter().filter(|it| it.id == pool.id && it.is_gateway).peekable();
                let is_back = gateways.peek().is_none()
                    || gateways.any(|it| {
                        !is_old(it.generation) && (it.is_explicit || it.before.is_some())
                    });
                let is_managers = has(names::ALLOC_SERIAL_PREFIX) == Some("true");
                let may_claim = lease.id == pool.id
                    && lease.is_gateway == is_gateway
                    && is_old(lease.generation)
                    && !is_old(pool.generation)
                    && (pool.space != GLOBAL || is_managers && (is_gateway || is_back));
                if !may_claim {
                    return Outcome::Refused(Code::IpAlreadyAllocated);
                }
                self.generation += 1;
                self.leases[at].before = Some(self.leases[at].generation);
                self.leases[at].generation = self.generation;
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
            before: None,
        });
        Outcome::Granted
    }

    /// Drops one hold. The last takes the pool with it.
    fn drop_hold(&mut self, id: &PoolId) {
        let Some(at) = self.pools.iter().position(|pool| pool.id == *id) else { return };
        if self.pools[at].others > 0 {
            self.pools[at].others -= 1;
        } else {
            self.leases.retain(|lease| lease.id != *id);
            self.pools.remove(at);
        }
    }

    pub(crate) fn release_pool(&mut self, id: &PoolId) -> Outcome {
        let Some(pool) = self.pool(id) else { return Outcome::Refused(Code::BadPool) };
        let has_a_gateway = self
            .leases
            .iter()
            .any(|lease| lease.id == *id && (lease.is_gateway || pool.names_its_gateway));
        if pool.space != GLOBAL || pool.before.is_none() || !has_a_gateway {
            self.drop_hold(id);
        }
        Outcome::Released
    }

    pub(crate) fn release_address(&mut self, id: &PoolId, address: IpAddr) -> Outcome {
        let Some(pool) = self.pool(id) else {
            return Outcome::Refused(Code::Other(Kind::NotFound));
        };
        if !pool.prefix.contains(&address) && !pool.is_no_pool {
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
            let made = |lease: &ModelLease| lease.generation == *generation;
            let Some(at) = self.leases.iter().position(made) else { return };
            match self.leases[at].before.take() {
                Some(before) => self.leases[at].generation = before,
                None => drop(self.leases.remove(at)),
            }
        } else if let Some(pool) = self.pools.iter_mut().find(|pool| pool.id == *pool_id)
            && pool.generation == *generation
        {
            match pool.before.take() {
                Some(before) => pool.generation = before,
                None => self.drop_hold(pool_id),
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
        let mut pools: Vec<_> = self
            .pools
            .iter()
            .map(|pool| (pool.id.clone(), 1 + pool.others, pool.generation))
            .collect();
        let mut leases: Vec<_> =
            self.leases.iter().map(|lease| (lease.address, lease.generation)).collect();
        let mut stored = self.stored.clone();
        pools.sort();
        leases.sort();
        stored.sort();
        (pools, leases, stored)
    }
}
