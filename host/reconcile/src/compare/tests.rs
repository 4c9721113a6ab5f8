use super::{Unknown, compare, confirm, unjudged};
use crate::{GrantedBy, Held, HeldLease, HeldPool, Network, Observation, Space, Subnet, Swarms};

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
        is_stale: false,
        leases: leases.iter().map(|(address, generation)| lease(address, *generation)).collect(),
    }
}

fn lease(address: &str, generation: u64) -> HeldLease {
    HeldLease {
        address: address.parse().unwrap(),
        generation,
        is_gateway: false,
        granted_by: GrantedBy::Docker,
        is_stale: false,
    }
}

fn ledger(pools: Vec<HeldPool>) -> Vec<Held> {
    vec![Held { driver: "wipam".to_owned(), pools }]
}

/// A network of `wipam`, in the same notation.
fn network(text: &str, endpoints: &[&str]) -> Network {
    let (prefix, ip_range) = text.split_once(' ').unwrap_or((text, ""));
    Network {
        name: "net".to_owned(),
        driver: "wipam".to_owned(),
        subnets: vec![Subnet {
            prefix: prefix.parse().unwrap(),
            ip_range: ip_range.parse().ok(),
            reserved: Default::default(),
        }],
        endpoints: endpoints.iter().map(|address| address.parse().unwrap()).collect(),
        is_complete: true,
        shows_all_of_swarm: true,
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
fn an_address_that_anything_has_keeps_the_pool_around_it() {
    let address = |text: &str| [text.parse().unwrap()].into();
    for text in ["192.0.2.0", "192.0.2.99", "192.0.2.255"] {
        let unplaced = Observation { unplaced: address(text), ..seen(vec![]) };
        assert_eq!(compare(&ledger(vec![pool(NET, &[])]), &unplaced), Unknown::default());
    }
    for text in ["192.0.1.255", "192.0.3.0", "::192.0.2.7"] {
        let unplaced = Observation { unplaced: address(text), ..seen(vec![]) };
        assert_eq!(compare(&ledger(vec![pool(NET, &[])]), &unplaced).pools.len(), 1);
    }
    // The null driver's pool is no subnet, and is kept by its own leases alone.
    let null = |leases: &[(&str, u64)]| ledger(vec![pool("0.0.0.0/0", leases)]);
    let unplaced = Observation { unplaced: address("192.0.2.99"), ..seen(vec![]) };
    assert_eq!(compare(&null(&[]), &unplaced).pools.len(), 1);
    assert_eq!(compare(&null(&[("192.0.2.99", 1)]), &unplaced).pools.len(), 0);
}

#[test]
fn a_container_at_rest_keeps_its_pool_and_not_its_address() {
    let at_rest = ["192.0.2.7".parse().unwrap()].into();
    let seen = |networks| Observation { at_rest, ..seen(networks) };
    let held = || ledger(vec![pool(NET, &[("192.0.2.7", 1)]), pool("198.51.100.0/24", &[])]);
    let without = seen(vec![]);
    let pools = compare(&held(), &without).pools;
    assert_eq!(
        pools.iter().map(|found| found.pool_id.as_str()).collect::<Vec<_>>(),
        ["198.51.100.0/24"]
    );
    let mut global_too = Observation { swarms: manager(&["a"]), ..without.clone() };
    let held_globally = ledger(vec![global(NET, &[("192.0.2.7", 1)])]);
    assert_eq!(compare(&held_globally, &global_too), Unknown::default());
    global_too.at_rest.clear();
    assert_eq!(compare(&held_globally, &global_too).pools.len(), 1);
    let with = Observation { networks: vec![network(NET, &[])], ..without };
    assert_eq!(addresses(&compare(&held(), &with)), ["192.0.2.7"]);
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

/// The same pool in the global space, with all of it stale.
fn global(text: &str, leases: &[(&str, u64)]) -> HeldPool {
    let mut pool = HeldPool { space: Space::Global, is_stale: true, ..pool(text, leases) };
    pool.leases.iter_mut().for_each(|lease| lease.is_stale = true);
    pool
}

fn ids(all: &[&str]) -> std::collections::BTreeSet<String> {
    all.iter().map(|id| (*id).to_owned()).collect()
}

/// What an engine on node `a` says as the manager of these nodes.
fn manager(nodes: &[&str]) -> Swarms {
    Swarms { members: ids(&["a"]), nodes: ids(nodes), is_unclear: false }
}

/// What is found: addresses, then pools, then what needs a manager.
fn found(held: &[Held], seen: &Observation) -> [Vec<String>; 3] {
    let unknown = compare(held, seen);
    let texts = |all: &[crate::Found]| {
        let text =
            |it: &crate::Found| it.address.map_or(it.pool_id.to_string(), |it| it.to_string());
        all.iter().map(text).collect()
    };
    [texts(&unknown.addresses), texts(&unknown.pools), texts(&unjudged(held, seen))]
}

#[track_caller]
fn check_global(pool: HeldPool, swarms: Swarms, networks: Vec<Network>, want: [&[&str]; 3]) {
    let held = ledger(vec![pool]);
    assert_eq!(found(&held, &Observation { swarms, ..seen(networks) }), want);
}

#[test]
fn a_stale_global_pool_goes_when_a_manager_knows_no_such_network() {
    let held = || global(NET, &[("192.0.2.1", 1), ("192.0.2.7", 2)]);
    let other = || network("198.51.100.0/24", &[]);
    for nodes in [&["a"][..], &["a", "b"]] {
        check_global(held(), manager(nodes), vec![other()], [&[], &[NET], &[]]);
        let fresh = HeldPool { is_stale: false, ..held() };
        check_global(fresh, manager(nodes), vec![other()], [&[], &[], &[]]);
        for text in ["192.0.2.0/25", "192.0.0.0/16", "0.0.0.0/24"] {
            let shares = Network { driver: "lab".to_owned(), ..network(text, &[]) };
            check_global(held(), manager(nodes), vec![shares], [&[], &[], &[]]);
        }
        let open = Network { subnets: vec![], ..other() };
        check_global(held(), manager(nodes), vec![open], [&[], &[], &[]]);
        let has = network("198.51.100.0/24", &["192.0.2.7"]);
        check_global(held(), manager(nodes), vec![has], [&[], &[], &[]]);
    }
    let mut mixed = held();
    mixed.leases[0].granted_by = GrantedBy::Other;
    check_global(mixed, manager(&["a"]), vec![], [&[], &[], &[]]);
}

#[test]
fn without_all_of_the_swarm_global_leases_are_only_told() {
    let unclear = Swarms { is_unclear: true, ..manager(&["a"]) };
    let worker = Swarms { nodes: ids(&[]), ..manager(&[]) };
    let elsewhere = Swarms { members: ids(&["a", "c"]), ..manager(&["a", "b"]) };
    for swarms in [Swarms::default(), unclear, worker, elsewhere] {
        let held = || global(NET, &[("192.0.2.7", 1)]);
        check_global(held(), swarms.clone(), vec![], [&[], &[], &[NET]]);
        check_global(held(), swarms.clone(), vec![network(NET, &[])], [&[], &[], &[NET]]);
        let mut fresh = HeldPool { is_stale: false, ..held() };
        check_global(fresh.clone(), swarms.clone(), vec![], [&[], &[], &["192.0.2.7"]]);
        fresh.leases[0].granted_by = GrantedBy::Other;
        check_global(fresh, swarms.clone(), vec![], [&[], &[], &[]]);
        // Local ones are judged as ever.
        check_global(pool(NET, &[]), swarms, vec![], [&[], &[NET], &[]]);
    }
}

#[test]
fn a_stale_address_goes_only_where_no_node_can_have_one_that_is_not_shown() {
    let held = || global(NET, &[("192.0.2.7", 1), ("192.0.2.8", 2)]);
    let shown = || network(NET, &["192.0.2.8"]);
    check_global(held(), manager(&["a"]), vec![shown()], [&["192.0.2.7"], &[], &[]]);
    let fresh_pool = HeldPool { is_stale: false, ..held() };
    check_global(fresh_pool, manager(&["a"]), vec![shown()], [&["192.0.2.7"], &[], &[]]);
    let mut fresh = held();
    fresh.leases[0].is_stale = false;
    check_global(fresh, manager(&["a"]), vec![shown()], [&[], &[], &[]]);
    let mut gateway = held();
    gateway.leases[0].is_gateway = true;
    check_global(gateway, manager(&["a"]), vec![shown()], [&[], &[], &[]]);
    let hides = Network { shows_all_of_swarm: false, ..shown() };
    check_global(held(), manager(&["a", "b"]), vec![hides.clone()], [&[], &[], &[]]);
    check_global(held(), manager(&["a"]), vec![shown(), hides.clone()], [&[], &[], &[]]);
    let open = Network { subnets: vec![], ..hides.clone() };
    check_global(held(), manager(&["a"]), vec![shown(), open], [&[], &[], &[]]);
    let absent = Network { is_complete: false, ..shown() };
    check_global(held(), manager(&["a"]), vec![absent], [&[], &[], &[]]);
    // The same network in the local space hides nothing: a node asks there for
    // its own load balancer, and shows it.
    let local = pool(NET, &[("192.0.2.7", 1)]);
    check_global(local, manager(&["a", "b"]), vec![hides], [&["192.0.2.7"], &[], &[]]);
}

#[test]
fn pools_of_the_two_spaces_are_no_choice_for_a_network() {
    let low = "192.0.2.0/24 192.0.2.0/25";
    let held = ledger(vec![pool(NET, &[("192.0.2.7", 1)]), global(low, &[("192.0.2.8", 2)])]);
    let swarms = manager(&["a"]);
    let seen = Observation { swarms, ..seen(vec![network(low, &[])]) };
    let want: [&[&str]; 3] = [&["192.0.2.7", "192.0.2.8"], &[], &[]];
    assert_eq!(found(&held, &seen), want);
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
