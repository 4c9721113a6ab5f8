//! Which prefixes and addresses of NetBox are granted, and what is written there.
//!
//! Pool ids are `netbox/ID/ADDRESS/LENGTH`, with the id of NetBox's prefix: all that a
//! request needs is in it, and in NetBox.

use crate::{
    SPACE,
    api::{Api, Made, Object, Of, gone},
    config::{Base, Config},
};
use ipam_driver::{
    AddressGrant, AddressRequest, Code, Error, Family, IpNet, Kind, PoolChoice, PoolGrant,
    PoolRequest, log,
};
use ipam_http_driver::{Http, Server};
use std::{collections::BTreeSet, net::IpAddr};

/// The longest description that NetBox takes.
const DESCRIPTION_CHARACTERS_MAX: usize = 200;

/// Addresses that one call deletes: the host bounds its requests.
const DELETED_MAX: usize = 20;

/// The policy, over a way to ask.
#[derive(Debug)]
pub(crate) struct Policy<H> {
    api: Api<H>,
    /// Pools of this instance that were prefixes of NetBox before. A second request
    /// for one is refused; the host's ledger would refuse it, too.
    found: BTreeSet<String>,
}

impl<H: Http> Policy<H> {
    pub(crate) fn new(config: (Server, Config), http: H) -> Self {
        Self { api: Api::new(config, http), found: BTreeSet::new() }
    }

    pub(crate) fn request_pool(&mut self, request: &PoolRequest) -> Result<PoolGrant, Error> {
        if request.address_space != SPACE {
            let text = format!("cannot find address space {}", request.address_space);
            return Err(Error::new(Code::InvalidAddressSpace, text));
        }
        if request.sub_pool.is_some() {
            return Err(Error::new(Code::InvalidSubPool, "netbox has no sub-pools"));
        }
        let prefix = match request.pool {
            PoolChoice::Exact(pool) => self.exact(pool)?,
            PoolChoice::Automatic(family) => self.cut(family, None)?,
            PoolChoice::Sized(family, length) => self.cut(family, Some(length))?,
        };
        Ok(PoolGrant::new(id(&prefix), prefix.net))
    }

    /// The prefix that NetBox has, or a new one.
    fn exact(&mut self, pool: IpNet) -> Result<Object, Error> {
        let overlap = |text: &str| Err(Error::new(Code::PoolOverlap, text));
        if pool.prefix_len() == 0 {
            return Err(Error::new(Code::InvalidPool, "a pool is not all addresses"));
        }
        if self.api.config().bases.iter().any(|base| pool.contains(&base.prefix)) {
            return overlap("automatic pools are cut from this one");
        }
        let text = pool.to_string();
        if let Some(known) = self.api.list(Of::Prefixes, &[("prefix", &text)])?.into_iter().next() {
            if self.is_ours(&known, None) || !self.found.insert(id(&known)) {
                return overlap("this host has that pool, or left it at NetBox");
            }
            return Ok(known);
        }
        let tag = self.tag(None);
        for filter in ["contains", "within"] {
            // A NetBox that does not know the second filter finds more.
            let filters = [(filter, text.as_str()), ("description__isw", tag.as_str())];
            let others = self.api.list(Of::Prefixes, &filters)?;
            if let Some(other) = others.iter().find(|other| self.is_ours(other, None)) {
                return overlap(&format!("{} is a pool of this host", other.net));
            }
        }
        let made = self.api.create(Of::Prefixes, pool, &tag)?;
        made.map_or_else(|| overlap("NetBox has had it since a moment ago"), Ok)
    }

    /// A new prefix from the first base that has one.
    fn cut(&mut self, family: Family, length: Option<u8>) -> Result<Object, Error> {
        let mut error = Error::new(Code::InvalidPool, "no default-address-pools for such a pool");
        let tag = self.tag(None);
        for Base { prefix: base, size } in self.api.config().bases.clone() {
            let length = length.unwrap_or(size);
            let has_room = (base.prefix_len()..=base.max_prefix_len()).contains(&length);
            if Family::of(&base) != family || !has_room {
                continue;
            }
            let parent = self.api.list(Of::Prefixes, &[("prefix", &base.to_string())])?;
            let Some(parent) = parent.first() else {
                log::warn(format!("NetBox has no prefix {base} to cut pools from"));
                error = Error::new(Code::NoAvailablePool, format!("NetBox has no prefix {base}"));
                continue;
            };
            match self.api.available(Of::Prefixes, parent.id, Some(length), &tag)? {
                Made::Object(made)
                    if base.contains(&made.net) && made.net.prefix_len() == length =>
                {
                    return Ok(made);
                }
                Made::Object(_) => return Err(self.api.odd("that prefix was not asked for")),
                Made::Exhausted => error = Code::NoMoreSubnets.into(),
                Made::NotFound => {
                    let text = format!("NetBox has no prefix {base} any more");
                    error = Error::new(Code::NoAvailablePool, text);
                }
            }
        }
        Err(error)
    }

    /// Deletes what is ours of the pool: addresses that were left behind, and the
    /// prefix; one that NetBox had before stays.
    pub(crate) fn release_pool(&mut self, pool_id: &str) -> Result<(), Error> {
        let (prefix, net) = read_id(pool_id)?;
        self.delete_addresses(prefix, net).map_err(later)?;
        self.delete_prefix(prefix, net).map_err(later)?;
        self.found.remove(pool_id);
        Ok(())
    }

