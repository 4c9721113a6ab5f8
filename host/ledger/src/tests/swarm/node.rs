//! What a node asks for again after its engine was killed, and whose a claim is.

use super::*;

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
