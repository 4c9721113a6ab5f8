use super::{Unknown, compare, confirm};
use crate::{GrantedBy, Held, HeldLease, HeldPool, Network, Observation, Space, Subnet};

/// A pool of `wipam`, in this notation: a prefix, its sub-pool after a blank
/// if it has one. Its id is that text, and its generation 100.
fn pool(text: &str, leases: &[(&str, u64)]) -> HeldPool {
    let (prefix, sub_pool) = text.split_once(' ').unwrap_or((text, ""));
    HeldPool {
        pool_id: text.try_into().unwrap(),
        prefix: prefix.parse().unwrap(),
        sub_pool: sub_pool.parse().ok(),
        generation: 100,
        newest: 200,
        granted_by: GrantedBy::Docker,
        space: Space::Local,
        leases: leases.iter().map(|(address, generation)| lease(address, *generation)).collect(),
    }
}

fn lease(address: &str, generation: u64) -> HeldLease {
    HeldLease {
        address: address.parse().unwrap(),
        generation,
        is_gateway: false,
        granted_by: GrantedBy::Docker,
    }
}

fn ledger(pools: Vec<HeldPool>) -> Vec<Held> {
    vec![Held { driver: "wipam".to_owned(), pools }]
}

/// A network of `wipam`, in the same notation.
fn network(text: &str, endpoints: &[&str]) -> Network {
    let (prefix, ip_range) = text.split_once(' ').unwrap_or((text, ""));
    Network {
        driver: "wipam".to_owned(),
        subnets: vec![Subnet {
            prefix: prefix.parse().unwrap(),
            ip_range: ip_range.parse().ok(),
            reserved: Default::default(),
        }],
        endpoints: endpoints.iter().map(|address| address.parse().unwrap()).collect(),
        is_complete: true,
    }
}

fn seen(networks: Vec<Network>) -> Observation {
    Observation { networks, ..Observation::default() }
}

fn addresses(unknown: &Unknown) -> Vec<String> {
    let all = unknown.addresses.iter();
    all.map(|found| found.address.unwrap().to_string()).collect()
}

#[track_caller]
fn check(pools: Vec<HeldPool>, networks: Vec<Network>, want: &[&str], want_pools: &[&str]) {
    let unknown = compare(&ledger(pools), &seen(networks));
    assert_eq!(addresses(&unknown), want);
    let ids: Vec<&str> = unknown.pools.iter().map(|found| found.pool_id.as_str()).collect();
    assert_eq!(ids, want_pools, "pools");
}

const NET: &str = "192.0.2.0/24";

#[test]
fn what_a_network_does_not_have_is_unknown_in_both_families() {
    let pools = vec![pool(NET, &[("192.0.2.7", 1), ("192.0.2.8", 2)])];
    check(pools, vec![network(NET, &["192.0.2.8"])], &["192.0.2.7"], &[]);
    let pools = vec![pool("fd52::/64", &[("fd52::7", 1), ("fd52::8", 2)])];
    check(pools, vec![network("fd52::/64", &["fd52::7"])], &["fd52::8"], &[]);
}

#[test]
fn gateways_and_auxiliary_addresses_of_a_known_network_are_known() {
    let mut held = pool(NET, &[("192.0.2.5", 1), ("192.0.2.6", 2), ("192.0.2.7", 3)]);
    // Docker does not show the gateway of a subnet that the user chose.
    held.leases[0].is_gateway = true;
    let mut known = network(NET, &[]);
    known.subnets[0].reserved.insert("192.0.2.6".parse().unwrap());
    check(vec![held], vec![known], &["192.0.2.7"], &[]);
}

#[test]
fn a_pool_without_a_network_goes_as_a_whole_or_not_at_all() {
    let mut held = pool(NET, &[("192.0.2.1", 1), ("192.0.2.7", 2)]);
    held.leases[0].is_gateway = true;
    check(vec![held.clone()], vec![], &[], &[NET]);
    let unknown = compare(&ledger(vec![held]), &seen(vec![]));
    assert_eq!(unknown.pools[0].leases.len(), 2);
    assert_eq!(unknown.pools[0].receipt().address, None);
    assert_eq!(unknown.pools[0].receipt().generation, 100);
}

