//! The gateway that a driver names with a pool, in its `data`.
//!
//! Docker puts it on the network's bridge and asks for none, so it is held like
//! a lease that nobody can be given for as long as the pool lives. It is
//! derived from the pool as it is stored: no event is its own.
//!
//! Whoever asks for the gateway of that very pool *as its gateway* and by name
//! may lease it: swarm's managers do when they replay, and Docker does when its
//! user names the same one. The lease can be released; the pool holds on.

use crate::{Pool, State, Violation};
use ipam_api::{AddressRequest, Code, Error, IpNet, PoolId, names};
use std::net::IpAddr;

/// How much of what is no gateway the operator is told: the longest address
/// with its length has 43.
const NAMED_CHARS_MAX: usize = 64;

/// What a driver says of a pool's gateway.
enum Named {
    Nothing,
    /// That there is none, and that Docker shall not ask for one: the family's
    /// unspecified address with length 0, as Calico's plugin says it.
    NoGateway,
    /// An address with a length; of the pool or not.
    At(IpNet),
    /// No address with a length.
    Nonsense,
}

impl Pool {
    fn named(&self) -> Named {
        let Some(text) = self.data.get(names::GATEWAY) else { return Named::Nothing };
        let Some(at) = parse(text) else { return Named::Nonsense };
        let is_nothing = at.prefix_len() == 0 && at.addr().is_unspecified();
        if is_nothing && at.addr().is_ipv4() == self.prefix.addr().is_ipv4() {
            Named::NoGateway
        } else {
            Named::At(at)
        }
    }

    /// The gateway that the driver named with the pool, with the pool's length.
    /// Nothing if it named none, or, as an earlier version of this program let
    /// pass, one that is no address of the pool.
    #[must_use]
    pub fn gateway(&self) -> Option<IpNet> {
        let Named::At(at) = self.named() else { return None };
        if self.is_no_pool() || !self.prefix.contains(&at.addr()) {
            return None;
        }
        IpNet::new(at.addr(), self.prefix.prefix_len()).ok()
    }

    /// Checks the gateway that comes with a proposed pool: an address of the
    /// pool with the pool's length. Network and broadcast address are as good as
    /// any: neither the ledger nor Docker keeps a plugin from leasing them.
    pub(crate) fn check_gateway(&self) -> Result<(), Violation> {
        match self.named() {
            Named::Nothing | Named::NoGateway => return Ok(()),
            Named::At(at) if self.gateway() == Some(at) => return Ok(()),
            Named::At(_) | Named::Nonsense => {}
        }
        let text = self.data.get(names::GATEWAY).map_or("", String::as_str);
        let named = text.chars().take(NAMED_CHARS_MAX).collect();
        Err(Violation::NoGateway { named, pool: self.prefix })
    }
}

/// An address with a length. No leading zeros, as in Go: it is passed on as it
/// is written.
fn parse(text: &str) -> Option<IpNet> {
    let (address, length) = text.split_once('/')?;
    let is_number = length.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = is_number && (length.len() == 1 || !length.starts_with('0'));
    IpNet::new(address.parse().ok()?, length.parse().ok().filter(|_| is_plain)?).ok()
}

impl State {
    /// Checks that nobody holds the gateway that comes with a proposed pool.
    pub(crate) fn check_gateway_is_free(&self, pool: &Pool) -> Result<(), Violation> {
        let Some(proposed) = pool.gateway() else { return Ok(()) };
        let address = proposed.addr();
        let is_held = self.leased(pool, address).is_some() || self.is_gateway(pool, address);
        if is_held { Err(Violation::GatewayTaken { proposed }) } else { Ok(()) }
    }

    /// Refuses a request for a gateway that is held.
    pub(crate) fn refuse_gateway(
        &self,
        pool: &Pool,
        request: &AddressRequest,
        address: IpAddr,
    ) -> Result<(), Error> {
        if self.may_lease(pool, request, address) {
            Ok(())
        } else {
            Err(Code::IpAlreadyAllocated.into())
        }
    }

    /// Whether no gateway of a pool keeps the request from that address.
    pub(crate) fn may_lease(&self, pool: &Pool, request: &AddressRequest, address: IpAddr) -> bool {
        let kind = request.options.get(names::REQUEST_ADDRESS_TYPE);
        let is_its_own = request.address == Some(address)
            && kind.is_some_and(|kind| kind == names::GATEWAY)
            && pool.gateway().is_some_and(|gateway| gateway.addr() == address);
        is_its_own || !self.is_gateway(pool, address)
    }

    /// Whether the pool, or one that shares its prefix, holds that address as
    /// its gateway.
    fn is_gateway(&self, pool: &Pool, address: IpAddr) -> bool {
        self.space(&pool.address_space)
            .and_then(|space| space.subnet(&pool.prefix))
            .is_some_and(|subnet| subnet.is_gateway(address))
    }

    /// Whether that address of the pool, or of one that shares its prefix, is
    /// leased or a gateway.
    #[must_use]
    pub fn is_held(&self, pool_id: &PoolId, address: IpAddr) -> bool {
        self.pool(pool_id).is_some_and(|pool| {
            self.leased(pool, address).is_some() || self.is_gateway(pool, address)
        })
    }

    /// The gateway that is held with that pool. Nothing if it named none, or
    /// if it is leased: then the lease is what is held.
    #[must_use]
    pub fn gateway(&self, pool: &Pool) -> Option<IpNet> {
        pool.gateway().filter(|gateway| self.leased(pool, gateway.addr()).is_none())
    }

    /// How many addresses are held: leases, and gateways that came with their
    /// pools.
    #[must_use]
    pub fn address_total(&self) -> usize {
        self.lease_total() + self.pools().filter_map(|pool| self.gateway(pool)).count()
    }
}
