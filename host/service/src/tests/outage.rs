//! What operators see and release while the store can be neither written nor
//! read, as on a full disk.

use super::harness::{FlakyStore, Harness, REPLAYED, host, id, lease, limits, pool, release};
use crate::serve::deferred::{DeferredRelease, decided};
use ipam_api::{DriverName, Kind, Receipt, Request};
use ipam_ledger::{Actor, Audit, Event, Lease, State, Time};
use std::sync::{Arc, atomic::Ordering};

const POOL: &str = "10.0.0.0/24";

/// A pool with the leases 1 to 3 of a driver whose store has just failed under
/// a lease, a pool and the release of the lease 1.
fn in_outage(is_volatile: bool) -> (Harness, impl Fn(bool)) {
    let store = FlakyStore { fails_reads: true, ..FlakyStore::new(is_volatile) };
    let fails = store.fails.clone();
    let harness = Harness::with(Box::new(store), REPLAYED, limits());
    harness.ask(pool(POOL)).unwrap();
    (0..3).for_each(|_| drop(harness.ask(lease(POOL)).unwrap()));
    fails.store(true, Ordering::SeqCst);
    for request in [lease(POOL), pool("10.5.0.0/24"), release(POOL, "10.0.0.1")] {
        assert_eq!(harness.try_ask(request), Err(Kind::Unavailable));
    }
    (harness, move |it| fails.store(it, Ordering::SeqCst))
}

/// What is leased in the pool, which is the only one.
fn seen(harness: &Harness) -> Vec<Arc<Lease>> {
    let name: DriverName = "lab".parse().unwrap();
    let look = |state: &State| {
        assert_eq!(state.pools().map(|it| it.pool_id.as_str()).collect::<Vec<_>>(), [POOL]);
        state.leases().cloned().collect()
    };
    harness.service.look(&name, look).unwrap()
}

fn addresses(harness: &Harness) -> Vec<String> {
    seen(harness).iter().map(|lease| lease.ip().to_string()).collect()
}

#[test]
fn what_is_seen_is_what_is_durable_without_what_was_released_since() {
    for is_volatile in [true, false] {
        let (harness, fails) = in_outage(is_volatile);
        assert!(harness.service.view().is_err(), "the store cannot be read");
        assert_eq!(addresses(&harness), ["10.0.0.2", "10.0.0.3"]);
        let held = harness.service.inspect().remove(0).held.unwrap();
        assert_eq!((held.pools, held.leases), (1, 2));
        fails(false);
        assert_eq!(harness.try_ask(lease(POOL)), Ok(host(1)));
        assert_eq!(addresses(&harness), ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    }
}

#[test]
fn what_an_operator_releases_is_kept_once_and_only_as_it_was_seen() {
    for is_volatile in [true, false] {
        let (harness, fails) = in_outage(is_volatile);
        let lease_2 = seen(&harness).remove(0);
        let receipt =
            |generation| Receipt { pool_id: id(POOL), address: Some(lease_2.ip()), generation };
        let take_back = |generation| Request::TakeBack { receipt: receipt(generation), as_of: 99 };
        assert_eq!(harness.try_ask(take_back(lease_2.generation + 1)), Err(Kind::NotFound));
        let kept = harness.ask(take_back(lease_2.generation)).unwrap_err().to_string();
        assert!(kept.contains("the release is kept until it can be"), "{kept}");
        assert_eq!(addresses(&harness), ["10.0.0.3"]);
        assert_eq!(harness.try_ask(take_back(lease_2.generation)), Err(Kind::NotFound));
        fails(false);
        assert_eq!(harness.try_ask(lease(POOL)), Ok(host(1)));
        assert_eq!(harness.try_ask(lease(POOL)), Ok(host(2)));
    }
}

#[test]
fn an_answer_that_was_lost_is_undone_in_what_is_seen() {
    for is_volatile in [true, false] {
        let (harness, fails) = in_outage(is_volatile);
        let lease_3 = seen(&harness).remove(1);
        let (pool_id, address) = (id(POOL), Some(lease_3.ip()));
        harness.handle.undo(Receipt { pool_id, address, generation: lease_3.generation });
        assert_eq!(addresses(&harness), ["10.0.0.2"]);
        fails(false);
        harness.try_ask(lease(POOL)).unwrap();
        assert_eq!(addresses(&harness), ["10.0.0.1", "10.0.0.2"]);
    }
}

/// The store lost the claim as well: what is durable is older.
#[test]
fn the_release_of_what_was_claimed_just_before_is_of_what_was_there() {
    let harness = Harness::new();
    harness.ask(pool(POOL)).unwrap();
    harness.ask(lease(POOL)).unwrap();
    let there = seen(&harness).remove(0);
    let name: DriverName = "lab".parse().unwrap();
    let durable = harness.service.look(&name, State::clone).unwrap();
    let claimed = Arc::new(Lease { generation: there.generation + 7, ..(*there).clone() });
    let claim = Event::LeaseClaimed { lease: claimed.clone(), before: there.generation };
    let cause = Audit { at: Time(0), by: Actor::Host };
    let kept = decided(vec![(cause, claim), (cause, Event::AddressReleased(claimed))]);
    let [(_, kept @ DeferredRelease::One(_))] = &kept[..] else { panic!("{kept:?}") };
    assert_eq!(kept.events(&durable), [Event::AddressReleased(there)]);
}
