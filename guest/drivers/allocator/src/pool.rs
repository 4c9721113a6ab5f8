//! One pool: its sub-pools, and who may have which of its addresses.

use crate::{
    address_set::AddressSet,
    block::{Family, last_offset, number},
    error::Error,
    reserved::ends,
};
use alloc::collections::{BTreeMap, BTreeSet};
use core::{net::IpAddr, ops::RangeInclusive};
use ipnet::IpNet;

/// The reference keeps the addresses of a pool in sets of at most 2^63, and a cursor in
/// each. A cursor is forgotten with the last address of its set, and that can be seen.
const CURSOR_BITS: u32 = 63;

/// How full a pool is: libnetwork's `SubnetStatus`. What does not fit is `u64::MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Addresses in use in the whole pool, reserved ones included.
    pub ips_in_use: u64,
    /// Addresses that a request without a name can still get: those free in the pool,
    /// or in its sub-pool if it has one.
    pub dynamic_ips_available: u64,
}

/// A pool that is held, by itself or through its sub-pools, which share its addresses.
/// Addresses are kept as offsets from the first one; reserved ones are not kept.
#[derive(Debug)]
pub(crate) struct Pool {
    prefix: IpNet,
    /// The first address.
    first: u128,
    /// The last offset.
    last: u128,
    /// The offsets that are not reserved.
    usable: RangeInclusive<u128>,
    /// Somebody holds the bare pool, not only sub-pools.
    pub(crate) is_held: bool,
    /// Each is a part of `prefix`.
    pub(crate) sub_pools: BTreeSet<IpNet>,
    leased: AddressSet,
    /// What follows the address that was last chosen in each set, by set.
    cursors: BTreeMap<u128, u128>,
}

impl Pool {
    /// A pool that nobody holds yet; host bits of `prefix` are zero.
    pub(crate) fn new(prefix: IpNet) -> Self {
        let last = last_offset(prefix.max_prefix_len() - prefix.prefix_len());
        let (is_first_reserved, is_last_reserved) = ends(prefix);
        Self {
            prefix,
            first: number(prefix.network()),
            last,
            usable: is_first_reserved.into()..=last - u128::from(is_last_reserved),
            is_held: false,
            sub_pools: BTreeSet::new(),
            leased: AddressSet::default(),
            cursors: BTreeMap::new(),
        }
    }

    /// Its prefix.
    pub(crate) fn prefix(&self) -> IpNet {
        self.prefix
    }

    /// Whether the id of this sub-pool, or of the bare pool, may be used. The bare one
    /// always may: the reference does not ask whether it was requested.
    pub(crate) fn knows(&self, sub_pool: Option<IpNet>) -> bool {
        sub_pool.is_none_or(|sub_pool| self.sub_pools.contains(&sub_pool))
    }

    /// Whether an address, or the IPv4 one that it maps, is of this pool.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.offset(address).is_ok()
    }

    /// Leases this address of the pool.
    pub(crate) fn request(&mut self, address: IpAddr) -> Result<IpNet, Error> {
        let offset = self.offset(address)?;
        if self.usable.contains(&offset) && self.leased.insert_lowest(offset..=offset).is_some() {
            return Ok(self.leasable(offset));
        }
        Err(Error::IpAlreadyAllocated)
    }

    /// Leases any address of the sub-pool or pool: the lowest free one, or with
    /// `serial` the lowest after the one chosen last, whoever asked for that.
    pub(crate) fn request_any(
        &mut self,
        sub_pool: Option<IpNet>,
        serial: bool,
    ) -> Result<IpNet, Error> {
        let range = self.offsets(sub_pool);
        let (lowest, highest) = self.usable_in(&range).into_inner();
        let set = range.start() >> CURSOR_BITS;
        let cursor = self.cursors.get(&set).copied();
        let offset = cursor
            .filter(|cursor| serial && range.start() < cursor && cursor <= range.end())
            .and_then(|cursor| self.leased.insert_lowest(cursor..=highest))
            .or_else(|| self.leased.insert_lowest(lowest..=highest))
            .ok_or(Error::NoAvailableIps)?;
        self.cursors.insert(set, offset.saturating_add(1));
        Ok(self.leasable(offset))
    }

    /// Releases an address of the pool, leased or not. A reserved one stays reserved.
    pub(crate) fn release(&mut self, address: IpAddr) -> Result<(), Error> {
        let offset = self.offset(address)?;
        let set = offset >> CURSOR_BITS;
        if self.leased.remove(offset) && self.is_unused(set) {
            self.cursors.remove(&set);
        }
        Ok(())
    }

    /// How full the pool is, and what is left of the sub-pool or pool.
    pub(crate) fn status(&self, sub_pool: Option<IpNet>) -> Status {
        let reserved = self.usable.start() + (self.last - self.usable.end());
        let used = u128::from(self.leased.count(self.usable.clone())) + reserved;
        let usable = self.usable_in(&self.offsets(sub_pool));
        // All 2^128 addresses never are: the first one of so large a pool is reserved.
        let capacity = usable.end().checked_sub(*usable.start()).map_or(0, |last| last + 1);
        let free = capacity - u128::from(self.leased.count(usable));
        let saturated = |count| u64::try_from(count).unwrap_or(u64::MAX);
        Status { ips_in_use: saturated(used), dynamic_ips_available: saturated(free) }
    }

    /// Whether nothing of a set is leased or reserved.
    fn is_unused(&self, set: u128) -> bool {
        let first = set << CURSOR_BITS;
        // Only the first set has reserved addresses: no IPv4 pool has two sets.
        let has_reserved = set == 0 && ends(self.prefix).0;
        !has_reserved && self.leased.count(first..=first | ((1 << CURSOR_BITS) - 1)) == 0
    }

    /// Those of a range that are not reserved.
    fn usable_in(&self, range: &RangeInclusive<u128>) -> RangeInclusive<u128> {
        *range.start().max(self.usable.start())..=*range.end().min(self.usable.end())
    }

    /// The offsets of the sub-pool or pool.
    fn offsets(&self, sub_pool: Option<IpNet>) -> RangeInclusive<u128> {
        let Some(sub_pool) = sub_pool else { return 0..=self.last };
        let first = number(sub_pool.network()) - self.first;
        first..=first | last_offset(sub_pool.max_prefix_len() - sub_pool.prefix_len())
    }

    fn offset(&self, address: IpAddr) -> Result<u128, Error> {
        let address = address.to_canonical();
        if address.is_ipv4() != matches!(self.prefix, IpNet::V4(_)) {
            return Err(Error::IpOutOfRange);
        }
        let offset = number(address).checked_sub(self.first);
        offset.filter(|&offset| offset <= self.last).ok_or(Error::IpOutOfRange)
    }

    /// The address at an offset, with the prefix length of the pool.
    fn leasable(&self, offset: u128) -> IpNet {
        let address = Family::of(&self.prefix).address(self.first + offset);
        IpNet::new(address, self.prefix.prefix_len()).expect("the length is that of a prefix")
    }
}
