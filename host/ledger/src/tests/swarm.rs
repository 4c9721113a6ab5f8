//! What a swarm's manager and its node ask for, as Docker 20.10 and 28 were
//! seen to ask, and another user's network in between.

use super::*;
use crate::Lease;
use std::sync::Arc;

const POOL: &str = "10.0.0.0/16";
const GATEWAY: &str = "10.0.0.1";
const TASK: &str = "10.0.0.2";
const OVERLAP: Result<(), Code> = Err(Code::PoolOverlap);
const IN_USE: Result<(), Code> = Err(Code::IpAlreadyAllocated);

/// One engine and the ledger it asks, with a driver that agrees.
struct Engine {
    state: State,
    caller: Caller<'static>,
}

impl Engine {
    fn new() -> Self {
        let mut engine = Self { state: State::default(), caller: NOBODY };
        engine.asks_what_is_needed();
        engine
    }

    /// A manager with one network and a task in it.
    fn with_a_network() -> Self {
        let mut engine = Self::new();
        engine.takes_pool("global").unwrap();
        engine.takes_gateway(None, GATEWAY).unwrap();
        engine.takes("global", None, TASK).unwrap();
        engine
    }

    /// It begins to lead, or somebody looks whether the plugin lives.
    fn asks_what_is_needed(&mut self) {
        self.caller.asked_at = Some(self.state.generation());
    }

    /// It ends, and the ledger with it: swarm takes managed plugins only.
    fn is_killed(&mut self) {
        self.caller.loaded = self.state.generation();
        self.asks_what_is_needed();
    }

    fn takes_pool(&mut self, space: &str) -> Result<(), Code> {
        let request = exact(space, POOL);
        let decision = self.state.before_pool(&request, &self.caller);
        let event = match decision.map_err(|refusal| refusal.code())? {
            Decision::Claim { event, grant } => {
                assert_eq!(grant, pool_grant(space, POOL));
                event
            }
            Decision::Ask => {
                let grant = pool_grant(space, POOL);
                self.state.check_pool(&request, &grant, &self.caller).unwrap()
            }
        };
        self.state.apply(&event);
        Ok(())
    }

    fn takes(&mut self, space: &str, named: Option<&str>, proposed: &str) -> Result<(), Code> {
        let request = match named {
            Some(named) if space == "global" => serial(space, named),
            _ => address(space, named),
        };
        self.asks(&request, proposed)
    }

    fn takes_gateway(&mut self, named: Option<&str>, proposed: &str) -> Result<(), Code> {
        let request = named.map_or_else(|| address("global", None), |it| serial("global", it));
        self.asks(&gateway(request), proposed)
    }

    fn asks(&mut self, request: &AddressRequest, proposed: &str) -> Result<(), Code> {
        let decision = self.state.before_address(request, &self.caller);
        let event = match decision.map_err(|refusal| refusal.code())? {
            Decision::Claim { event, grant } => {
                assert_eq!(grant, address_grant(Some(&format!("{proposed}/16"))));
                event
            }
            Decision::Ask => {
                let proposal = address_grant(Some(&format!("{proposed}/16")));
                self.state.check_address(request, &proposal, &self.caller).unwrap().unwrap()
            }
        };
        self.state.apply(&event);
        Ok(())
    }

    fn releases(&mut self, space: &str, address: &str) {
        let event = self.state.release_address(&id(space), address.parse().unwrap()).unwrap();
        self.state.apply_all(event.as_slice());
    }

    fn releases_pool(&mut self, space: &str) {
        let events = self.state.release_pool(&id(space), &self.caller).unwrap();
        self.state.apply_all(&events);
    }

    /// What a manager sends when it begins to lead, before anything else: each
    /// network, and then what is in it.
    fn leads(&mut self, gateways: &[&str], addresses: &[&str]) {
        self.asks_what_is_needed();
        for &gateway in gateways {
            self.takes_pool("global").unwrap();
            self.takes_gateway(Some(gateway), gateway).unwrap();
        }
        for &address in addresses {
            self.takes("global", Some(address), address).unwrap();
        }
    }

