//! What a new instance is shown.

use crate::{Asked, Lease, Pool, State, Time};
use ipam_api::{AddressGrant, AddressRequest, Options, PoolChoice, PoolGrant, PoolRequest, names};
use std::sync::Arc;

/// One entry of the ledger, told to a new instance as the request that would
/// grant it, with the answer that it must give and the time at which the
/// request for it began. `data` is not compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replay {
    /// A pool.
    Pool(PoolRequest, PoolGrant, Time),
    /// A lease.
    Address(AddressRequest, AddressGrant, Time),
}

impl State {
    /// All that is held, in the order in which a new instance is told: pools
    /// without a sub-pool, pools with one, leases; each in order of grant.
    pub fn replay(&self) -> impl Iterator<Item = Replay> {
        let mut pools: Vec<&Arc<Pool>> = self.pools().collect();
        pools.sort_by_key(|pool| (pool.sub_pool.is_some(), pool.generation));
        let mut leases: Vec<&Arc<Lease>> = self.leases().collect();
        leases.sort_by_key(|lease| lease.generation);
        let pools = pools.into_iter().map(|pool| Replay::of_pool(pool));
        pools.chain(leases.into_iter().map(|lease| Replay::of_lease(lease)))
    }
}

impl Replay {
    /// A pool as an explicit request.
    #[must_use]
    pub fn of_pool(pool: &Pool) -> Self {
        let request = PoolRequest {
            address_space: pool.address_space.clone(),
            pool: PoolChoice::Exact(pool.prefix),
            sub_pool: pool.sub_pool,
            options: marked(&pool.options, pool.asked),
            exclude: Vec::new(),
        };
        Self::Pool(request, pool.grant(), pool.granted.at)
    }

    /// A lease as an explicit request.
    #[must_use]
    pub fn of_lease(lease: &Lease) -> Self {
        let request = AddressRequest {
            pool_id: lease.pool_id.clone(),
            address: Some(lease.ip()),
            options: marked(&lease.options, lease.asked),
        };
        Self::Address(request, lease.grant(), lease.granted.at)
    }
}

fn marked(options: &Options, asked: Asked) -> Options {
    let mark = match asked {
        Asked::Explicit => names::REPLAY_EXPLICIT,
        Asked::Automatic => names::REPLAY_AUTOMATIC,
    };
    let mut options = options.clone();
    options.insert(names::REPLAY.to_owned(), mark.to_owned());
    options
}
