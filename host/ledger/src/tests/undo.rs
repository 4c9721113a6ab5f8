//! What taking back one answer changes: just what that answer created.

use super::{NOBODY, automatic, exact, id, pool_grant};
use crate::{Event, State};
use ipam_api::Receipt;

fn undo(state: &State, generation: u64) -> Vec<Event> {
    state.undo(&Receipt { pool_id: id("pool"), address: None, generation })
}

#[test]
fn a_pool_s_receipt_takes_back_what_its_generation_created_and_nothing_else() {
    let state = State::default().pooled(&exact("global", "10.0.0.0/16"), "pool", "10.0.0.0/16");
    assert_eq!(undo(&state, 2), [], "nothing has that generation");
    let events = undo(&state, 1);
    assert!(matches!(&events[..], [Event::PoolReleased(_)]), "{events:?}");
}

#[test]
fn of_a_no_pool_one_hold_is_taken_back() {
    let request = automatic("local");
    let mut state = State::default().pooled(&request, "pool", "0.0.0.0/0");
    let again = state.check_pool(&request, &pool_grant("pool", "0.0.0.0/0"), &NOBODY).unwrap();
    state.apply(&again);
    let events = state.undo(&again.receipt().unwrap());
    assert!(matches!(&events[..], [Event::HoldDropped { undoes_claim: false, .. }]), "{events:?}");
    state.apply_all(&events);
    assert!(matches!(&undo(&state, 1)[..], [Event::PoolReleased(_)]));
}
