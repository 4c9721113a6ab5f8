//! Whatever the ledger and the engines hold, what is freed is what a plain
//! reading of the rules says, and nothing that anybody may use.
//!
//! Few drivers, subnets, ranges, hosts and generations, so that pools share
//! subnets, leases share addresses and second readings disagree with first ones
//! all the time.

use crate::{
    Error, Found, GrantedBy, Held, HeldLease, HeldPool, Network, Observation, Options, Space,
    Subnet, Swarms, reconcile,
    reconcile::tests::{Script, Slept, Views, now},
};
use ipam_api::{IpNet, PoolId, Receipt};
use proptest::{collection::vec, option, prelude::*};
use std::{collections::BTreeSet, net::IpAddr};

const DRIVERS: [&str; 2] = ["wipam", "lab:1"];
const PREFIXES: [&str; 4] = ["192.0.2.0/24", "192.0.2.0/25", "198.51.100.0/25", "fd52::/64"];
const HOSTS: [&str; 6] =
    ["192.0.2.1", "192.0.2.2", "192.0.2.200", "198.51.100.1", "fd52::1", "fd52::2"];
/// What a network may have for a subnet besides.
const LENGTH_ONLY: &str = "0.0.0.0/25";

fn prefix() -> impl Strategy<Value = IpNet> {
    prop::sample::select(&PREFIXES[..]).prop_map(|text| text.parse().unwrap())
}

/// Sub-pools and ranges; not all of them are of every prefix.
fn range() -> impl Strategy<Value = Option<IpNet>> {
    let texts = &["192.0.2.0/26", "192.0.2.64/26"][..];
    option::of(prop::sample::select(texts).prop_map(|text| text.parse().unwrap()))
}

fn hosts() -> impl Strategy<Value = BTreeSet<IpAddr>> {
    let host = prop::sample::select(&HOSTS[..]).prop_map(|text| text.parse().unwrap());
    prop::collection::btree_set(host, 0..4)
}

fn granted_by() -> impl Strategy<Value = GrantedBy> {
    prop_oneof![6 => Just(GrantedBy::Docker), 1 => Just(GrantedBy::Other)]
}

fn lease(address: IpAddr) -> impl Strategy<Value = HeldLease> {
    let parts = (1..3u64, prop::bool::weighted(0.2), granted_by(), prop::bool::weighted(0.7));
    parts.prop_map(move |(generation, is_gateway, granted_by, is_stale)| HeldLease {
        address,
        generation,
        is_gateway,
        granted_by,
        is_stale,
    })
}

/// A pool of one of the drivers, without an id.
fn pool() -> impl Strategy<Value = (usize, HeldPool)> {
    let space =
        prop_oneof![5 => Just(Space::Local), 5 => Just(Space::Global), 1 => Just(Space::Other)];
    let place = (space, prop::bool::weighted(0.7));
    let head = (0..DRIVERS.len(), prefix(), range(), 1..3u64, granted_by(), place, hosts());
    head.prop_flat_map(|(driver, prefix, sub_pool, generation, granted_by, place, hosts)| {
        let (space, is_stale) = place;
        let inside = hosts.into_iter().filter(|host| prefix.contains(host));
        let leases: Vec<_> = inside.map(lease).collect();
        leases.prop_map(move |leases| {
            let pool_id = "unnamed".try_into().unwrap();
            let newest = leases.iter().map(|lease| lease.generation).fold(generation, u64::max);
            let pool = HeldPool {
                pool_id,
                prefix,
                sub_pool,
                generation,
                newest,
                granted_by,
                space,
                is_stale,
                leases,
            };
            (driver, pool)
        })
    })
}