    /// What a node sends when the first task of a network comes to it.
    fn node_takes(&mut self, addresses: &[&str]) -> Result<(), Code> {
        self.takes_pool("local")?;
        self.asks(&gateway(address("local", Some(GATEWAY))), GATEWAY)?;
        addresses.iter().try_for_each(|&address| self.takes("local", Some(address), address))
    }

    #[track_caller]
    fn has_nothing_left(&self, space: &str) {
        assert_eq!(self.leased(space), [""; 0]);
        assert_eq!(self.state.pool(&id(space)), None);
    }

    fn leased(&self, space: &str) -> Vec<String> {
        let leases = self.state.leases().filter(|lease| lease.pool_id == id(space));
        let mut leased: Vec<String> = leases.map(|lease| lease.ip().to_string()).collect();
        leased.sort();
        leased
    }
}

#[test]
fn a_manager_that_led_often_leaves_nothing_when_its_network_is_removed() {
    for times in 0..4 {
        for is_killed in [false, true] {
            let mut engine = Engine::with_a_network();
            for _ in 0..times {
                if is_killed {
                    engine.is_killed();
                }
                engine.leads(&[GATEWAY], &[TASK]);
            }
            assert_eq!(engine.state.holds(&id("global")), 1);
            // Docker forgets the tasks that end while their network is removed.
            engine.releases("global", GATEWAY);
            engine.releases_pool("global");
            engine.has_nothing_left("global");
        }
    }
}

/// Docker releases the pool when its gateway is refused, and tries again.
#[test]
fn a_manager_that_replays_in_vain_takes_nothing_from_its_network() {
    let mut engine = Engine::with_a_network();
    engine.asks_what_is_needed();
    for _ in 0..3 {
        engine.takes_pool("global").unwrap();
        engine.releases_pool("global");
        assert_eq!(engine.leased("global"), [GATEWAY, TASK]);
    }
    engine.takes_pool("global").unwrap();
    engine.takes_gateway(Some(GATEWAY), GATEWAY).unwrap();
    assert_eq!(engine.takes_pool("global"), OVERLAP, "no network waits for its gateway");
}

#[test]
fn another_network_is_refused_the_pool_while_a_manager_leads() {
    let mut engine = Engine::with_a_network();
    assert_eq!(engine.takes_pool("global"), OVERLAP);
    for _ in 0..2 {
        engine.leads(&[GATEWAY], &[]);
        assert_eq!(engine.takes_pool("global"), OVERLAP);
    }
}

#[test]
fn what_a_manager_did_not_have_before_it_led_is_nobodys_to_claim() {
    let mut engine = Engine::with_a_network();
    let attached = |engine: &mut Engine, named| engine.takes("global", Some(named), named);
    assert_eq!(attached(&mut engine, TASK), IN_USE);
    // Whether the plugin lives is asked at any time, and is no replay.
    engine.asks_what_is_needed();
    assert_eq!(attached(&mut engine, TASK), IN_USE);
    assert_eq!(engine.takes_gateway(Some(GATEWAY), GATEWAY), IN_USE);
    engine.leads(&[GATEWAY], &[TASK]);
    assert_eq!(attached(&mut engine, TASK), IN_USE, "it was claimed");
    assert_eq!(engine.takes_gateway(Some(GATEWAY), GATEWAY), IN_USE);
    engine.takes("global", None, "10.0.0.3").unwrap();
    assert_eq!(attached(&mut engine, "10.0.0.3"), IN_USE);
}

#[test]
fn a_claim_is_of_the_kind_of_what_is_claimed() {
    let mut engine = Engine::with_a_network();
    engine.asks_what_is_needed();
    engine.takes_pool("global").unwrap();
    assert_eq!(engine.takes("global", Some(GATEWAY), GATEWAY), IN_USE, "a task wants the gateway");
    assert_eq!(engine.takes("global", Some(TASK), TASK), IN_USE, "the gateway comes first");
    assert_eq!(engine.asks(&gateway(serial("global", TASK)), TASK), IN_USE);
    assert_eq!(engine.asks(&gateway(address("global", Some(GATEWAY))), GATEWAY), IN_USE);
    engine.takes_gateway(Some(GATEWAY), GATEWAY).unwrap();
    assert_eq!(engine.asks(&address("global", Some(TASK)), TASK), IN_USE, "no manager");
    engine.asks_what_is_needed();
    engine.takes_pool("global").unwrap();
    assert_eq!(engine.takes("global", Some(TASK), TASK), IN_USE, "it came back before");
    engine.takes_gateway(Some(GATEWAY), GATEWAY).unwrap();
    engine.takes("global", Some(TASK), TASK).unwrap();
}