#[test]
fn a_subnet_that_any_network_has_is_in_use_whatever_its_driver_is_called() {
    let held = || vec![pool(NET, &[("192.0.2.7", 1)])];
    for driver in ["lab", "wipam:latest", "WIPAM"] {
        let other = |text| Network { driver: driver.to_owned(), ..network(text, &[]) };
        // A subnet in it or around it has addresses of it; others do not.
        for text in [NET, "192.0.2.0/25", "192.0.2.128/25", "192.0.0.0/16", "0.0.0.0/24"] {
            check(held(), vec![other(text)], &[], &[]);
        }
        for text in ["192.0.3.0/24", "192.0.1.0/24", "0.0.0.0/25", "::/24", "0.0.0.0/0"] {
            check(held(), vec![other(text)], &[], &[NET]);
        }
        // Nor is anything freed of a pool that two networks may have.
        let hidden = Network { is_complete: false, ..other(NET) };
        check(held(), vec![network(NET, &[]), hidden], &[], &[]);
    }
    let held6 = vec![pool("fd52::/64", &[])];
    let other = Network { driver: "lab".to_owned(), ..network("fd52::/48", &[]) };
    check(held6, vec![other], &[], &[]);
}

#[test]
fn what_dockers_own_drivers_have_is_in_use() {
    let held = ledger(vec![pool(NET, &[("192.0.2.7", 1)])]);
    let own = Observation { dockers_own: [NET.parse().unwrap()].into(), ..seen(vec![]) };
    assert_eq!(compare(&held, &own), Unknown::default());
}

#[test]
fn an_address_that_any_endpoint_has_is_in_use_with_its_pool() {
    let held = || vec![pool(NET, &[("192.0.2.7", 1), ("192.0.2.8", 2)])];
    let elsewhere = network("198.51.100.0/24", &["192.0.2.7"]);
    let other = Network { driver: "lab".to_owned(), ..elsewhere };
    check(held(), vec![other.clone()], &[], &[]);
    check(held(), vec![other.clone(), network(NET, &[])], &["192.0.2.8"], &[]);
    let mut keeps = Network { endpoints: Default::default(), ..other };
    keeps.subnets[0].reserved.insert("192.0.2.8".parse().unwrap());
    check(held(), vec![keeps], &[], &[]);
}

#[test]
fn a_network_that_leaves_its_subnets_open_may_have_any() {
    let held = || vec![pool(NET, &[("192.0.2.7", 1)]), pool("fd52::/64", &[])];
    let open = Network { subnets: vec![], driver: "lab".to_owned(), ..network(NET, &[]) };
    check(held(), vec![open.clone()], &[], &[]);
    // Its endpoints are known, so another network's addresses can be judged.
    check(held(), vec![open.clone(), network(NET, &[])], &["192.0.2.7"], &[]);
    let hidden = Network { is_complete: false, ..open };
    check(held(), vec![hidden, network(NET, &[])], &[], &[]);
}

#[test]
fn what_another_server_granted_or_is_not_local_is_left_alone() {
    let other = GrantedBy::Other;
    let free = || pool(NET, &[("192.0.2.7", 1), ("192.0.2.8", 2)]);
    for networks in [vec![], vec![network(NET, &[])]] {
        check(vec![HeldPool { granted_by: other, ..free() }], networks.clone(), &[], &[]);
        check(vec![HeldPool { space: Space::Other, ..free() }], networks, &[], &[]);
    }
    let mut mixed = free();
    mixed.leases[0].granted_by = other;
    check(vec![mixed.clone()], vec![network(NET, &[])], &["192.0.2.8"], &[]);
    check(vec![mixed], vec![], &[], &[]);
}

#[test]
fn where_pools_share_a_subnet_the_range_tells_them_apart() {
    let low = "192.0.2.0/24 192.0.2.0/25";
    let high = "192.0.2.0/24 192.0.2.128/25";
    let both = || vec![pool(low, &[("192.0.2.7", 1)]), pool(high, &[("192.0.2.200", 2)])];
    // The low one's subnet is in use, although its range is not: it stays.
    check(both(), vec![network(high, &["192.0.2.200"])], &[], &[]);
    // An address of the low one is unknown only when that pool is known.
    let networks = vec![network(high, &["192.0.2.200"]), network(low, &[])];
    check(both(), networks, &["192.0.2.7"], &[]);
    // An endpoint of either network is known in both pools.
    check(both(), vec![network(high, &["192.0.2.200", "192.0.2.7"])], &[], &[]);
    // A range that is nobody's tells nothing, and one pool is no choice.
    check(both(), vec![network(NET, &["192.0.2.200", "192.0.2.7"])], &[], &[]);
    check(vec![pool(low, &[])], vec![network(high, &[])], &[], &[]);
}

