//! Which address is leased again, and when.

use ipam_driver::{
    AddressGrant, AddressRequest, Code, Error, IpNet, Kind, PoolGrant, PoolRequest, SubnetStatus,
    log,
};
use ipam_pools::{Config, Location, PoolName, Store, Withheld, location, read_all, refusal};
use std::{collections::BTreeSet, net::IpAddr};

/// Milliseconds since 1970.
pub type Moment = u64;

/// Seconds that an address rests: unless the operator says so, and at most.
const REST: (u64, u64) = (300, 366 * 24 * 60 * 60);

/// How many addresses may rest: unless the operator says so, and at most.
const RESTING_MAX: (usize, usize) = (50_000, 200_000);

/// Rests that one request ends: of those that are over, and of those for which
/// there is no room. More than one begins, so that none is behind for long.
const ENDED_MAX: usize = 64;

/// The policy, over a store. Addresses that rest are withheld, with the moment of their
/// release.
#[derive(Debug)]
pub struct Policy<S> {
    pools: Withheld,
    store: S,
    rest: Moment,
    resting_max: usize,
    /// Leased as gateways.
    gateways: BTreeSet<Location>,
}

#[expect(clippy::missing_errors_doc, reason = "as `ipam_driver::Driver` says")]
impl<S: Store> Policy<S> {
    /// The policy with that configuration, and with the rests in the store.
    pub fn new(config: &str, store: S) -> Result<Self, Error> {
        let mut config = Config::parse(config)?;
        let rest = config.take("rest")?.unwrap_or(REST.0);
        if !(1..=REST.1).contains(&rest) {
            return Err(refusal(format!("config: rest must be from 1 to {} seconds", REST.1)));
        }
        let resting_max = config.take("max-resting")?.unwrap_or(RESTING_MAX.0);
        if !(1..=RESTING_MAX.1).contains(&resting_max) {
            let most = RESTING_MAX.1;
            return Err(refusal(format!("config: max-resting must be from 1 to {most}")));
        }
        let mut pools = Withheld::new(config.pools()?);
        let mut unread = 0;
        read_all(&store, |key, value| {
            let moment = str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            let read = location::read(key).zip(moment);
            let is_read = read.is_some_and(|(location, moment)| pools.restore(location, moment));
            unread += u32::from(!is_read);
        })?;
        if unread > 0 {
            log::warn(format!(
                "{unread} keys in the store are not resting addresses and are ignored"
            ));
        }
        Ok(Self { pools, store, rest: rest * 1000, resting_max, gateways: BTreeSet::new() })
    }

    /// Grants a pool.
    pub fn request_pool(&mut self, request: &PoolRequest) -> Result<PoolGrant, Error> {
        self.pools.request_pool(request)
    }

    /// Forgets a pool, but not which addresses of it rest.
    pub fn release_pool(&mut self, pool_id: &str) -> Result<(), Error> {
        self.pools.release_pool(pool_id)
    }

    /// Leases an address: the one that the request names; else one that does not rest;
    /// else the one that has rested for the longest time.
    pub fn request_address(
        &mut self,
        request: &AddressRequest,
        now: Moment,
    ) -> Result<AddressGrant, Error> {
        let pool = self.pools.name(&request.pool_id)?;
        let (address, has_rested) = match request.address {
            Some(address) => {
                let rests = self.pools.is_withheld((pool.parent(), address));
                (self.lease(request, Some(address))?, rests)
            }
            None => {
                self.wake(pool, now);
                match self.lease(request, None) {
                    Err(refusal) if refusal.code() == Code::NoAvailableIps => {
                        let (_, longest) = self.pools.oldest_in(pool).ok_or(refusal)?;
                        (self.lease(request, Some(longest))?, true)
                    }
                    leased => (leased?, false),
                }
            }
        };
        let location = (pool.parent(), address.addr());
        if request.is_gateway() {
            self.gateways.insert(location);
        }
        // What replay shows was written when it was granted.
        if has_rested && request.replay().is_none() {
            self.delete(location);
        }
        Ok(AddressGrant::new(address))
    }

    /// Frees an address, which rests from now on. A gateway does not.
    pub fn release_address(
        &mut self,
        pool_id: &str,
        address: IpAddr,
        now: Moment,
    ) -> Result<(), Error> {
        let location = (self.pools.name(pool_id)?.parent(), address);
        if self.pools.is_withheld(location) {
            return Ok(());
        }
        let moment = (!self.gateways.remove(&location)).then_some(now);
        self.pools.release_address(pool_id, address, moment)?;
        if self.pools.is_withheld(location) && !self.write(location, now) {
            self.pools.free(location);
        }
        Ok(())
    }

    /// How full a pool is. An address that rests is free.
    pub fn status(&self, pool_id: &str) -> Result<SubnetStatus, Error> {
        self.pools.status(pool_id)
    }

    fn lease(&mut self, request: &AddressRequest, address: Option<IpAddr>) -> Result<IpNet, Error> {
        self.pools.request_address(&request.pool_id, address, request.is_serial())
    }

    /// Ends the rests that are over, in a request for any address: such a request is
    /// granted, so its deletions in the store become durable.
    fn wake(&mut self, pool: PoolName, now: Moment) {
        for _ in 0..ENDED_MAX {
            match self.pools.oldest_in(pool) {
                Some((since, address)) if now.saturating_sub(since) >= self.rest => {
                    self.end((pool.parent(), address));
                }
                _ => return,
            }
        }
    }

    /// Writes that an address rests, and ends the rests that began first until there
    /// is room for it. `false` if there is none: then nothing is stored.
    fn write(&mut self, location: Location, now: Moment) -> bool {
        let key = location::key(location);
        for _ in 0..ENDED_MAX {
            if self.pools.total() <= self.resting_max {
                match self.store.set(&key, now.to_string().as_bytes()) {
                    Ok(()) => return true,
                    Err(refusal) if refusal.code() != Code::Other(Kind::Unavailable) => break,
                    Err(_) => (),
                }
            }
            match self.pools.oldest() {
                Some((_, oldest)) if oldest != location => self.end(oldest),
                _ => break,
            }
        }
        log::warn(format!("the store is full: {} does not rest", location.1));
        self.delete(location);
        false
    }

    fn end(&mut self, location: Location) {
        self.pools.free(location);
        self.delete(location);
    }

    fn delete(&mut self, location: Location) {
        let key = location::key(location);
        if let Err(refusal) = self.store.delete(&key) {
            log::warn(format!("cannot delete {key} from the store: {refusal}"));
        }
    }

    #[cfg(test)]
    pub(crate) fn store(&mut self) -> &mut S {
        &mut self.store
    }
}