/// Somebody looked whether the plugin lives, and then another network wants
/// the same pool, which looks like a replay until it asks for a gateway.
#[test]
fn a_network_that_shares_a_pool_gets_none_of_its_addresses() {
    for first_to_go in [GATEWAY, "10.0.0.3"] {
        let mut engine = Engine::with_a_network();
        engine.asks_what_is_needed();
        engine.takes_pool("global").unwrap();
        engine.takes_gateway(None, "10.0.0.3").unwrap();
        assert_eq!(engine.takes("global", Some(TASK), TASK), IN_USE);
        // Both come back when another manager leads.
        engine.leads(&[GATEWAY, "10.0.0.3"], &[TASK]);
        assert_eq!(engine.takes_pool("global"), OVERLAP);
        engine.releases("global", first_to_go);
        engine.releases_pool("global");
        assert_eq!(engine.leased("global").len(), 2, "{first_to_go} went");
        for gateway in [GATEWAY, "10.0.0.3"] {
            engine.releases("global", gateway);
        }
        engine.releases_pool("global");
        engine.has_nothing_left("global");
    }
}

/// Another manager led meanwhile, removed the network, and gave its subnet to
/// one with another gateway.
#[test]
fn a_network_that_another_manager_made_gets_what_was_left_behind() {
    let mut engine = Engine::with_a_network();
    engine.asks_what_is_needed();
    engine.takes_pool("global").unwrap();
    engine.takes_gateway(Some("10.0.0.9"), "10.0.0.9").unwrap();
    engine.takes("global", Some(TASK), TASK).unwrap();
    assert_eq!(engine.takes("global", Some(TASK), TASK), IN_USE);
}

/// Such a gateway is leased only by who names it, as a manager's replay does.
#[test]
fn where_the_driver_names_the_gateway_any_lease_may_be_of_a_network() {
    let mut engine = Engine::new();
    let mut grant = pool_grant("global", POOL);
    grant.data.insert(names::GATEWAY.to_owned(), "10.0.0.1/16".to_owned());
    let event = engine.state.check_pool(&exact("global", POOL), &grant, &engine.caller);
    engine.state.apply(&event.unwrap());
    engine.takes("global", None, TASK).unwrap();
    engine.asks_what_is_needed();
    let claim = engine.state.before_pool(&exact("global", POOL), &engine.caller);
    let Ok(Decision::Claim { event, grant: answer }) = claim else { panic!("{claim:?}") };
    assert_eq!(answer, grant);
    engine.state.apply(&event);
    engine.takes("global", Some(TASK), TASK).unwrap();
    engine.releases_pool("global");
    assert_eq!(engine.leased("global"), [TASK]);
    assert_eq!(engine.takes("global", Some(TASK), TASK), IN_USE);
    engine.releases("global", TASK);
    engine.releases_pool("global");
    engine.has_nothing_left("global");
}

/// Nobody else was ever granted it: that its gateway was never released, since
/// the plugin was down, keeps nothing.
#[test]
fn a_pool_that_was_never_claimed_goes_with_its_network() {
    let mut engine = Engine::with_a_network();
    assert!(!engine.leased("global").is_empty());
    engine.releases_pool("global");
    engine.has_nothing_left("global");
}

#[test]
fn a_pool_without_a_gateway_is_claimed_once() {
    let mut engine = Engine::new();
    engine.takes_pool("global").unwrap();
    engine.takes("global", None, TASK).unwrap();
    assert_eq!(engine.takes_pool("global"), OVERLAP);
    for _ in 0..2 {
        engine.asks_what_is_needed();
        assert_eq!(engine.takes("global", Some(TASK), TASK), IN_USE, "the pool comes first");
        engine.takes_pool("global").unwrap();
        assert_eq!(engine.takes_pool("global"), OVERLAP);
    }
    engine.takes("global", Some(TASK), TASK).unwrap();
    assert_eq!(engine.takes("global", Some(TASK), TASK), IN_USE);
}