/// Two readings of one ledger: each pool in the first, the second, or both;
/// and then the same or with other leases and generations.
fn ledgers() -> impl Strategy<Value = (Vec<Held>, Vec<Held>)> {
    vec((pool(), 0..8u8, pool()), 0..5).prop_map(|all| {
        let (mut first, mut second) = (empty(), empty());
        for (number, ((driver, mut pool), fate, (_, other))) in all.into_iter().enumerate() {
            pool.pool_id = PoolId::try_from(&*number.to_string()).unwrap();
            let mut later = pool.clone();
            match fate {
                0 => later.generation = other.generation,
                4 => later.is_stale = !later.is_stale,
                5 => later.leases.iter_mut().for_each(|lease| lease.is_stale = !lease.is_stale),
                1 => {
                    let inside = |lease: &HeldLease| pool.prefix.contains(&lease.address);
                    later.leases = other.leases.into_iter().filter(inside).collect();
                }
                _ => {}
            }
            if fate != 2 {
                first[driver].pools.push(pool);
            }
            if fate != 3 {
                second[driver].pools.push(later);
            }
        }
        (first, second)
    })
}

fn empty() -> Vec<Held> {
    DRIVERS.map(|driver| Held { driver: driver.to_owned(), pools: vec![] }).into()
}

fn network() -> impl Strategy<Value = Network> {
    let any = LENGTH_ONLY.parse().unwrap();
    let prefix = prop_oneof![12 => prefix(), 1 => Just(any)];
    let subnet = (prefix, range(), hosts()).prop_map(|(prefix, ip_range, reserved)| Subnet {
        prefix,
        ip_range,
        reserved,
    });
    let often = || prop::bool::weighted(0.9);
    let parts = (0..DRIVERS.len(), open_or(vec(subnet, 1..3)), hosts(), often(), often());
    parts.prop_map(|(driver, subnets, endpoints, is_complete, shows_all_of_swarm)| Network {
        name: String::new(),
        driver: DRIVERS[driver].to_owned(),
        subnets,
        endpoints,
        is_complete,
        shows_all_of_swarm,
    })
}

/// Nodes are `a` and `b`. Most often they are said to be all there are.
fn swarms() -> impl Strategy<Value = Swarms> {
    let node = || prop::sample::select(&["a", "b"][..]).prop_map(str::to_owned);
    let nodes = || prop::collection::btree_set(node(), 0..3);
    let known = || ["a", "b"].map(str::to_owned).into();
    let nodes_known = prop_oneof![4 => Just(()).prop_map(move |()| known()), 1 => nodes()];
    (nodes(), nodes_known, prop::bool::weighted(0.1))
        .prop_map(|(members, nodes, is_unclear)| Swarms { members, nodes, is_unclear })
}

/// Few networks leave open which subnets they have: that keeps every pool.
fn open_or(subnets: impl Strategy<Value = Vec<Subnet>>) -> impl Strategy<Value = Vec<Subnet>> {
    let is_open = prop::bool::weighted(0.05);
    (subnets, is_open).prop_map(|(subnets, is_open)| if is_open { vec![] } else { subnets })
}

fn observations() -> impl Strategy<Value = (Observation, Observation)> {
    let one = || {
        let unplaced = prop_oneof![4 => Just(BTreeSet::new()), 1 => hosts()];
        let at_rest = prop_oneof![4 => Just(BTreeSet::new()), 1 => hosts()];
        let own = prop_oneof![9 => Just(None), 1 => prefix().prop_map(Some)];
        (vec(network(), 0..4), (unplaced, at_rest), own, swarms())
    };
    (one(), one(), any::<bool>()).prop_map(|(first, second, is_same)| {
        let make =
            |(networks, (unplaced, at_rest), own, swarms): (_, _, Option<IpNet>, _)| Observation {
                networks,
                unplaced,
                at_rest,
                swarms,
                dockers_own: own.into_iter().collect(),
            };
        let first = make(first);
        let second = if is_same { first.clone() } else { make(second) };
        (first, second)
    })
}

// The plain reading: scans, and no index.

fn is_ours(pool: &HeldPool, seen: &Observation) -> bool {
    let Swarms { members, nodes, is_unclear } = &seen.swarms;
    let is_known = !nodes.is_empty() && members.iter().all(|it| nodes.contains(it)) && !is_unclear;
    pool.granted_by == GrantedBy::Docker
        && (pool.space == Space::Local || (pool.space == Space::Global && is_known))
}

/// Whether its age lets it be freed.
fn may_go(pool: &HeldPool, is_stale: bool) -> bool {
    pool.space == Space::Local || is_stale
}

