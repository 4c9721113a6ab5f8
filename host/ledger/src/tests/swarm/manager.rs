//! What a manager asks for again when it begins to lead, and what another
//! network gets meanwhile.

use super::*;

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
