//! Repeats: who asks again for what is held already, and may.
//!
//! `ARCHITECTURE.md` has the rules and whom they are for. A claim gives what it
//! claims a generation of its own, so that one comparison says whether
//! something was asked for since: [`Caller::fence`].

use crate::{Asked, Caller, Lease, State, space::Leased, state::Held};
use ipam_api::{AddressRequest, names};

impl Caller<'_> {
    /// The generation up to which things of `space` may be claimed. Nothing
    /// before an engine asked this process what the driver needs: each does so
    /// when it begins with a plugin, and each of swarm's managers when it
    /// begins to lead.
    pub(crate) fn fence(&self, space: &str) -> Option<u64> {
        let asked_at = self.asked_at?;
        Some(if self.is_global(space) { asked_at } else { self.loaded })
    }

    /// Whether it is the space in which swarm's managers ask.
    pub(crate) fn is_global(&self, space: &str) -> bool {
        self.global_space == Some(space)
    }
}

impl State {
    /// Whether the exact repeat of a pool is a claim.
    ///
    /// A manager that begins to lead asks for the pool of each network and
    /// then, by name, for its gateway. So as long as a gateway waits to be
    /// asked for, its network may be the one that asks.
    ///
    /// A node asks by name for everything. Of a network of the engine's own at
    /// least the gateway is the driver's choice, unless its user chose all.
    pub(crate) fn may_claim_pool(&self, held: &Held, caller: &Caller<'_>) -> bool {
        let Some(fence) = caller.fence(&held.pool.address_space) else { return false };
        let is_old = held.pool.generation <= fence;
        if caller.is_global(&held.pool.address_space) {
            let mut gateways = self.gateways(held).peekable();
            return match gateways.peek() {
                Some(_) => gateways.any(|leased| leased.lease.generation <= fence),
                None => is_old,
            };
        }
        is_old
            && held.pool.asked == Asked::Explicit
            && self.leases_of(&held.pool.pool_id).all(|lease| lease.asked == Asked::Explicit)
    }

    /// Whether the request for a leased address is a claim: of something old
    /// in a pool that has been claimed since, and in the global space of
    /// something in a network whose gateway has been.
    ///
    /// Swarm's managers always ask for serial allocation and nobody else does:
    /// it is the only sign by which they are known.
    pub(crate) fn may_claim_address(
        &self,
        held: &Held,
        Leased { lease, .. }: &Leased,
        request: &AddressRequest,
        caller: &Caller<'_>,
    ) -> bool {
        let Some(fence) = caller.fence(&held.pool.address_space) else { return false };
        let has = |key, value| request.options.get(key).is_some_and(|it| it == value);
        let is_gateway = has(names::REQUEST_ADDRESS_TYPE, names::GATEWAY);
        let is_of_a_manager = || {
            has(names::ALLOC_SERIAL_PREFIX, "true")
                && (is_gateway || self.has_a_gateway_back(held, fence))
        };
        lease.generation <= fence
            && held.pool.generation > fence
            && lease.pool_id == held.pool.pool_id
            && lease.is_gateway() == is_gateway
            && (!caller.is_global(&held.pool.address_space) || is_of_a_manager())
    }

    /// Whether a gateway was asked for by name since, as in a replay. That of
    /// another network with the same pool is the driver's choice at first.
    fn has_a_gateway_back(&self, held: &Held, fence: u64) -> bool {
        let is_named = |Leased { lease, claimed }: &Leased| {
            lease.asked == Asked::Explicit || claimed.is_some()
        };
        held.gateways.is_empty()
            || self.gateways(held).any(|leased| leased.lease.generation > fence && is_named(leased))
    }

    /// Whether nobody has asked for a lease since this process read it at that
    /// generation, or since a manager that began to lead asked for the gateway
    /// of its network: then it asks for all that it knows.
    #[must_use]
    pub fn is_stale(&self, lease: &Lease, loaded: u64) -> bool {
        let is_left_out = |leased: &Leased| {
            leased.claimed.is_some() && leased.lease.generation > lease.generation
        };
        lease.generation <= loaded
            || self.held(&lease.pool_id).is_some_and(|held| self.gateways(held).any(is_left_out))
    }

    /// The gateways that were leased under that very id.
    fn gateways<'a>(&'a self, held: &'a Held) -> impl Iterator<Item = &'a Leased> {
        held.gateways.iter().filter_map(|&address| self.leased(&held.pool, address))
    }
}
