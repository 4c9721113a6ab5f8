//! The gateway that a driver names with a pool.

use super::{NOBODY, address, address_grant, automatic, exact, gateway, id, pool_grant, within};
use crate::{Decision, Event, Pool, State, Violation};
use ipam_api::{Code, IpNet, PoolGrant, PoolRequest, names};
use std::sync::Arc;

const POOL: &str = "10.0.0.0/16";

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn named(pool_id: &str, pool: &str, gateway: &str) -> PoolGrant {
    let mut grant = pool_grant(pool_id, pool);
    grant.data.insert(names::GATEWAY.to_owned(), gateway.to_owned());
    grant
}

impl State {
    /// With one more pool, whose driver names its gateway.
    #[track_caller]
    fn with_gateway(mut self, request: &PoolRequest, grant: &PoolGrant) -> Self {
        let event = self.check_pool(request, grant, &NOBODY).unwrap();
        self.apply(&event);
        self
    }
}

/// A pool with a gateway, and a sub-pool of it with another one.
fn filled() -> State {
    State::default()
        .with_gateway(&exact("local", POOL), &named("bare", POOL, "10.0.0.1/16"))
        .with_gateway(&within("local", POOL, "10.0.9.0/24"), &named("sub", POOL, "10.0.9.1/16"))
}

#[test]
fn it_is_an_address_of_the_pool_with_its_length() {
    let check = |request: PoolRequest, pool: &str, text: &str, is_one: bool| {
        let got = State::default().check_pool(&request, &named("new", pool, text), &NOBODY);
        let bad = Violation::NoGateway { named: text.to_owned(), pool: net(pool) };
        assert_eq!(got.err(), (!is_one).then_some(bad), "{text} of {pool}");
    };
    for (text, is_one) in [
        ("10.0.0.1/16", true),
        ("10.0.255.254/16", true),
        // As with leases, what is reserved is the driver's policy.
        ("10.0.0.0/16", true),
        ("10.0.255.255/16", true),
        // "There is none, and none is to be asked for."
        ("0.0.0.0/0", true),
        ("::/0", false),
        ("0.0.0.0/16", false),
        ("10.0.0.1/0", false),
        ("10.1.0.1/16", false),
        ("10.0.0.1/24", false),
        ("10.0.0.1/32", false),
        ("10.0.0.1", false),
        ("10.0.0.1/", false),
        ("10.0.0.1/016", false),
        ("10.0.0.1/+16", false),
        ("10.0.0.01/16", false),
        ("010.0.0.1/16", false),
        ("10.0.0.1/33", false),
        ("10.0.0.1/16 ", false),
        ("::ffff:10.0.0.1/112", false),
        ("fd00::1/16", false),
        ("", false),
        ("gateway", false),
    ] {
        check(exact("local", POOL), POOL, text, is_one);
        check(automatic("local"), POOL, text, is_one);
    }
    for (text, is_one) in [("fd00::1/64", true), ("fd00::/64", true), ("::/0", true)] {
        check(exact("local", "fd00::/64"), "fd00::/64", text, is_one);
    }
    for text in ["0.0.0.0/0", "fd00::1/48", "fd01::1/64", "10.0.0.1/64", "fd00::1%lo/64"] {
        check(exact("local", "fd00::/64"), "fd00::/64", text, false);
    }
    // Nothing is held of no pool.
    check(automatic("local"), "0.0.0.0/0", "0.0.0.0/0", true);
    check(automatic("local"), "0.0.0.0/0", "10.0.0.1/0", false);
    let held = State::default().pooled(&automatic("local"), "none", "0.0.0.0/0");
    let again = named("none", "0.0.0.0/0", "10.0.0.1/0");
    assert!(held.check_pool(&automatic("local"), &again, &NOBODY).is_err(), "its caller is told");
}

/// What is wrong with the pool itself is said first.
#[test]
fn a_pool_that_overlaps_is_called_that() {
    let got = filled().check_pool(&automatic("local"), &named("a", POOL, "10.0.0.1/16"), &NOBODY);
    assert!(matches!(got, Err(Violation::PoolOverlap { .. })), "{got:?}");
}

