//! What drivers of record share: what they grant of a system, and what they remember.

use crate::{LeftOver, Object, Of, PoolName, Search, SystemOfRecord};
use ipam_driver::{Code, Error, IpNet, Kind, PoolChoice, PoolGrant, PoolRequest, names};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

pub(crate) const UNAVAILABLE: Code = Code::Other(Kind::Unavailable);

/// The policy of a driver of record, over its system. What it remembers it can do without.
#[derive(Debug)]
pub struct Policy<S> {
    /// The system.
    pub system: S,
    /// Ids of pools that this instance has heard of, and the addresses that it granted, by
    /// pool key: those are not left over.
    pub(crate) pools: BTreeSet<String>,
    pub(crate) granted: BTreeSet<(String, IpAddr)>,
    /// Prefixes of pools by the system's number.
    pub(crate) nets: BTreeMap<u64, IpNet>,
    /// By pool key.
    pub(crate) left_over: LeftOver<Object>,
    /// What the system had, and was granted as it is, by pool key.
    pub(crate) as_it_is: BTreeSet<(String, IpAddr)>,
}

#[expect(clippy::missing_errors_doc, reason = "the refusals of the contract")]
impl<S: SystemOfRecord> Policy<S> {
    /// A policy that has seen nothing yet.
    #[must_use]
    pub fn new(system: S) -> Self {
        Self {
            system,
            pools: BTreeSet::new(),
            granted: BTreeSet::new(),
            nets: BTreeMap::new(),
            left_over: LeftOver::default(),
            as_it_is: BTreeSet::new(),
        }
    }

    /// Grants a pool that the system finds or makes.
    pub fn request_pool(&mut self, request: &PoolRequest) -> Result<PoolGrant, Error> {
        if request.address_space != S::SPACE {
            let text = format!("cannot find address space {}", request.address_space);
            return Err(Error::new(Code::InvalidAddressSpace, text));
        }
        if let PoolChoice::Exact(pool) = request.pool
            && pool.prefix_len() == 0
        {
            return Err(Error::new(Code::InvalidPool, "a pool is not all addresses"));
        }
        if request.sub_pool.is_some() && !S::HAS_SUB_POOLS {
            let text = format!("{} has no sub-pools: leave out --ip-range", S::NAME);
            return Err(Error::new(Code::InvalidSubPool, text));
        }
        let (name, gateway) = self.system.request_pool(request)?;
        let id = name.id()?;
        if self.pools.contains(&id) {
            let text = format!("{} is a pool of this host", name.net);
            return Err(Error::new(Code::PoolOverlap, text));
        }
        let mut grant = PoolGrant::new(id.clone(), name.net);
        grant.data.insert(Self::id_key(), name.number.to_string());
        if let Some(gateway) = gateway {
            grant.data.insert(names::GATEWAY.to_owned(), gateway.to_string());
        }
        self.pools.insert(id);
        self.nets.insert(name.number, name.net);
        Ok(grant)
    }

    /// Reads the id of a pool, before the system is asked.
    pub(crate) fn pool(&mut self, pool_id: &str) -> Result<PoolName, Error> {
        let pool = PoolName::parse(S::SPACE, pool_id)?;
        self.system.prepare()?;
        Ok(pool)
    }

    /// The key of the system's number in a grant's data.
    pub(crate) fn id_key() -> String {
        format!("{}.id", S::SPACE)
    }

    pub(crate) fn is_ours(&self, known: &Object, pool: Option<&str>) -> bool {
        self.system.identity().is_ours(known, pool)
    }

    pub(crate) fn is_any_hosts_gateway(&self, known: &Object) -> bool {
        self.system.identity().is_any_hosts_gateway(known)
    }

    /// What the system has at an address, whoever made it; the lowest number first.
    pub(crate) fn at(&mut self, pool: &PoolName, address: IpAddr) -> Result<Vec<Object>, Error> {
        let mut found = self.system.find(&Search::At(pool, address))?;
        found.retain(|known| known.net.addr() == address);
        Ok(found)
    }

    /// The addresses in a pool, whoever made them.
    pub(crate) fn addresses_in(&mut self, number: u64, net: IpNet) -> Result<Vec<Object>, Error> {
        let mut found = self.system.find(&Search::In(Of::Addresses, number, net))?;
        found.retain(|known| net.contains(&known.net.addr()));
        Ok(found)
    }

    /// The pools that lie in a pool.
    pub(crate) fn children(&mut self, number: u64, net: IpNet) -> Result<Vec<Object>, Error> {
        let mut found = self.system.find(&Search::In(Of::Pools, number, net))?;
        found.retain(|child| child.net != net && net.contains(&child.net));
        Ok(found)
    }

    /// It is leased now, or free.
    pub(crate) fn forget_left_over(&mut self, pool: &PoolName, address: IpAddr) {
        self.left_over.forget(&pool.key(), |known| known.net.addr() == address);
    }
}

/// A refusal of a release. The host repeats a release that is `Unavailable`, and grants
/// nothing before it succeeds. So every failure that may end is `Unavailable`: also an
/// invalid token, and the answer of a proxy. The system's refusal of this deletion is not:
/// it would never end.
pub(crate) fn later(refusal: Error) -> Error {
    let is_final = refusal.code() == Code::Other(Kind::BadRequest);
    if is_final { refusal } else { Error::other(Kind::Unavailable, refusal.text()) }
}

#[cfg(test)]
mod tests;