fn is_any(subnet: &Subnet) -> bool {
    subnet.prefix.addr().is_unspecified()
}

/// The subnets in question, each with its network.
fn subnets<'a>(
    driver: &'a str,
    prefix: IpNet,
    seen: &'a Observation,
) -> impl Iterator<Item = (&'a Network, &'a Subnet)> {
    let all = seen.networks.iter().flat_map(|net| net.subnets.iter().map(move |sub| (net, sub)));
    all.filter(move |(network, subnet)| {
        let is_v4_of_length = prefix.addr().is_ipv4() && prefix.prefix_len() == 25;
        network.driver == driver && (subnet.prefix == prefix || (is_any(subnet) && is_v4_of_length))
    })
}

fn is_in_use(address: IpAddr, seen: &Observation) -> bool {
    seen.unplaced.contains(&address)
        || seen.networks.iter().any(|network| {
            network.endpoints.contains(&address)
                || network.subnets.iter().any(|subnet| subnet.reserved.contains(&address))
        })
}

fn may_share(prefix: IpNet, network: &Network) -> bool {
    network.subnets.is_empty() || network.subnets.iter().any(|subnet| shares(prefix, subnet.prefix))
}

fn shares(prefix: IpNet, other: IpNet) -> bool {
    let is_length_only = other.to_string() == LENGTH_ONLY;
    (is_length_only && prefix.addr().is_ipv4() && prefix.prefix_len() == 25)
        || (!is_length_only && (prefix.contains(&other) || other.contains(&prefix)))
}

fn has_network(of: &Held, pool: &HeldPool, seen: &Observation) -> bool {
    let is_sibling = |other: &&HeldPool| {
        is_ours(other, seen) && other.space == pool.space && other.prefix == pool.prefix
    };
    let siblings: Vec<_> = of.pools.iter().filter(is_sibling).collect();
    let is_nobodys = |range| siblings.iter().all(|sibling| sibling.sub_pool != range);
    subnets(&of.driver, pool.prefix, seen).any(|(_, subnet)| {
        is_any(subnet) || subnet.ip_range == pool.sub_pool || is_nobodys(subnet.ip_range)
    })
}

fn may_be_in_use(pool: &HeldPool, seen: &Observation) -> bool {
    HOSTS.iter().map(|text| text.parse().unwrap()).any(|host: IpAddr| {
        pool.prefix.contains(&host) && (is_in_use(host, seen) || seen.at_rest.contains(&host))
    }) || seen.networks.iter().any(|network| may_share(pool.prefix, network))
        || seen.dockers_own.iter().any(|own| shares(pool.prefix, *own))
}

/// What is unknown: an address, or a pool with the leases under it.
type Entry = (String, Receipt, Vec<(IpAddr, u64)>);

fn unknown(held: &[Held], seen: &Observation) -> Vec<Entry> {
    let mut found = Vec::new();
    for of in held {
        for pool in of.pools.iter().filter(|pool| is_ours(pool, seen)) {
            let receipt = |address, generation| Receipt {
                pool_id: pool.pool_id.clone(),
                address,
                generation,
            };
            let are_dockers = pool.leases.iter().all(|lease| lease.granted_by == GrantedBy::Docker);
            if !has_network(of, pool, seen) {
                if are_dockers && may_go(pool, pool.is_stale) && !may_be_in_use(pool, seen) {
                    let under = pool.leases.iter().map(|lease| (lease.address, lease.generation));
                    let entry = receipt(None, pool.generation);
                    found.push((of.driver.clone(), entry, under.collect()));
                }
                continue;
            }
            let is_of_nodes = pool.space == Space::Global;
            let hides = |network: &&Network| {
                !network.is_complete || (is_of_nodes && !network.shows_all_of_swarm)
            };
            if seen.networks.iter().filter(hides).any(|network| may_share(pool.prefix, network)) {
                continue;
            }
            for lease in &pool.leases {
                let is_kept = lease.is_gateway
                    || !may_go(pool, lease.is_stale)
                    || lease.granted_by == GrantedBy::Other
                    || is_in_use(lease.address, seen);
                if !is_kept {
                    let entry = receipt(Some(lease.address), lease.generation);
                    found.push((of.driver.clone(), entry, vec![]));
                }
            }
        }
    }
    found
}