#[test]
fn of_what_is_none_the_operator_is_told_a_little() {
    let long = "\u{202e}".repeat(5000);
    let got = State::default().check_pool(&exact("local", POOL), &named("a", POOL, &long), &NOBODY);
    let said = got.unwrap_err().to_string();
    assert!(said.len() < 1000 && said.is_ascii(), "{said}");
}

#[test]
fn nobody_has_it_already() {
    let sub = within("local", POOL, "10.0.8.0/24");
    let check = |text: &str, is_free: bool| {
        let state = filled().leased_out("bare", None, "10.0.0.7/16");
        let got = state.check_pool(&sub, &named("new", POOL, text), &NOBODY);
        let taken = Violation::GatewayTaken { proposed: net(text) };
        assert_eq!(got.err(), (!is_free).then_some(taken), "{text}");
    };
    check("10.0.0.2/16", true);
    check("10.0.0.1/16", false);
    check("10.0.9.1/16", false);
    check("10.0.0.7/16", false);
}

#[test]
fn nobody_gets_it() {
    let state = filled();
    let held = Err(Code::IpAlreadyAllocated.into());
    for pool in ["bare", "sub"] {
        for gateway in ["10.0.0.1", "10.0.9.1"] {
            assert_eq!(state.before_address(&address(pool, Some(gateway)), &NOBODY), held);
        }
    }
    let check = |pool: &str, proposed: &str| {
        let got =
            state.check_address(&address(pool, None), &address_grant(Some(proposed)), &NOBODY);
        assert_eq!(got, Err(Violation::LeaseOfGateway { proposed: net(proposed) }));
    };
    check("bare", "10.0.0.1/16");
    check("bare", "10.0.9.1/16");
    check("sub", "10.0.9.1/16");
    let is_held = |pool: &str, address: &str| state.is_held(&id(pool), address.parse().unwrap());
    assert!(is_held("bare", "10.0.0.1") && is_held("sub", "10.0.0.1"));
    assert!(!is_held("bare", "10.0.0.2") && !is_held("nowhere", "10.0.0.1"));
    // Its neighbour is free, and so is the address in another space.
    let next = state.before_address(&address("bare", Some("10.0.0.2")), &NOBODY);
    assert_eq!(next, Ok(Decision::Ask));
    let other = state.pooled(&exact("other", POOL), "other", POOL);
    assert_eq!(
        other.before_address(&address("other", Some("10.0.0.1")), &NOBODY),
        Ok(Decision::Ask)
    );
}

#[test]
fn whoever_asks_for_it_by_name_as_that_pools_gateway_leases_it() {
    let mut state = filled();
    let lease = |state: &State, pool: &str, named: Option<&str>| {
        let request = gateway(address(pool, named));
        let before = state.before_address(&request, &NOBODY).map_err(|error| error.code())?;
        assert_eq!(before, Decision::Ask);
        let proposal = address_grant(Some("10.0.0.1/16"));
        let checked = state.check_address(&request, &proposal, &NOBODY);
        Ok::<_, Code>(checked.map(Option::unwrap))
    };
    assert_eq!(lease(&state, "sub", Some("10.0.0.1")), Err(Code::IpAlreadyAllocated));
    let proposed = net("10.0.0.1/16");
    let unnamed = lease(&state, "bare", None);
    assert_eq!(unnamed, Ok(Err(Violation::LeaseOfGateway { proposed })));
    let leased = lease(&state, "bare", Some("10.0.0.1")).unwrap().unwrap();
    state.apply(&leased);
    assert!(state.is_held(&id("bare"), proposed.addr()));
    assert_eq!(lease(&state, "bare", Some("10.0.0.1")), Err(Code::IpAlreadyAllocated));
    // The lease is what is held, until it is released.
    assert_eq!(state.gateway(&state.pool(&id("bare")).unwrap().clone()), None);
    assert_eq!(state.address_total(), 2);
    let released = state.release_address(&id("bare"), "10.0.0.1".parse().unwrap());
    state.apply(&released.unwrap().unwrap());
    assert_eq!(state.gateway(&state.pool(&id("bare")).unwrap().clone()), Some(proposed));
    assert!(matches!(lease(&state, "bare", Some("10.0.0.1")), Ok(Ok(Event::AddressLeased(_)))));
}

