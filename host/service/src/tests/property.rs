//! Whatever breaks, what was answered is so, and nothing else is.

use super::harness::{
    FlakyStore, Harness, REPLAYED, Twist, host, id, lease, lease_of, leased, limits, pool, refusal,
    release, trap,
};
use crate::{Origin, sync::lock};
use ipam_api::{Kind, Receipt, Request};
use proptest::prelude::*;
use std::{collections::BTreeMap, sync::atomic::Ordering};

const POOL: &str = "10.0.0.0/24";
/// The hosts that steps name.
const HOSTS: u8 = 5;

#[derive(Debug, Clone)]
enum Step {
    Lease,
    LeaseOf(u8),
    Release(u8),
    /// Takes back the answer that leased this host, if it is leased.
    Undo(u8),
    /// The next request is answered with that host, whatever is asked.
    Lie(u8),
    Break,
    ReleaseFails(bool),
    StoreFails(bool),
    StartFails(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Lease),
        4 => (1..=HOSTS).prop_map(Step::LeaseOf),
        6 => (1..=HOSTS).prop_map(Step::Release),
        2 => (1..=HOSTS).prop_map(Step::Undo),
        2 => (1..=HOSTS).prop_map(Step::Lie),
        1 => Just(Step::Break),
        1 => any::<bool>().prop_map(Step::ReleaseFails),
        2 => any::<bool>().prop_map(Step::StoreFails),
        1 => any::<bool>().prop_map(Step::StartFails),
    ]
}

fn address(number: u8) -> String {
    format!("10.0.0.{number}")
}

/// Plays `steps`, then mends everything and compares.
fn play(steps: &[Step], is_volatile: bool, origin: Origin) -> Result<(), TestCaseError> {
    let store = FlakyStore::new(is_volatile);
    let store_fails = store.fails.clone();
    let harness = Harness::of(origin, Box::new(store), REPLAYED, limits());
    harness.control.counts.store(true, Ordering::SeqCst);
    harness.ask(pool(POOL)).unwrap();
    let mut leases = 0;
    // What callers were told they have, and have not given back.
    let mut held: BTreeMap<String, Receipt> = BTreeMap::new();
    for step in steps {
        let request = match step {
            Step::Lease => lease(POOL),
            Step::LeaseOf(number) => lease_of(POOL, &address(*number)),
            Step::Release(number) => {
                // Refused or not, a release is made: at the latest when the
                // store works again.
                let answer = harness.try_ask(release(POOL, &address(*number)));
                prop_assert!(matches!(answer, Ok(_) | Err(Kind::Unavailable)), "{:?}", answer);
                held.remove(&host(*number));
                continue;
            }
            Step::Undo(number) => {
                held.remove(&host(*number))
                    .into_iter()
                    .for_each(|receipt| harness.handle.undo(receipt));
                continue;
            }
            Step::Lie(number) => {
                harness.control.twist(leased(Some(&host(*number))));
                continue;
            }
            Step::Break => {
                harness.control.twist(Twist::Address(Err(trap())));
                continue;
            }
            Step::ReleaseFails(breaks) => {
                let failure = if *breaks { trap() } else { refusal() };
                lock(&harness.control.release_fails).push_back(failure);
                continue;
            }
            Step::StoreFails(fails) => {
                store_fails.store(*fails, Ordering::SeqCst);
                continue;
            }
            Step::StartFails(fails) => {
                *lock(&harness.control.start_fails) = fails.then(refusal);
                continue;
            }
        };
        if let Ok(served) = harness.ask(request) {
            leases += 1;
            let got = super::harness::shown(&served.answer);
            let earlier = held.insert(got, served.receipt.expect("a lease has a receipt"));
            prop_assert!(earlier.is_none(), "{:?} was leased twice", earlier);
        }
    }
    store_fails.store(false, Ordering::SeqCst);
    *lock(&harness.control.start_fails) = None;
    lock(&harness.control.twists).clear();
    lock(&harness.control.release_fails).clear();
    // One more instance, which knows nothing but the ledger.
    harness.control.twist(Twist::Address(Err(trap())));
    while harness.try_ask(lease(POOL)) != Err(Kind::Internal) {}
    // What it counted is what was answered, whatever broke.
    let stored = harness.service.look(&"lab".parse().unwrap(), |it| it.stored().clone()).unwrap();
    prop_assert_eq!(stored.get("leases").map_or(0, Vec::len), leases);
    let in_use = format!("{} in use", held.len());
    prop_assert_eq!(harness.try_ask(Request::Status(id(POOL))), Ok(in_use));
    for number in 1..=HOSTS {
        let answer = harness.try_ask(lease_of(POOL, &address(number)));
        let is_held = held.contains_key(&host(number));
        let want = if is_held { Err(Kind::Forbidden) } else { Ok(host(number)) };
        prop_assert_eq!(answer, want);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// However a driver lies, traps and refuses, and however the store fails:
    /// no address is leased twice, and in the end exactly that is leased which
    /// callers were told they have.
    #[test]
    fn what_callers_were_told_is_what_is_so(
        steps in prop::collection::vec(step(), 0..40),
        is_volatile in any::<bool>(),
        is_built_in in any::<bool>(),
    ) {
        // A built-in driver may serve on this thread.
        let origin = if is_built_in { Origin::BuiltIn } else { Origin::Component };
        play(&steps, is_volatile, origin)?;
    }
}
