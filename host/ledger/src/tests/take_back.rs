//! What an operator, or a comparison with an engine, saw is released; what
//! came since is not.

use super::{NOBODY, address, address_grant, back, exact, id};
use crate::{Decision, Event, Lease, State};
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
fn what_was_claimed_since_it_was_seen_stays() {
    let mut state = held("global");
    let claimed = state.before_pool(&exact("global", "10.0.0.0/24"), &back(&state));
    let Ok(Decision::Claim { event, .. }) = claimed else { panic!("{claimed:?}") };
    state.apply(&event);
    assert_eq!(state.take_back(&seen(None, 1), 9), [], "the claim is newer");
    assert_eq!(state.newest(&id("pool")), 3);
    assert_eq!(state.take_back(&seen(None, 3), 3).len(), 2, "and was seen now");
    let another = address("pool", None);
    let event = state.check_address(&another, &address_grant(Some("10.0.0.2/24")), &NOBODY);
    state.apply(&event.unwrap().unwrap());
    assert_eq!(state.take_back(&seen(None, 3), 3), [], "and so is another lease");
}

#[test]
fn what_was_claimed_is_released_and_not_taken_for_older() {
    let mut state = held("local");
    let caller = back(&state);
    let Event::AddressReleased(lease) = &state.take_back(&seen(Some("10.0.0.1"), 2), 9)[0] else {
        panic!("no release");
    };
    let claimed = Lease { generation: 3, ..(**lease).clone() };
    state.apply(&Event::LeaseClaimed { lease: claimed.into(), before: 2 });
    assert_eq!(state.take_back(&seen(Some("10.0.0.1"), 2), 9), []);
    let released = state.take_back(&seen(Some("10.0.0.1"), 3), 9);
    assert!(matches!(released[..], [Event::AddressReleased(_)]), "{released:?}");
    state.apply_all(&state.release_pool(&id("pool"), &caller).unwrap());
    assert_eq!(state.lease_total(), 0);
}
