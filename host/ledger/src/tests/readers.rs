//! What can be read of a state, beside what it decides.

use super::{NOBODY, automatic, filled, id, pool_grant};
use crate::{Event, Lease, State, Version};
use ipam_api::{Capability, Digest};
use std::sync::Arc;

#[test]
fn leases_are_found_by_address_and_counted_by_id() {
    let state =
        filled().leased_out("bare", None, "10.0.0.9/16").leased_out("sub", None, "10.0.9.4/16");
    let counts = ["bare", "sub", "none", "nowhere"].map(|pool| state.lease_count(&id(pool)));
    assert_eq!(counts, [2, 1, 0, 0]);
    assert_eq!(state.lease_total(), 3);
    let of = |pool: &str| -> Vec<String> {
        state.leases_of(&id(pool)).map(|lease| lease.ip().to_string()).collect()
    };
    assert_eq!(of("bare"), ["10.0.0.1", "10.0.0.9"]);
    assert_eq!(of("nowhere"), [""; 0]);
    let under = |pool: &str, address: &str| -> Option<String> {
        let lease: &Arc<Lease> = state.lease(&id(pool), address.parse().unwrap())?;
        Some(lease.pool_id.to_string())
    };
    assert_eq!(under("sub", "10.0.0.1").as_deref(), Some("bare"), "they share a prefix");
    assert_eq!(under("bare", "10.0.0.2"), None);
    assert_eq!(under("nowhere", "10.0.0.1"), None);
}

#[test]
fn a_prefix_is_free_once_its_pools_are_released() {
    let mut state = filled();
    for pool in ["bare", "sub"] {
        let again =
            state.check_pool(&automatic("local"), &pool_grant("new", "10.0.0.0/16"), &NOBODY);
        assert!(again.is_err(), "{pool} is live");
        state.apply_all(&state.release_pool(&id(pool), &NOBODY).unwrap());
    }
    state.check_pool(&automatic("local"), &pool_grant("new", "10.0.0.0/16"), &NOBODY).unwrap();
}

#[test]
fn what_a_driver_is_owed_has_numbers_that_grow() {
    let mut state = State::default();
    let owe = |state: &mut State| {
        let event = state.owe((id("pool"), None));
        state.apply(&event);
    };
    (0..3).for_each(|_| owe(&mut state));
    assert_eq!(state.owed().keys().collect::<Vec<_>>(), [&0, &1, &2]);
    state.apply(&Event::Told { number: 1 });
    owe(&mut state);
    assert_eq!(state.owed().keys().collect::<Vec<_>>(), [&0, &2, &3]);
}

#[test]
fn the_version_is_the_one_that_changed_last() {
    let mut state = State::default();
    assert_eq!(state.version(), None);
    for byte in [1, 2] {
        let version =
            Version { digest: Some(Digest([byte; 32])), capability: Capability::default() };
        state.apply(&Event::VersionChanged(version));
        assert_eq!(state.version(), Some(version));
    }
}