    /// As many as fit into one call; then the host asks again.
    fn delete_addresses(&mut self, prefix: u64, net: IpNet) -> Result<(), Error> {
        let tag = self.tag(Some(prefix));
        let net = net.to_string();
        let filters = [("parent", net.as_str()), ("description__isw", tag.as_str())];
        let listed = self.api.list(Of::Addresses, &filters)?;
        let ours: Vec<u64> = listed
            .iter()
            .filter(|known| self.is_ours(known, Some(prefix)))
            .map(|known| known.id)
            .collect();
        for id in ours.iter().take(DELETED_MAX) {
            self.api.delete(Of::Addresses, *id)?;
        }
        if ours.len() > DELETED_MAX {
            let text = format!("{} addresses are still to be deleted", ours.len() - DELETED_MAX);
            return Err(Error::other(Kind::Unavailable, text));
        }
        Ok(())
    }

    fn delete_prefix(&mut self, prefix: u64, net: IpNet) -> Result<(), Error> {
        if let Some(known) = self.api.get(Of::Prefixes, prefix)?
            && known.net == net
            && self.is_ours(&known, None)
        {
            self.api.delete(Of::Prefixes, prefix)?;
        }
        Ok(())
    }

    pub(crate) fn request_address(
        &mut self,
        request: &AddressRequest,
    ) -> Result<AddressGrant, Error> {
        let (prefix, net) = read_id(&request.pool_id)?;
        let description = self.describe(prefix, request);
        let made = match request.address {
            Some(address) => self.named(net, address, &description)?,
            None => match self.api.available(Of::Addresses, prefix, None, &description)? {
                Made::Object(made) if net.contains(&made.net.addr()) => made,
                Made::Object(_) => return Err(self.api.odd("that address is not of the pool")),
                Made::Exhausted => return Err(Code::NoAvailableIps.into()),
                Made::NotFound => return Err(gone(&request.pool_id)),
            },
        };
        // The length is the pool's, whatever it is at NetBox.
        let address = IpNet::new(made.net.addr(), net.prefix_len());
        Ok(AddressGrant::new(address.map_err(|_| self.api.odd("that address is not of the pool"))?))
    }

    /// Makes exactly this address. Where NetBox allows duplicates, the object with the
    /// lower id counts.
    fn named(&mut self, net: IpNet, address: IpAddr, description: &str) -> Result<Object, Error> {
        if !net.contains(&address) {
            return Err(Code::IpOutOfRange.into());
        }
        let has_ends = matches!(net, IpNet::V4(_)) && net.max_prefix_len() - net.prefix_len() > 1;
        let is_end = has_ends && [net.network(), net.broadcast()].contains(&address);
        let text = address.to_string();
        if is_end || !self.api.list(Of::Addresses, &[("address", &text)])?.is_empty() {
            return Err(Code::IpAlreadyAllocated.into());
        }
        let wanted = IpNet::new(address, net.prefix_len()).map_err(|_| Code::IpOutOfRange)?;
        let made = self.api.create(Of::Addresses, wanted, description)?;
        let made = made.ok_or(Code::IpAlreadyAllocated)?;
        if made.net.addr() != address {
            return Err(self.api.odd("that address was not asked for"));
        }
        let first = self.api.list(Of::Addresses, &[("address", &text)])?.into_iter().next();
        if first.is_some_and(|first| first.id != made.id) {
            self.api.delete(Of::Addresses, made.id)?;
            return Err(Code::IpAlreadyAllocated.into());
        }
        Ok(made)
    }

    /// Deletes the address if it is ours.
    pub(crate) fn release_address(&mut self, pool_id: &str, address: IpAddr) -> Result<(), Error> {
        let (prefix, _) = read_id(pool_id)?;
        self.delete_address(prefix, address).map_err(later)
    }

    fn delete_address(&mut self, prefix: u64, address: IpAddr) -> Result<(), Error> {
        for known in self.api.list(Of::Addresses, &[("address", &address.to_string())])? {
            if self.is_ours(&known, Some(prefix)) {
                self.api.delete(Of::Addresses, known.id)?;
            }
        }
        Ok(())
    }

    /// How a description of ours begins: by it, what was left behind is found.
    fn tag(&self, pool: Option<u64>) -> String {
        let tag = format!("wipam driver=netbox host={}", self.api.config().host);
        pool.map_or_else(|| tag.clone(), |pool| format!("{tag} pool={pool}"))
    }

    fn is_ours(&self, object: &Object, pool: Option<u64>) -> bool {
        let rest = object.description.strip_prefix(&self.tag(pool));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    }

    /// The tag, and the client that an address is for.
    fn describe(&self, pool: u64, request: &AddressRequest) -> String {
        let tag = self.tag(Some(pool));
        let whom = match request.endpoint_name().or(request.mac_address()) {
            _ if request.is_gateway() => " gateway".to_owned(),
            Some(whom) => format!(" for={whom}"),
            None => String::new(),
        };
        let printable = whom.chars().filter(|it| !it.is_control());
        tag.chars().chain(printable).take(DESCRIPTION_CHARACTERS_MAX).collect()
    }
}

/// A refusal of a release. The host repeats a release that is `Unavailable`, and grants
/// nothing before it succeeds. So every failure that may end is `Unavailable`: also an
/// invalid token, and the answer of a proxy. NetBox's refusal of this deletion is not: it
/// would never end.
fn later(refusal: Error) -> Error {
    let is_final = refusal.code() == Code::Other(Kind::BadRequest);
    if is_final { refusal } else { Error::other(Kind::Unavailable, refusal.text()) }
}

fn id(prefix: &Object) -> String {
    format!("{SPACE}/{}/{}", prefix.id, prefix.net)
}

fn read_id(pool_id: &str) -> Result<(u64, IpNet), Error> {
    let read = || {
        let (space, rest) = pool_id.split_once('/')?;
        let (prefix, net) = rest.split_once('/')?;
        (space == SPACE).then_some((prefix.parse().ok()?, net.parse().ok()?))
    };
    read().ok_or_else(|| gone(pool_id))
}