#[test]
fn a_release_of_it_changes_nothing_and_that_of_its_pool_frees_it() {
    let mut state = filled();
    let address_of = |text: &str| text.parse().unwrap();
    assert_eq!(state.release_address(&id("bare"), address_of("10.0.0.1")), Ok(None));
    assert_eq!(state.address_total(), 2);
    let events = state.release_pool(&id("bare"), &NOBODY).unwrap();
    assert!(matches!(events[..], [Event::PoolReleased(_)]), "{events:?}");
    state.apply_all(&events);
    assert_eq!(state.address_total(), 1);
    let free = state.before_address(&address("sub", Some("10.0.0.1")), &NOBODY);
    assert_eq!(free, Ok(Decision::Ask));
    let held = state.before_address(&address("sub", Some("10.0.9.1")), &NOBODY);
    assert_eq!(held, Err(Code::IpAlreadyAllocated.into()));
    let events = state.release_pool(&id("sub"), &NOBODY).unwrap();
    state.apply_all(&events);
    assert_eq!(state, State::default().at(state.generation()));
}

impl State {
    fn at(mut self, generation: u64) -> Self {
        self.advance_to(generation);
        self
    }
}

/// What an earlier version of this program let pass is read as it is.
#[test]
fn what_is_stored_is_never_refused() {
    let pool = |number: u64, sub_pool: Option<&str>, text: &str| {
        let request = exact("local", POOL);
        let event = State::default().check_pool(&request, &pool_grant("a", POOL), &NOBODY);
        let Ok(Event::PoolGranted(pool)) = event else { panic!("{event:?}") };
        let mut pool = Pool::clone(&pool);
        pool.pool_id = id(&number.to_string());
        pool.sub_pool = sub_pool.map(net);
        pool.data.insert(names::GATEWAY.to_owned(), text.to_owned());
        pool.generation = number;
        Event::PoolGranted(Arc::new(pool))
    };
    let mut state = State::default();
    state.apply(&pool(1, None, "10.0.0.1/32"));
    state.apply(&pool(2, Some("10.0.1.0/24"), "10.0.0.1/16"));
    state.apply(&pool(3, Some("10.0.2.0/24"), "no gateway"));
    state.apply(&pool(4, Some("10.0.3.0/24"), "172.16.0.1/16"));
    let gateways = |state: &State| -> Vec<String> {
        let mut pools: Vec<_> = state.pools().collect();
        pools.sort_by_key(|pool| pool.generation);
        pools.iter().filter_map(|pool| Some(pool.gateway()?.to_string())).collect()
    };
    assert_eq!(gateways(&state), ["10.0.0.1/16", "10.0.0.1/16"]);
    let held = Err(Code::IpAlreadyAllocated.into());
    let named = address("3", Some("10.0.0.1"));
    for gone in ["1", "2"] {
        assert_eq!(state.before_address(&named, &NOBODY), held);
        let events = state.release_pool(&id(gone), &NOBODY).unwrap();
        state.apply_all(&events);
    }
    assert_eq!(state.before_address(&named, &NOBODY), Ok(Decision::Ask));
}

/// An endpoint has the address since before gateways were held: it keeps it.
#[test]
fn a_lease_of_a_gateway_that_is_stored_stands() {
    let request = exact("local", POOL);
    let lease = State::default().pooled(&request, "bare", POOL);
    let lease =
        lease.check_address(&address("bare", None), &address_grant(Some("10.0.0.1/16")), &NOBODY);
    let mut state = State::default().with_gateway(&request, &named("bare", POOL, "10.0.0.1/16"));
    state.apply(&lease.unwrap().unwrap());
    assert_eq!((state.lease_total(), state.address_total()), (1, 1));
    let released = state.release_address(&id("bare"), "10.0.0.1".parse().unwrap()).unwrap();
    state.apply(&released.unwrap());
    let held = state.before_address(&address("bare", Some("10.0.0.1")), &NOBODY);
    assert_eq!(held, Err(Code::IpAlreadyAllocated.into()), "it is a gateway from now on");
}
