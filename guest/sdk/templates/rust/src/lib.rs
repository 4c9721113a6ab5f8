//! The IPAM driver `@NAME@`.
//!
//! Automatic pools are the lowest free ones of one block for each family, and
//! pools by name are granted where they overlap nothing. A gateway gets the
//! highest free address, everybody else the lowest.
//!
//! All state is memory, and memory is a cache: an instance may be dropped
//! between any two calls, and a new one is told what is granted as exact
//! requests. That works because ids follow from prefixes.

use ipam_driver::{
    AddressGrant, AddressRequest, AddressSpaces, Code, Driver, Error, Family, IpNet, Ipv4Net,
    Ipv6Net, PoolChoice, PoolGrant, PoolRequest,
};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    iter::successors,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// The driver's name, and that of its one address space.
const NAME: &str = "@NAME@";

/// The operator's table: the blocks that automatic pools come from.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    ipv4: Ipv4Net,
    ipv6: Ipv6Net,
}

impl Default for Config {
    fn default() -> Self {
        let ipv4 = Ipv4Net::new_assert(Ipv4Addr::new(10, 64, 0, 0), 16);
        let ipv6 = Ipv6Net::new_assert(Ipv6Addr::new(0xfd64, 0, 0, 0, 0, 0, 0, 0), 48);
        Self { ipv4, ipv6 }
    }
}

/// The driver.
#[derive(Debug)]
pub struct MyDriver {
    blocks: Config,
    pools: BTreeMap<String, Pool>,
}

ipam_driver::export!(MyDriver);

impl Driver for MyDriver {
    const NAME: &'static str = NAME;

    fn new(config: &str) -> Result<Self, Error> {
        let refusal = |text: String| Error::new(Code::InvalidRequest, text);
        let blocks: Config = serde_json::from_str(config).map_err(|e| refusal(e.to_string()))?;
        for family in [Family::Ipv4, Family::Ipv6] {
            let block = block(&blocks, family);
            let fits = (1..=automatic_length(family)).contains(&block.prefix_len());
            if !fits || block != block.trunc() {
                return Err(refusal(format!("{block} is no block of automatic pools")));
            }
        }
        Ok(Self { blocks, pools: BTreeMap::new() })
    }

    fn default_address_spaces(&mut self) -> Result<AddressSpaces, Error> {
        Ok(AddressSpaces::new(NAME, NAME))
    }

    fn request_pool(&mut self, request: PoolRequest) -> Result<PoolGrant, Error> {
        if request.address_space != NAME {
            return Err(Code::InvalidAddressSpace.into());
        }
        let prefix = match (request.pool, request.sub_pool) {
            (PoolChoice::Exact(prefix), sub_pool) => self.take(prefix, sub_pool)?,
            (_, Some(_)) => return Err(Code::InvalidSubPool.into()),
            (PoolChoice::Sized(family, length), None) => {
                self.choose(family, length, &request.exclude)?
            }
            (PoolChoice::Automatic(family), None) => {
                self.choose(family, automatic_length(family), &request.exclude)?
            }
        };
        // An id says what it stands for, so that a new instance finds the same.
        let id = match request.sub_pool {
            Some(sub_pool) => format!("{prefix}/{sub_pool}"),
            None => prefix.to_string(),
        };
        let range = request.sub_pool.unwrap_or(prefix);
        self.pools.insert(id.clone(), Pool { prefix, range, leases: BTreeSet::new() });
        Ok(PoolGrant::new(id, prefix))
    }

    fn release_pool(&mut self, pool_id: &str) -> Result<(), Error> {
        self.pools.remove(pool_id).map(drop).ok_or(Code::PoolNotFound.into())
    }

    fn request_address(&mut self, request: AddressRequest) -> Result<AddressGrant, Error> {
        let pool = self.pools.get_mut(&request.pool_id).ok_or(Code::PoolNotFound)?;
        let address = match request.address {
            Some(address) if !pool.prefix.contains(&address) => {
                return Err(Code::IpOutOfRange.into());
            }
            Some(address) if !pool.is_free(address) => return Err(Code::IpAlreadyAllocated.into()),
            Some(address) => address,
            None if request.is_gateway() => pool.highest().ok_or(Code::NoAvailableIps)?,
            None => pool.lowest().ok_or(Code::NoAvailableIps)?,
        };
        pool.leases.insert(address);
        Ok(AddressGrant::new(IpNet::new_assert(address, pool.prefix.prefix_len())))
    }

