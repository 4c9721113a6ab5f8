//! Which address who gets.

use crate::{book::Book, holder::Keys};
use alloc::format;
use core::net::IpAddr;
use ipam_driver::{
    AddressGrant, AddressRequest, Code, Error, IpNet, PoolGrant, PoolRequest, SubnetStatus,
};
use ipam_pools::{Aside, Config, PoolName, Store, refusal};

/// How many reservations there may be: unless the operator says so, and at most.
const RESERVATIONS_MAX: (usize, usize) = (50_000, 200_000);

/// The policy, over a store.
#[derive(Debug)]
pub struct Policy<S> {
    keys: Keys,
    aside: Aside,
    book: Book<S>,
}

#[expect(clippy::missing_errors_doc, reason = "as `ipam_driver::Driver` says")]
impl<S: Store> Policy<S> {
    /// The policy of that table, with what the store remembers.
    pub fn new(config: &str, store: S) -> Result<Self, Error> {
        let mut config = Config::parse(config)?;
        let keys = Keys::take(&mut config)?;
        let (default, most) = RESERVATIONS_MAX;
        let max = config.take("max-reservations")?.unwrap_or(default);
        if !(1..=most).contains(&max) {
            return Err(refusal(format!("config: max-reservations must be from 1 to {most}")));
        }
        let mut aside = Aside::new(config.pools()?);
        let book = Book::open(store, max, &mut aside)?;
        Ok(Self { keys, aside, book })
    }

    /// Grants a pool.
    pub fn request_pool(&mut self, request: &PoolRequest) -> Result<PoolGrant, Error> {
        self.aside.request_pool(request)
    }

    /// Forgets a pool, but not who had which address of it.
    pub fn release_pool(&mut self, pool_id: &str) -> Result<(), Error> {
        self.aside.release_pool(pool_id)
    }

    /// Leases an address: that which is asked for by name, or that which is
    /// reserved to who asks, or any that is reserved to nobody, or that whose
    /// holder is gone for the longest time.
    pub fn request_address(&mut self, request: &AddressRequest) -> Result<AddressGrant, Error> {
        let pool = self.aside.name(&request.pool_id)?;
        let holder = self.keys.holder(pool, request);
        let own = || self.book.address(holder.as_ref()?).filter(|own| self.is_free(pool, *own));
        let wanted = request.address.or_else(own);
        let address = self.lease(pool, request, wanted)?;
        // What replay shows was written when it was granted.
        if let Some(holder) = holder
            && request.replay().is_none()
        {
            self.book.reserve(holder, address.addr(), &mut self.aside);
        }
        Ok(AddressGrant::new(address))
    }

    /// Frees an address. If it is reserved, it is set aside for its holder.
    pub fn release_address(&mut self, pool_id: &str, address: IpAddr) -> Result<(), Error> {
        let place = (self.aside.name(pool_id)?.parent(), address);
        let moment = match self.aside.has(place) {
            true => None,
            false => self.book.released(place, &mut self.aside),
        };
        self.aside.release_address(pool_id, address, moment)
    }

    /// How full a pool is. What is reserved and free is free.
    pub fn status(&self, pool_id: &str) -> Result<SubnetStatus, Error> {
        self.aside.status(pool_id)
    }

    /// Whether a reserved address may be chosen for its holder: it is not where a
    /// sub-pool does not reach, as it may be if it was asked for by name.
    fn is_free(&self, pool: PoolName, own: IpAddr) -> bool {
        pool.range().contains(&own) && self.aside.has((pool.parent(), own))
    }

    fn lease(
        &mut self,
        pool: PoolName,
        request: &AddressRequest,
        address: Option<IpAddr>,
    ) -> Result<IpNet, Error> {
        let is_serial = request.is_serial();
        let leased = self.aside.request_address(&request.pool_id, address, is_serial);
        match leased {
            Err(refusal) if refusal.code() == Code::NoAvailableIps => {
                let (_, longest) = self.aside.oldest_in(pool).ok_or(refusal)?;
                self.aside.request_address(&request.pool_id, Some(longest), is_serial)
            }
            leased => leased,
        }
    }

    #[cfg(test)]
    pub(crate) fn book(&mut self) -> &mut Book<S> {
        &mut self.book
    }
}