#[test]
fn an_address_is_known_from_any_network_of_any_engine() {
    let held = || vec![pool(NET, &[("192.0.2.7", 1), ("192.0.2.8", 2)])];
    let networks = vec![network(NET, &["192.0.2.7"]), network(NET, &["192.0.2.8"])];
    check(held(), networks, &[], &[]);
    let mut observation = seen(vec![network(NET, &["192.0.2.7"])]);
    observation.unplaced.insert("192.0.2.8".parse().unwrap());
    assert_eq!(compare(&ledger(held()), &observation), Unknown::default());
    observation.networks.clear();
    assert_eq!(compare(&ledger(held()), &observation), Unknown::default());
}

#[test]
fn a_network_whose_endpoints_are_not_shown_keeps_its_addresses() {
    let held = vec![pool(NET, &[("192.0.2.7", 1)])];
    let absent = Network { is_complete: false, ..network(NET, &[]) };
    check(held, vec![network(NET, &[]), absent], &[], &[]);
}

#[test]
fn a_subnet_of_which_only_the_length_is_known_is_every_such_subnet() {
    let held = || vec![pool(NET, &[("192.0.2.7", 1), ("192.0.2.8", 2)])];
    check(held(), vec![network("0.0.0.0/24", &["192.0.2.8"])], &["192.0.2.7"], &[]);
    check(held(), vec![network("0.0.0.0/25", &[]), network("::/24", &[])], &[], &[NET]);
    // That is the null driver's pool, and stands for itself.
    check(held(), vec![network("0.0.0.0/0", &[])], &[], &[NET]);
}

/// First and second: pools, networks. Then the lengths of what is confirmed
/// (addresses, pools), seen again and changed.
#[track_caller]
fn twice(
    first: (Vec<HeldPool>, Vec<Network>),
    second: (Vec<HeldPool>, Vec<Network>),
    want: [usize; 4],
) {
    let before = compare(&ledger(first.0), &seen(first.1));
    let held = ledger(second.0);
    let found = confirm(before, &held, &compare(&held, &seen(second.1)));
    let lists = [&found.addresses, &found.pools, &found.seen_again, &found.changed];
    assert_eq!(lists.map(Vec::len), want, "{found:?}");
}

#[test]
fn an_address_must_be_unknown_twice_in_one_generation() {
    let held = |generation| vec![pool(NET, &[("192.0.2.7", generation)])];
    let without = || vec![network(NET, &[])];
    twice((held(1), without()), (held(1), without()), [1, 0, 0, 0]);
    twice((held(1), without()), (held(2), without()), [0, 0, 0, 1]);
    twice((held(1), without()), (vec![pool(NET, &[])], without()), [0, 0, 0, 1]);
    twice((held(1), without()), (held(1), vec![network(NET, &["192.0.2.7"])]), [0, 0, 1, 0]);
    twice((held(1), without()), (held(1), vec![]), [0, 0, 0, 1]);
    // What is unknown only now waits for the next time.
    twice((held(1), vec![network(NET, &["192.0.2.7"])]), (held(1), without()), [0, 0, 0, 0]);
}

#[test]
fn a_pool_must_be_unknown_twice_and_not_leased_under_meanwhile() {
    let held = |leases: &[(&str, u64)]| vec![pool(NET, leases)];
    let (one, two) = ([("192.0.2.7", 1)], [("192.0.2.7", 1), ("192.0.2.8", 2)]);
    twice((held(&one), vec![]), (held(&one), vec![]), [0, 1, 0, 0]);
    twice((held(&two), vec![]), (held(&one), vec![]), [0, 1, 0, 0]);
    twice((held(&one), vec![]), (held(&two), vec![]), [0, 0, 0, 1]);
    twice((held(&one), vec![]), (held(&[("192.0.2.7", 3)]), vec![]), [0, 0, 0, 1]);
    twice((held(&one), vec![]), (held(&one), vec![network(NET, &[])]), [0, 0, 1, 0]);
    let again = vec![HeldPool { generation: 101, ..pool(NET, &one) }];
    twice((held(&one), vec![]), (again, vec![]), [0, 0, 0, 1]);
    let claimed = vec![HeldPool { newest: 201, ..pool(NET, &one) }];
    twice((held(&one), vec![]), (claimed, vec![]), [0, 0, 0, 1]);
}