    fn release_address(&mut self, pool_id: &str, address: IpAddr) -> Result<(), Error> {
        let pool = self.pools.get_mut(pool_id).ok_or(Code::PoolNotFound)?;
        if !pool.prefix.contains(&address) {
            return Err(Code::IpOutOfRange.into());
        }
        pool.leases.remove(&address); // also when it is released twice
        Ok(())
    }
}

impl MyDriver {
    /// This very pool, if nothing is in its way.
    fn take(&self, prefix: IpNet, sub_pool: Option<IpNet>) -> Result<IpNet, Error> {
        if prefix.prefix_len() == 0 {
            return Err(Code::InvalidPool.into()); // would mean "no pool"
        }
        if sub_pool.is_some_and(|sub_pool| !prefix.contains(&sub_pool)) {
            return Err(Code::InvalidSubPool.into());
        }
        match self.in_the_way(&prefix, &[]) {
            Some(_) => Err(Code::PoolOverlap.into()),
            None => Ok(prefix),
        }
    }

    /// The lowest free pool of that length. What is in the way is jumped over
    /// whole: a /48 has too many /128s to try them.
    fn choose(&self, family: Family, length: u8, exclude: &[IpNet]) -> Result<IpNet, Error> {
        let block = block(&self.blocks, family);
        if !(block.prefix_len()..=block.max_prefix_len()).contains(&length) {
            return Err(Code::InvalidPool.into());
        }
        let mut candidate = IpNet::new_assert(block.addr(), length);
        while let Some(other) = self.in_the_way(&candidate, exclude) {
            let next = next(other.broadcast().max(candidate.broadcast()));
            let next = next.filter(|next| block.contains(next)).ok_or(Code::NoMoreSubnets)?;
            candidate = IpNet::new_assert(next, length);
        }
        Ok(candidate)
    }

    fn in_the_way(&self, candidate: &IpNet, exclude: &[IpNet]) -> Option<IpNet> {
        let overlaps = |other: &IpNet| other.contains(candidate) || candidate.contains(other);
        let in_use = self.pools.values().map(|pool| pool.prefix);
        in_use.chain(exclude.iter().copied()).find(overlaps)
    }
}

/// A granted pool.
#[derive(Debug)]
struct Pool {
    prefix: IpNet,
    /// Where automatic addresses come from: the sub-pool, if there is one.
    range: IpNet,
    leases: BTreeSet<IpAddr>,
}

impl Pool {
    fn is_free(&self, address: IpAddr) -> bool {
        !self.leases.contains(&address) && !is_reserved(&self.prefix, address)
    }

    fn lowest(&self) -> Option<IpAddr> {
        self.first_free(self.range.network(), next)
    }

    fn highest(&self) -> Option<IpAddr> {
        self.first_free(self.range.broadcast(), previous)
    }

    fn first_free(&self, from: IpAddr, step: fn(IpAddr) -> Option<IpAddr>) -> Option<IpAddr> {
        successors(Some(from), |address| step(*address))
            .take_while(|address| self.range.contains(address))
            .find(|address| self.is_free(*address))
    }
}

/// Network and broadcast address, and the anycast address of IPv6's routers,
/// are never leased; pools of one or two addresses have none of them.
fn is_reserved(pool: &IpNet, address: IpAddr) -> bool {
    let host_bits = pool.max_prefix_len() - pool.prefix_len();
    host_bits > 1 && (address == pool.network() || address.is_ipv4() && address == pool.broadcast())
}

fn automatic_length(family: Family) -> u8 {
    match family {
        Family::Ipv4 => 24,
        Family::Ipv6 => 64,
    }
}

fn block(blocks: &Config, family: Family) -> IpNet {
    match family {
        Family::Ipv4 => blocks.ipv4.into(),
        Family::Ipv6 => blocks.ipv6.into(),
    }
}

fn next(address: IpAddr) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits().checked_add(1)?).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits().checked_add(1)?).into(),
    })
}

fn previous(address: IpAddr) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits().checked_sub(1)?).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits().checked_sub(1)?).into(),
    })
}
