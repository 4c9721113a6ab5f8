//! What taking back one answer changes: just what that answer created.

use super::{exact, id, session};
use crate::{Course, Event, State};
use ipam_api::Receipt;

#[test]
fn a_pool_s_receipt_takes_back_what_its_generation_created_and_nothing_else() {
    let request = exact("global", "10.0.0.0/16");
    let mut state = State::default().pooled(&request, "pool", "10.0.0.0/16");
    let Ok(Course::Claim { event, .. }) = state.before_pool(&request, &session(7)) else {
        panic!("no claim");
    };
    state.apply(&event);
    let undo = |state: &State, generation| {
        state.undo(&Receipt { pool_id: id("pool"), address: None, generation })
    };
    assert_eq!(undo(&state, 3), [], "nothing has that generation");
    let first = undo(&state, 1);
    assert!(matches!(&first[..], [Event::HoldDropped { undoes_claim: false, .. }]), "{first:?}");
    let claim = undo(&state, 2);
    assert!(matches!(&claim[..], [Event::HoldDropped { undoes_claim: true, .. }]), "{claim:?}");
    state.apply_all(&claim);
    assert_eq!(undo(&state, 2), [], "it was taken back");
    let last = undo(&state, 1);
    assert!(matches!(&last[..], [Event::PoolReleased(_)]), "{last:?}");
}