#[test]
fn one_space_for_both_is_a_local_one() {
    let mut engine = Engine::with_a_network();
    engine.asks_what_is_needed();
    engine.caller.global_space = None;
    assert_eq!(engine.takes_pool("global"), OVERLAP);
    engine.releases_pool("global");
    engine.has_nothing_left("global");
}

#[test]
fn nothing_is_claimed_before_an_engine_has_asked_what_is_needed() {
    let mut engine = Engine::with_a_network();
    engine.node_takes(&[TASK]).unwrap();
    engine.is_killed();
    engine.caller.asked_at = None;
    assert_eq!(engine.takes_pool("global"), OVERLAP);
    assert_eq!(engine.takes_pool("local"), OVERLAP);
    assert_eq!(engine.takes("local", Some(TASK), TASK), IN_USE);
}

#[test]
fn a_node_whose_engine_was_killed_gets_all_of_it_again_once() {
    // With a manager beside it, and without.
    for mut engine in [Engine::with_a_network(), Engine::new()] {
        engine.node_takes(&[TASK]).unwrap();
        for _ in 0..3 {
            engine.is_killed();
            assert_eq!(engine.takes("local", Some(TASK), TASK), IN_USE, "the pool comes first");
            engine.node_takes(&[TASK]).unwrap();
            assert_eq!(engine.takes("local", Some(TASK), TASK), IN_USE);
            assert_eq!(engine.takes_pool("local"), OVERLAP);
        }
        // What it forgot goes with the pool.
        engine.releases("local", GATEWAY);
        engine.releases_pool("local");
        engine.has_nothing_left("local");
    }
}

#[test]
fn a_change_of_leaders_gives_nothing_of_a_node_away() {
    let mut engine = Engine::with_a_network();
    engine.node_takes(&[TASK]).unwrap();
    engine.leads(&[GATEWAY], &[TASK]);
    assert_eq!(engine.takes_pool("local"), OVERLAP);
    assert_eq!(engine.takes("local", Some(TASK), TASK), IN_USE);
    let gateway = gateway(address("local", Some(GATEWAY)));
    assert_eq!(engine.asks(&gateway, GATEWAY), IN_USE);
}

#[test]
fn what_a_node_was_granted_since_it_came_back_is_not_claimed() {
    let mut engine = Engine::new();
    engine.node_takes(&[]).unwrap();
    engine.is_killed();
    engine.takes("local", Some("10.0.0.7"), "10.0.0.7").unwrap();
    engine.node_takes(&[]).unwrap();
    assert_eq!(engine.takes("local", Some("10.0.0.7"), "10.0.0.7"), IN_USE);
}

/// Its gateway, or an address in it, was the driver's choice.
#[test]
fn a_network_of_the_engine_s_own_is_not_claimed() {
    for is_named in [false, true] {
        let mut engine = Engine::with_a_network();
        engine.takes_pool("local").unwrap();
        engine.takes("local", is_named.then_some(GATEWAY), GATEWAY).unwrap();
        engine.takes("local", None, TASK).unwrap();
        engine.is_killed();
        assert_eq!(engine.takes_pool("local"), OVERLAP);
    }
    let mut engine = Engine::new();
    let event = engine.state.check_pool(&automatic("local"), &pool_grant("local", POOL), &NOBODY);
    engine.state.apply(&event.unwrap());
    engine.is_killed();
    assert_eq!(engine.takes_pool("local"), OVERLAP, "its pool was the driver's choice");
}

/// Under another id of the same prefix nothing is claimed: whose it was is not
/// known.
#[test]
fn an_address_is_claimed_under_its_own_id() {
    let mut engine = Engine::new();
    engine.takes_pool("local").unwrap();
    engine.takes("local", Some(TASK), TASK).unwrap();
    let within = within("local", POOL, "10.0.9.0/24");
    engine.state = engine.state.pooled(&within, "sub", POOL);
    engine.is_killed();
    let Ok(Decision::Claim { event, .. }) = engine.state.before_pool(&within, &engine.caller)
    else {
        panic!("no claim");
    };
    engine.state.apply(&event);
    assert_eq!(engine.asks(&address("sub", Some(TASK)), TASK), IN_USE);
}

