//! A model of what an instance holds, made of its requests and answers. It is what a
//! ledger would hold, and what a new instance is told at replay.

use crate::recorder::Exchange;
use ipam_api::{
    AddressRequest, Answer, Options, PoolChoice, PoolGrant, PoolId, PoolRequest, Request, names,
};
use std::net::IpAddr;

/// What is held at one moment, in order of grant, each with the number of its
/// question.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(crate) pools: Vec<(u64, PoolRequest, PoolGrant)>,
    pub(crate) leases: Vec<(u64, AddressRequest, IpAddr)>,
}

impl Model {
    pub(crate) fn note(&mut self, number: u64, (asked, answered): &Exchange) {
        match (asked, answered) {
            (Request::Pool(request), Ok(Answer::Pool(grant))) => {
                self.pools.push((number, request.clone(), grant.clone()));
            }
            (Request::Address(request), Ok(Answer::Address(grant))) => {
                let leased = grant.address.map(|leased| (number, request.clone(), leased.addr()));
                self.leases.extend(leased);
            }
            (Request::ReleasePool(id), Ok(_)) => {
                self.pools.retain(|(_, _, grant)| grant.pool_id != *id);
                self.leases.retain(|(_, request, _)| request.pool_id != *id);
            }
            (Request::ReleaseAddress(id, address), Ok(_)) => {
                self.leases
                    .retain(|(_, request, leased)| request.pool_id != *id || leased != address);
            }
            _ => {}
        }
    }

    /// What a new instance is told, with the number of the first question for
    /// it and the pool or address that it must answer: pools without a
    /// sub-pool, pools with one, leases.
    pub(crate) fn replay(&self) -> Vec<(u64, Request, Answered)> {
        let pools = |with_sub_pool: bool| {
            let is_of = move |request: &PoolRequest| request.sub_pool.is_some() == with_sub_pool;
            let pools = self.pools.iter().filter(move |(_, request, _)| is_of(request));
            pools.map(|(number, request, grant)| {
                let is_explicit = matches!(request.pool, PoolChoice::Exact(_));
                let told = PoolRequest {
                    pool: PoolChoice::Exact(grant.pool),
                    options: marked(&request.options, is_explicit),
                    exclude: Vec::new(),
                    ..request.clone()
                };
                (*number, Request::Pool(told), Answered::Pool(grant.pool_id.clone(), grant.pool))
            })
        };
        let leases = self.leases.iter().map(|(number, request, leased)| {
            let told = AddressRequest {
                pool_id: request.pool_id.clone(),
                address: Some(*leased),
                options: marked(&request.options, request.address.is_some()),
            };
            (*number, Request::Address(told), Answered::Address(*leased))
        });
        pools(false).chain(pools(true)).chain(leases).collect()
    }

    /// Whether somebody holds an address of that pool, whatever its id.
    pub(crate) fn is_held(&self, pool: &PoolId, address: IpAddr) -> bool {
        let place = |id: &PoolId| {
            let found = self.pools.iter().find(|(_, _, grant)| grant.pool_id == *id);
            found.map(|(_, request, grant)| (&request.address_space, grant.pool))
        };
        let here = place(pool);
        self.leases
            .iter()
            .any(|(_, request, leased)| *leased == address && place(&request.pool_id) == here)
    }
}

/// What is compared; `data` is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answered {
    Pool(PoolId, ipam_api::IpNet),
    Address(IpAddr),
    Other,
}

impl Answered {
    pub(crate) fn of(answer: &Answer) -> Self {
        match answer {
            Answer::Pool(grant) => Self::Pool(grant.pool_id.clone(), grant.pool),
            Answer::Address(grant) => {
                grant.address.map_or(Self::Other, |leased| Self::Address(leased.addr()))
            }
            Answer::Released | Answer::Status(_) | Answer::Records(_) => Self::Other,
        }
    }
}

fn marked(options: &Options, is_explicit: bool) -> Options {
    let mark = if is_explicit { names::REPLAY_EXPLICIT } else { names::REPLAY_AUTOMATIC };
    let mut options = options.clone();
    options.insert(names::REPLAY.to_owned(), mark.to_owned());
    options
}