/// What is stale in the global space when nobody can tell whether it is in use.
fn stale(held: &[Held], seen: &Observation) -> Vec<(String, Receipt)> {
    let mut found = Vec::new();
    for (of, pool) in held.iter().flat_map(|of| of.pools.iter().map(move |pool| (of, pool))) {
        if pool.space != Space::Global
            || pool.granted_by != GrantedBy::Docker
            || is_ours(pool, seen)
        {
            continue;
        }
        let receipt = |address, generation| {
            let pool_id = pool.pool_id.clone();
            (of.driver.clone(), Receipt { pool_id, address, generation })
        };
        if pool.is_stale {
            found.push(receipt(None, pool.generation));
            continue;
        }
        for lease in &pool.leases {
            if lease.is_stale && lease.granted_by == GrantedBy::Docker {
                found.push(receipt(Some(lease.address), lease.generation));
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_freed_is_what_the_rules_say(
        (first, second) in ledgers(),
        (before, after) in observations(),
        exclusive: bool,
    ) {
        let mut wanted = Vec::new();
        let later = unknown(&second, &after);
        let first_unknown = unknown(&first, &before);
        for (driver, receipt, under) in first_unknown.clone() {
            let is_again = later.iter().any(|(of, same, now)| {
                *of == driver && *same == receipt && now.iter().all(|lease| under.contains(lease))
            });
            if is_again && (exclusive || receipt.address.is_some()) {
                wanted.push((driver, receipt));
            }
        }
        let mut ledger = Script {
            held: [Ok(first.clone()), Ok(second.clone())].into(),
            ..Script::default()
        };
        let mut engines = Views([Ok(before.clone()), Ok(after.clone())].into());
        let options = Options { exclusive, ..Options::default() };
        let mut clock = Slept::default();
        let done = now(reconcile(&mut ledger, &mut engines, &mut clock, &options, &mut |_| {}));
        let is_refused = [(&first_unknown, &before), (&later, &after)].into_iter().any(|(all, seen)| {
            all.iter().any(|(driver, receipt, _)| {
                let names = |network: &Network| network.driver == *driver;
                receipt.address.is_none() && !seen.networks.iter().any(names)
            })
        });
        // It is over before the second look when there is nothing at the first.
        if exclusive && is_refused && !first_unknown.is_empty() {
            let is_said = matches!(done, Err(Error::Unnamed { .. }));
            prop_assert!(is_said);
            prop_assert!(ledger.released.is_empty());
            return Ok(());
        }
        let sorted = |mut all: Vec<(String, Receipt)>| {
            all.sort_by_key(|(driver, at)| (driver.clone(), at.pool_id.clone(), at.address));
            all
        };
        let report = done.unwrap();
        let told = |found: &Found| (found.driver.clone(), found.receipt());
        let told: Vec<_> = report.needs_manager.iter().map(told).collect();
        let last = if first_unknown.is_empty() { (&first, &before) } else { (&second, &after) };
        prop_assert_eq!(sorted(told), sorted(stale(last.0, last.1)));
        prop_assert_eq!(sorted(ledger.released.clone()), sorted(wanted));

        // And once more without any rule: nobody loses what they use.
        for (driver, receipt) in ledger.released {
            let of = second.iter().find(|held| held.driver == driver).unwrap();
            let pool = of.pools.iter().find(|pool| pool.pool_id == receipt.pool_id).unwrap();
            prop_assert!(is_ours(pool, &before) && is_ours(pool, &after));
            let lost = |lease: &&HeldLease| receipt.address.is_none_or(|at| at == lease.address);
            for lease in pool.leases.iter().filter(lost) {
                prop_assert_eq!(lease.granted_by, GrantedBy::Docker);
                for seen in [&before, &after] {
                    prop_assert!(!is_in_use(lease.address, seen));
                }
            }
        }
    }
}