#[test]
fn a_claim_brings_its_own_generation_owner_and_time() {
    let mut engine = Engine::new();
    engine.node_takes(&[TASK]).unwrap();
    let newest = engine.state.generation();
    engine.is_killed();
    engine.caller.cause.at = Time(7);
    engine.takes_pool("local").unwrap();
    let mut request = address("local", Some(TASK));
    request.options.insert(names::ENDPOINT_NAME.to_owned(), "web".to_owned());
    engine.asks(&request, TASK).unwrap();
    let pool = engine.state.pool(&id("local")).unwrap();
    assert_eq!((pool.generation, pool.granted.at), (newest + 1, Time(7)));
    let lease = engine.state.lease(&id("local"), TASK.parse().unwrap()).unwrap();
    assert_eq!((lease.generation, lease.granted.at), (newest + 2, Time(7)));
    assert_eq!((lease.owner(), lease.asked), (Some("web"), crate::Asked::Explicit));
}

/// An answer to a claim that was lost is asked for again.
#[test]
fn a_claim_that_is_taken_back_may_be_made_again() {
    for space in ["global", "local"] {
        let mut engine = Engine::with_a_network();
        engine.node_takes(&[TASK]).unwrap();
        engine.is_killed();
        let count = engine.state.lease_total();
        let lost = |engine: &mut Engine, take: fn(&mut Engine, &str) -> Result<(), Code>, at| {
            take(engine, space).unwrap();
            assert!(take(engine, space).is_err());
            let generation = engine.state.generation();
            let receipt = Receipt { pool_id: id(space), address: at, generation };
            let events = engine.state.undo(&receipt);
            assert!(matches!(events[..], [Event::Unclaimed { .. }]), "{events:?}");
            let again = Receipt { generation: generation - 1, ..receipt.clone() };
            assert_eq!(engine.state.undo(&again), [], "of another generation");
            engine.state.apply_all(&events);
            assert_eq!(engine.state.undo(&receipt), [], "it was taken back");
            take(engine, space).unwrap();
        };
        if space == "local" {
            lost(&mut engine, Engine::takes_pool, None);
        } else {
            engine.takes_pool(space).unwrap();
            engine.takes_gateway(Some(GATEWAY), GATEWAY).unwrap();
        }
        let task = |engine: &mut Engine, space: &str| engine.takes(space, Some(TASK), TASK);
        lost(&mut engine, task, Some(TASK.parse().unwrap()));
        assert_eq!(engine.state.lease_total(), count);
    }
}

#[test]
fn what_a_manager_did_not_ask_for_again_is_stale() {
    let mut engine = Engine::with_a_network();
    engine.takes("global", None, "10.0.0.3").unwrap();
    let stale = |engine: &Engine| -> Vec<String> {
        let is_stale = |lease: &&Arc<Lease>| engine.state.is_stale(lease, engine.caller.loaded);
        let pool_id = id("global");
        let leases = engine.state.leases_of(&pool_id).filter(is_stale);
        leases.map(|lease| lease.ip().to_string()).collect()
    };
    assert_eq!(stale(&engine), [""; 0]);
    engine.leads(&[GATEWAY], &[TASK]);
    assert_eq!(stale(&engine), ["10.0.0.3"]);
    engine.is_killed();
    assert_eq!(stale(&engine), [GATEWAY, TASK, "10.0.0.3"]);
    engine.leads(&[GATEWAY], &[TASK]);
    assert_eq!(stale(&engine), ["10.0.0.3"]);
}

#[test]
fn a_claimed_pool_is_of_who_asked_last() {
    let mut engine = Engine::with_a_network();
    engine.asks_what_is_needed();
    engine.caller.cause.at = crate::Time(7);
    let mut request = exact("global", POOL);
    request.options.insert("rack".to_owned(), "r7".to_owned());
    let claim = engine.state.before_pool(&request, &engine.caller);
    let Ok(Decision::Claim { event: Event::PoolClaimed { pool, .. }, .. }) = claim else {
        panic!("{claim:?}")
    };
    assert_eq!((&pool.options, pool.granted), (&request.options, engine.caller.cause));
}
