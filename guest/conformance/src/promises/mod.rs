//! The promises of the contract, by section, in the order in which they are
//! asked for. Each begins with nothing granted and ends so.

mod addresses;
mod errors;
mod ids;
mod offers;
mod pools;
mod random;
mod releases;
mod replay;
mod small;
mod spaces;

use crate::case::{Case, Check, fail};

/// One promise.
#[derive(Debug, Clone, Copy)]
pub struct Promise {
    /// What it is about.
    pub section: &'static str,
    /// Its name, unique in its section.
    pub name: &'static str,
    /// What is promised.
    pub title: &'static str,
    pub(crate) check: fn(&mut Case<'_>) -> Check,
}

const fn promise(
    section: &'static str,
    name: &'static str,
    title: &'static str,
    check: fn(&mut Case<'_>) -> Check,
) -> Promise {
    Promise { section, name, title, check }
}

/// Every promise. The first is that the driver starts.
#[rustfmt::skip]
pub const PROMISES: &[Promise] = &[
    promise("start", "starts", "it starts with its configuration", starts),

    promise("spaces", "named", "both address spaces have a name", spaces::named),
    promise("spaces", "stable", "their names stay the same", spaces::stable),
    promise("spaces", "unknown", "a pool of an unknown space is refused", spaces::unknown),
    promise("spaces", "apart", "what is taken in one space is free in the other", spaces::apart),

    promise("pools", "exact-ipv4", "an IPv4 pool that is named is granted as it is", pools::exact_ipv4),
    promise("pools", "exact-ipv6", "an IPv6 pool that is named is granted as it is", pools::exact_ipv6),
    promise("pools", "taken", "a pool that is taken is refused", pools::taken),
    promise("pools", "overlap", "a pool that overlaps one is refused, or granted as it is", pools::overlapping),
    promise("pools", "automatic-ipv4", "automatic IPv4 pools never overlap", pools::automatic_ipv4),
    promise("pools", "automatic-ipv6", "automatic IPv6 pools never overlap", pools::automatic_ipv6),
    promise("pools", "automatic-beside-exact", "an automatic pool keeps clear of pools that were named", pools::automatic_beside_exact),
    promise("pools", "sized-ipv4", "an IPv4 pool of a size has that size", pools::sized_ipv4),
    promise("pools", "sized-ipv6", "an IPv6 pool of a size has that size", pools::sized_ipv6),
    promise("pools", "impossible-size", "a size that no prefix has is refused", pools::impossible_size),
    promise("pools", "exhausted", "automatic pools end with a refusal, and one that is released is found again", pools::exhausted),
    promise("pools", "excluded", "an automatic pool keeps clear of what is excluded", pools::excluded),
    promise("pools", "sub-pool", "addresses without a name come from the sub-pool", pools::sub_pool),
    promise("pools", "sub-pool-outside", "a sub-pool that is not in its pool is refused", pools::sub_pool_outside),
    promise("pools", "options", "the operator's options do not change which pool is granted", pools::options),

    promise("ids", "bounded", "a pool id has 1 to 256 bytes, however long its pool is written", ids::bounded),
    promise("ids", "distinct", "no two pools share an id", ids::distinct),
    promise("ids", "stable", "an id means its pool as long as it is granted", ids::stable),

    promise("addresses", "any-ipv4", "any IPv4 address is one of the pool, and nobody else's", addresses::any_ipv4),
    promise("addresses", "any-ipv6", "any IPv6 address is one of the pool, and nobody else's", addresses::any_ipv6),
    promise("addresses", "explicit-ipv4", "an IPv4 address that is named is leased as it is", addresses::explicit_ipv4),
    promise("addresses", "explicit-ipv6", "an IPv6 address that is named is leased as it is", addresses::explicit_ipv6),
    promise("addresses", "in-use", "an address that is leased is refused", addresses::in_use),
    promise("addresses", "any-beside-explicit", "any address is none of those that were named", addresses::any_beside_explicit),
    promise("addresses", "out-of-range", "an address that is not of the pool is refused", addresses::out_of_range),
    promise("addresses", "outside-sub-pool", "an address outside the sub-pool can be named", addresses::outside_sub_pool),
    promise("addresses", "unknown-pool", "an address of an unknown pool is refused", addresses::unknown_pool),
    promise("addresses", "gateway", "a gateway is leased like an address, and to nobody else", addresses::gateway),
    promise("addresses", "serial", "serial allocation reuses an address as late as possible", addresses::serial),
    promise("addresses", "no-pool", "no address is leased of no pool", addresses::no_pool),
    promise("addresses", "exhausted", "a pool leases each address once, and then refuses", small::exhausted),
    promise("addresses", "sub-pool-exhausted", "a sub-pool that is full refuses", small::sub_pool_exhausted),
    promise("addresses", "ipv4-31", "a /31 leases at most two addresses", small::ipv4_31),
    promise("addresses", "ipv4-32", "a /32 leases at most one address", small::ipv4_32),
    promise("addresses", "ipv6-127", "a /127 leases at most two addresses", small::ipv6_127),
    promise("addresses", "ipv6-128", "a /128 leases at most one address", small::ipv6_128),

    promise("releases", "address", "an address that was released is leased again", releases::address),
    promise("releases", "full-pool", "a full pool leases what was released", releases::full_pool),
    promise("releases", "address-twice", "releasing an address twice changes nothing", releases::address_twice),
    promise("releases", "unknown", "releasing what is not leased changes nothing", releases::unknown),
    promise("releases", "pool", "a pool that was released is granted again, and empty", releases::pool),
    promise("releases", "automatic-pools", "automatic pools that are released do not run out", releases::automatic_pools),
    promise("releases", "pool-twice", "releasing a pool twice changes nothing", releases::pool_twice),
    promise("releases", "pool-in-use", "a pool with leases is kept with them, or released with them", releases::pool_in_use),
    promise("releases", "neighbours", "a release touches no other pool", releases::neighbours),

    promise("replay", "pool", "a replayed pool is granted as it was", replay::pool),
    promise("replay", "address", "a replayed address is leased as it was", replay::address),
    promise("replay", "respected", "what was replayed is leased to nobody else", replay::respected),

    promise("errors", "invalid-address-space", "an unknown space is invalid-address-space", errors::invalid_address_space),
    promise("errors", "pool-overlap", "a pool that is taken is pool-overlap", errors::pool_overlap),
    promise("errors", "invalid-sub-pool", "a sub-pool outside its pool is invalid-sub-pool", errors::invalid_sub_pool),
    promise("errors", "no-more-subnets", "no automatic pool left is no-more-subnets or no-available-pool", errors::no_more_subnets),
    promise("errors", "ip-already-allocated", "an address that is leased is ip-already-allocated", errors::ip_already_allocated),
    promise("errors", "ip-out-of-range", "an address that is not of the pool is ip-out-of-range", errors::ip_out_of_range),
    promise("errors", "no-available-ips", "a full pool is no-available-ips", errors::no_available_ips),
    promise("errors", "pool-not-found", "an unknown pool is pool-not-found, bad-pool or other(not-found)", errors::pool_not_found),

    promise("random", "operations", "after any requests, nothing is granted twice and nothing is lost", random::operations),
];

fn starts(case: &mut Case<'_>) -> Check {
    match case.start() {
        Ok(()) => Ok(()),
        Err(refusal) => fail!("its start is {refusal}"),
    }
}

#[cfg(test)]
mod tests {
    use super::PROMISES;
    use std::collections::BTreeSet;

    #[test]
    fn promises_have_names_of_their_own_and_sections_are_together() {
        let names: BTreeSet<_> = PROMISES.iter().map(|it| (it.section, it.name)).collect();
        assert_eq!(names.len(), PROMISES.len());
        let mut sections: Vec<_> = PROMISES.iter().map(|it| it.section).collect();
        sections.dedup();
        let distinct: BTreeSet<_> = sections.iter().collect();
        assert_eq!(distinct.len(), sections.len(), "{sections:?}");
    }
}
