//! Which address a request gets.

use crate::{identity::Keys, reservations::Reservations};
use alloc::format;
use core::net::IpAddr;
use ipam_driver::{
    AddressGrant, AddressRequest, Code, Error, IpNet, PoolGrant, PoolRequest, SubnetStatus,
};
use ipam_pools::{Config, PoolName, Store, Withheld, refusal};

/// How many reservations there may be: unless the operator says so, and at most.
const RESERVATIONS_MAX: (usize, usize) = (50_000, 200_000);

/// The policy, over a store.
#[derive(Debug)]
pub struct Policy<S> {
    keys: Keys,
    pools: Withheld,
    reservations: Reservations<S>,
}

#[expect(clippy::missing_errors_doc, reason = "as `ipam_driver::Driver` says")]
impl<S: Store> Policy<S> {
    /// The policy with that configuration, and with the reservations in the store.
    pub fn new(config: &str, store: S) -> Result<Self, Error> {
        let mut config = Config::parse(config)?;
        let keys = Keys::take(&mut config)?;
        let (default, most) = RESERVATIONS_MAX;
        let max = config.take("max-reservations")?.unwrap_or(default);
        if !(1..=most).contains(&max) {
            return Err(refusal(format!("config: max-reservations must be from 1 to {most}")));
        }
        let mut pools = Withheld::new(config.pools()?);
        let reservations = Reservations::open(store, max, &mut pools)?;
        Ok(Self { keys, pools, reservations })
    }

    /// Grants a pool.
    pub fn request_pool(&mut self, request: &PoolRequest) -> Result<PoolGrant, Error> {
        self.pools.request_pool(request)
    }

    /// Forgets a pool, but not its reservations.
    pub fn release_pool(&mut self, pool_id: &str) -> Result<(), Error> {
        self.pools.release_pool(pool_id)
    }

    /// Leases an address: the one that the request names; else the one that is
    /// reserved to its identity; else one that is not reserved; else the reserved
    /// one that has been free for the longest time.
    pub fn request_address(&mut self, request: &AddressRequest) -> Result<AddressGrant, Error> {
        let pool = self.pools.name(&request.pool_id)?;
        let identity = self.keys.identity(pool, request);
        let own =
            || self.reservations.address(identity.as_ref()?).filter(|own| self.is_free(pool, *own));
        let wanted = request.address.or_else(own);
        let address = self.lease(pool, request, wanted)?;
        // What replay shows was written when it was granted.
        if let Some(identity) = identity
            && request.replay().is_none()
        {
            self.reservations.reserve(identity, address.addr(), &mut self.pools);
        }
        Ok(AddressGrant::new(address))
    }

    /// Frees an address. If it is reserved, it is withheld until its identity asks again.
    pub fn release_address(&mut self, pool_id: &str, address: IpAddr) -> Result<(), Error> {
        let location = (self.pools.name(pool_id)?.parent(), address);
        let moment = match self.pools.is_withheld(location) {
            true => None,
            false => self.reservations.released(location, &mut self.pools),
        };
        self.pools.release_address(pool_id, address, moment)
    }

    /// How full a pool is. A reserved address that is not leased is free.
    pub fn status(&self, pool_id: &str) -> Result<SubnetStatus, Error> {
        self.pools.status(pool_id)
    }

    /// Whether a reserved address is free and in the request's sub-pool. It may be
    /// outside, if it was asked for by name.
    fn is_free(&self, pool: PoolName, own: IpAddr) -> bool {
        pool.range().contains(&own) && self.pools.is_withheld((pool.parent(), own))
    }

    fn lease(
        &mut self,
        pool: PoolName,
        request: &AddressRequest,
        address: Option<IpAddr>,
    ) -> Result<IpNet, Error> {
        let is_serial = request.is_serial();
        let leased = self.pools.request_address(&request.pool_id, address, is_serial);
        match leased {
            Err(refusal) if refusal.code() == Code::NoAvailableIps => {
                let (_, longest) = self.pools.oldest_in(pool).ok_or(refusal)?;
                self.pools.request_address(&request.pool_id, Some(longest), is_serial)
            }
            leased => leased,
        }
    }

    #[cfg(test)]
    pub(crate) fn reservations(&mut self) -> &mut Reservations<S> {
        &mut self.reservations
    }
}
