//! What an operator, or a comparison with an engine, saw is released; what
//! came since is not.

use super::{NOBODY, address, address_grant, exact, id, session};
use crate::{Course, Event, State};
use ipam_api::Receipt;

/// A pool of generation 1 with one lease of generation 2.
fn held(space: &str) -> State {
    State::default().pooled(&exact(space, "10.0.0.0/24"), "pool", "10.0.0.0/24").leased_out(
        "pool",
        None,
        "10.0.0.1/24",
    )
}

fn seen(named: Option<&str>, generation: u64) -> Receipt {
    let address = named.map(|text| text.parse().unwrap());
    Receipt { pool_id: id("pool"), address, generation }
}

#[test]
fn a_pool_goes_with_what_was_seen_under_it() {
    let mut state = held("local");
    assert_eq!(state.take_back(&seen(None, 1), 1), [], "a lease is newer than what was seen");
    assert_eq!(state.take_back(&seen(None, 2), 9), [], "it was another pool");
    let events = state.take_back(&seen(None, 1), 2);
    assert!(matches!(events[..], [Event::AddressReleased(_), Event::PoolReleased(_)]));
    state.apply_all(&events);
    assert_eq!(state.pools().count(), 0);
    assert_eq!(state.take_back(&seen(None, 1), 2), [], "gone");
}

#[test]
fn an_address_goes_in_the_generation_that_was_seen() {
    let state = held("local");
    assert_eq!(state.take_back(&seen(Some("10.0.0.1"), 1), 9), []);
    assert_eq!(state.take_back(&seen(Some("10.0.0.2"), 2), 9), []);
    assert_eq!(state.take_back(&seen(Some("10.0.0.1"), 2), 2).len(), 1);
}

#[test]
fn a_pool_goes_however_often_it_is_held_unless_it_was_claimed_since() {
    let mut state = held("global");
    let Ok(Course::Claim { event, .. }) =
        state.before_pool(&exact("global", "10.0.0.0/24"), &session(1))
    else {
        panic!("it is no claim");
    };
    state.apply(&event);
    assert_eq!(state.holds(&id("pool")), 2);
    assert_eq!(state.take_back(&seen(None, 1), 2), [], "the claim is newer");
    assert_eq!(state.newest(&id("pool")), 3);
    assert_eq!(state.take_back(&seen(None, 1), 3).len(), 2);
    let another = address("pool", None);
    let event = state.check_address(&another, &address_grant(Some("10.0.0.2/24")), &NOBODY);
    state.apply(&event.unwrap().unwrap());
    assert_eq!(state.take_back(&seen(None, 1), 3), [], "and so is another lease");
}
