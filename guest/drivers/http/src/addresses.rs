//! Requests for addresses: one that may be left over, what the system has next, or what
//! was asked for by name.

use crate::{
    Note, Object, Of, Policy, PoolName, Search, SystemOfRecord, is_end, policy::UNAVAILABLE,
};
use ipam_driver::{AddressGrant, AddressRequest, Code, Error, IpNet, log, names};
use std::net::IpAddr;

/// Ends of a prefix, see [`is_end`], that a call puts aside where the system offers them.
const ENDS_MAX: usize = 2;

impl<S: SystemOfRecord> Policy<S> {
    /// Grants an address.
    ///
    /// # Errors
    /// The refusals of the contract.
    pub fn request_address(&mut self, request: &AddressRequest) -> Result<AddressGrant, Error> {
        let pool = self.pool(&request.pool_id)?;
        self.nets.insert(pool.number, pool.net);
        self.pools.insert(request.pool_id.clone());
        let note = Note::of(request);
        let (found, is_left_over) = match request.address {
            Some(address) => (self.named(request, &pool, address, &note)?, false),
            None => match self.next_left_over(&pool, request)? {
                Some(left) => (left, true),
                None => {
                    let next = self.next(&pool, &note);
                    if next.as_ref().is_err_and(|error| error.code() == UNAVAILABLE) {
                        // The system may have made what it did not answer: look again.
                        self.left_over.forget_pool(&pool.key());
                    }
                    (next?, false)
                }
            },
        };
        // The length is the pool's, whatever it is in the system.
        let address = IpNet::new(found.net.addr(), pool.net.prefix_len());
        let address = address.map_err(|_| S::odd("that address is not of the pool"))?;
        self.granted.insert((pool.key(), address.addr()));
        let mut grant = AddressGrant::new(address);
        grant.data.insert(Self::id_key(), found.id.to_string());
        if is_left_over {
            grant.data.insert(names::LEFT_OVER.to_owned(), "true".to_owned());
        }
        Ok(grant)
    }

    /// An address of ours that may be left over from an instance before. A gateway is
    /// none: it does not get what was made for a container.
    fn next_left_over(
        &mut self,
        pool: &PoolName,
        request: &AddressRequest,
    ) -> Result<Option<Object>, Error> {
        if request.is_gateway() {
            return Ok(None);
        }
        let key = pool.key();
        if self.left_over.needs_look(&key, request) {
            let mut found = self.system.find(&Search::OursIn(pool))?;
            found.retain(|known| {
                let address = known.net.addr();
                pool.net.contains(&address)
                    && self.is_ours(known, Some(&key))
                    && !self.is_any_hosts_gateway(known)
                    && !is_end(pool.net, address)
                    && !self.granted.contains(&(key.clone(), address))
            });
            self.left_over.found(&key, found.into_iter().map(|known| (known.id, known)));
        }
        Ok(self.left_over.next(&key, request))
    }

    /// The next address. A system may offer the ends of a prefix, too: they are put aside,
    /// until the pool is released, or they would be offered each time.
    fn next(&mut self, pool: &PoolName, note: &Note<'_>) -> Result<Object, Error> {
        for _ in 0..=ENDS_MAX {
            let Some(made) = self.system.make(pool, None, note)? else { break };
            let address = made.net.addr();
            if !pool.net.contains(&address) {
                return Err(S::odd("that address is not of the pool"));
            }
            if !is_end(pool.net, address) {
                return Ok(made);
            }
            self.system.delete(Of::Addresses, made.id)?;
            self.system.make(pool, Some(address), &Note::not_for_use())?;
        }
        Err(Code::NoAvailableIps.into())
    }

    /// Makes exactly this address, or takes over one of ours that was left over. Where
    /// the system allows duplicates, the object with the lowest number counts.
    fn named(
        &mut self,
        request: &AddressRequest,
        pool: &PoolName,
        address: IpAddr,
        note: &Note<'_>,
    ) -> Result<Object, Error> {
        if !pool.net.contains(&address) {
            return Err(Code::IpOutOfRange.into());
        }
        if is_end(pool.net, address) || self.granted.contains(&(pool.key(), address)) {
            return Err(Code::IpAlreadyAllocated.into());
        }
        let made = self.system.make(pool, Some(address), note)?;
        if made.as_ref().is_some_and(|made| made.net.addr() != address) {
            return Err(S::odd("that address was not asked for"));
        }
        let first = self.at(pool, address)?.into_iter().next();
        match (made, first) {
            (Some(made), first) if first.as_ref().is_none_or(|first| first.id >= made.id) => {
                Ok(made)
            }
            (made, first) => {
                if let Some(made) = made {
                    self.system.delete(Of::Addresses, made.id)?;
                }
                let first = first.ok_or_else(|| {
                    let text = format!(
                        "{} has {address}, or a range that it counts as used up, and does not \
                         show it to this token",
                        S::NAME
                    );
                    Error::new(Code::IpAlreadyAllocated, text)
                })?;
                self.as_it_is(request, pool, first)
            }
        }
    }

    /// Ours is taken over. A gateway, and an auxiliary address, which comes without an
    /// endpoint, are granted as the system has them; but not what another host's container
    /// has.
    fn as_it_is(
        &mut self,
        request: &AddressRequest,
        pool: &PoolName,
        known: Object,
    ) -> Result<Object, Error> {
        let address = known.net.addr();
        let label = S::label(Of::Addresses, known.id);
        if self.is_ours(&known, Some(&pool.key())) {
            log::info(format!("{address} is taken over: {label}"));
            self.forget_left_over(pool, address);
            return Ok(known);
        }
        let is_endpoint = request.endpoint_name().or(request.mac_address()).is_some();
        let is_any_hosts = self.system.identity().is_any_hosts(&known);
        let is_lease = is_any_hosts && !self.is_any_hosts_gateway(&known);
        if (is_endpoint && !request.is_gateway()) || is_lease {
            return Err(Error::new(Code::IpAlreadyAllocated, format!("{address} is {label}")));
        }
        log::info(format!("{address} is granted as it is: {label}"));
        self.as_it_is.insert((pool.key(), address));
        Ok(known)
    }
}
