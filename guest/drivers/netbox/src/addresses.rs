//! Requests for addresses: what NetBox has next, or what was asked for by name.

use crate::{
    api::{Object, Of, Taken},
    identity::{GATEWAY, is_any_hosts, is_any_hosts_gateway},
    policy::{Policy, is_end},
    pool_name::PoolName,
    pools::ID,
};
use ipam_driver::{AddressGrant, AddressRequest, Code, Error, IpNet, Kind, log, names};
use ipam_http_driver::Http;
use serde_json::{Map, Value};
use std::net::IpAddr;

const UNAVAILABLE: Code = Code::Other(Kind::Unavailable);
/// Ends of a prefix, see [`is_end`], that are offered, and that a call puts aside.
const ENDS_MAX: usize = 2;

impl<H: Http> Policy<H> {
    pub(crate) fn request_address(
        &mut self,
        request: &AddressRequest,
    ) -> Result<AddressGrant, Error> {
        let pool = PoolName::parse(&request.pool_id)?;
        self.find_vrf()?;
        self.used.insert(pool.prefix, pool.net);
        self.pools.insert(request.pool_id.clone());
        let made = self.made.with(&pool.options)?;
        let mut fields = made.address(request.endpoint_name());
        let words = match request.endpoint_name().or(request.mac_address()) {
            _ if request.is_gateway() => GATEWAY.to_owned(),
            Some(whom) => format!("for={whom}"),
            None => String::new(),
        };
        self.sign(&mut fields, Some(&pool.key()), &words);
        let (found, is_left_over) = match request.address {
            Some(address) => (self.named(request, &pool, address, fields)?, false),
            None => match self.next_left_over(&pool, request)? {
                Some(left) => (left, true),
                None => {
                    let next = self.next(&pool, &fields, &request.pool_id);
                    if next.as_ref().is_err_and(|error| error.code() == UNAVAILABLE) {
                        // NetBox may have made what it did not answer: look again.
                        self.left_over.forget_pool(&pool.key());
                    }
                    (next?, false)
                }
            },
        };
        // The length is the pool's, whatever it is at NetBox.
        let address = IpNet::new(found.net.addr(), pool.net.prefix_len());
        let address = address.map_err(|_| self.api.odd("that address is not of the pool"))?;
        self.granted.insert((pool.key(), address.addr()));
        let mut grant = AddressGrant::new(address);
        grant.data.insert(ID.to_owned(), found.id.to_string());
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
            // Not everybody's: a large prefix has more than a list may have.
            let (net, text) = (pool.net.to_string(), self.identity.text(Some(&key)));
            let filters = [("parent", &*net), (&self.api.identity_filter(), &text)];
            let mut found = self.api.list(Of::Addresses, &filters)?;
            found.retain(|known| {
                pool.net.contains(&known.net.addr())
                    && self.identity.is_ours(known, Some(&key))
                    && !is_any_hosts_gateway(known)
                    && !is_end(pool.net, known.net.addr())
                    && !self.granted.contains(&(key.clone(), known.net.addr()))
            });
            self.left_over.found(&key, found.into_iter().map(|known| (known.id, known)));
        }
        Ok(self.left_over.next(&key, request))
    }

    /// The addresses that NetBox has in a prefix, whoever made them.
    pub(crate) fn addresses_in(&mut self, net: IpNet) -> Result<Vec<Object>, Error> {
        let mut found = self.api.list(Of::Addresses, &[("parent", &net.to_string())])?;
        found.retain(|known| net.contains(&known.net.addr()));
        Ok(found)
    }

    /// The next address of the pool's ranges, or of its prefix.
    fn next(
        &mut self,
        pool: &PoolName,
        fields: &Map<String, Value>,
        pool_id: &str,
    ) -> Result<Object, Error> {
        if !pool.ranges.is_empty() {
            for range in &pool.ranges {
                let path = format!("/ipam/ip-ranges/{range}/");
                match self.take(pool, &path, fields)? {
                    Next::Found(found) => return Ok(found),
                    Next::Exhausted => {}
                    Next::NotFound => {
                        log::warn(format!("NetBox has no IP range {range} any more, of {pool_id}"));
                    }
                }
            }
            return Err(Code::NoAvailableIps.into());
        }
        let prefix = self.moved.get(&pool.prefix).copied().unwrap_or(pool.prefix);
        let path = |prefix: u64| format!("{}{prefix}/", Of::Prefixes.path());
        match self.take(pool, &path(prefix), fields)? {
            Next::Found(found) => Ok(found),
            Next::Exhausted => Err(Code::NoAvailableIps.into()),
            Next::NotFound => {
                // Somebody deleted the prefix, and perhaps made it again.
                let net = pool.net.to_string();
                let again = self.api.list(Of::Prefixes, &[("prefix", &net)])?;
                let again = again.into_iter().find(|known| known.net == pool.net);
                let again = again.ok_or_else(|| {
                    let text = format!(
                        "NetBox has no prefix {net} for pool {pool_id}: make it there again, and \
                         the pool works again"
                    );
                    Error::new(Code::PoolNotFound, text)
                })?;
                self.moved.insert(pool.prefix, again.id);
                self.take(pool, &path(again.id), fields)?.ok().ok_or(Code::NoAvailableIps.into())
            }
        }
    }

    /// Takes the next address of what is at `path`. A prefix that NetBox calls a pool offers
    /// its ends, too: they are put aside, until the pool is released, or they would be
    /// offered each time.
    fn take(
        &mut self,
        pool: &PoolName,
        path: &str,
        fields: &Map<String, Value>,
    ) -> Result<Next, Error> {
        for _ in 0..=ENDS_MAX {
            match self.api.available(Of::Addresses, path, fields.clone())? {
                Taken::Object(made) if is_end(pool.net, made.net.addr()) => {
                    let mut fields = self.made.with(&pool.options)?.address(None);
                    self.sign(&mut fields, Some(&pool.key()), "not for use");
                    self.api.delete(Of::Addresses, made.id)?;
                    self.api.create(Of::Addresses, made.net, fields)?;
                }
                Taken::Object(made) if pool.net.contains(&made.net.addr()) => {
                    return Ok(Next::Found(made));
                }
                Taken::Object(_) => return Err(self.api.odd("that address is not of the pool")),
                Taken::Exhausted => return Ok(Next::Exhausted),
                Taken::NotFound => return Ok(Next::NotFound),
            }
        }
        Ok(Next::Exhausted)
    }

    /// Makes exactly this address, or takes over one of ours that was left over. Where
    /// NetBox allows duplicates, the object with the lowest id counts.
    fn named(
        &mut self,
        request: &AddressRequest,
        pool: &PoolName,
        address: IpAddr,
        fields: Map<String, Value>,
    ) -> Result<Object, Error> {
        if !pool.net.contains(&address) {
            return Err(Code::IpOutOfRange.into());
        }
        if is_end(pool.net, address) || self.granted.contains(&(pool.key(), address)) {
            return Err(Code::IpAlreadyAllocated.into());
        }
        let wanted = IpNet::new(address, pool.net.prefix_len()).map_err(|_| Code::IpOutOfRange)?;
        let made = self.api.create(Of::Addresses, wanted, fields)?;
        if made.as_ref().is_some_and(|made| made.net.addr() != address) {
            return Err(self.api.odd("that address was not asked for"));
        }
        let found = self.at(address)?;
        let first = found.into_iter().next();
        match (made, first) {
            (Some(made), first) if first.as_ref().is_none_or(|first| first.id >= made.id) => {
                Ok(made)
            }
            (made, first) => {
                if let Some(made) = made {
                    self.api.delete(Of::Addresses, made.id)?;
                }
                let first = first.ok_or_else(|| {
                    let text = format!(
                        "NetBox has {address}, and does not show it to this token, or it is in an \
                         IP range that is marked as populated"
                    );
                    Error::new(Code::IpAlreadyAllocated, text)
                })?;
                self.as_netbox_has_it(request, pool, first)
            }
        }
    }

    /// What NetBox has at an address, the lowest id first.
    pub(crate) fn at(&mut self, address: IpAddr) -> Result<Vec<Object>, Error> {
        let mut found = self.api.list(Of::Addresses, &[("address", &address.to_string())])?;
        found.retain(|known| known.net.addr() == address);
        Ok(found)
    }

    /// Ours is taken over. A gateway, and an auxiliary address, which comes without an
    /// endpoint, are granted as NetBox has them; but not what another host's container has.
    fn as_netbox_has_it(
        &mut self,
        request: &AddressRequest,
        pool: &PoolName,
        known: Object,
    ) -> Result<Object, Error> {
        let address = known.net.addr();
        let url = Self::url(Of::Addresses, known.id);
        if self.identity.is_ours(&known, Some(&pool.key())) {
            log::info(format!("{address} is taken over: {url}"));
            self.forget_left_over(pool, address);
            return Ok(known);
        }
        let is_endpoint = request.endpoint_name().or(request.mac_address()).is_some();
        let is_lease = is_any_hosts(&known) && !is_any_hosts_gateway(&known);
        if (is_endpoint && !request.is_gateway()) || is_lease {
            let text = format!("{address} is {url}");
            return Err(Error::new(Code::IpAlreadyAllocated, text));
        }
        log::info(format!("{address} is granted as it is: {url}"));
        self.as_it_is.insert((pool.key(), address));
        Ok(known)
    }

    /// It is leased now, or free.
    pub(crate) fn forget_left_over(&mut self, pool: &PoolName, address: IpAddr) {
        self.left_over.forget(&pool.key(), |known| known.net.addr() == address);
    }
}

/// What comes of taking the next address.
enum Next {
    Found(Object),
    Exhausted,
    NotFound,
}

impl Next {
    fn ok(self) -> Option<Object> {
        match self {
            Self::Found(found) => Some(found),
            Self::Exhausted | Self::NotFound => None,
        }
    }
}
