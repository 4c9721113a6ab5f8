//! What is read back is what applying the events to nothing gives.

use super::{Memory, changes, open};
use crate::{Audit, MemoryStore, State, Store, property::events};
use ipam_api::DriverName;
use proptest::prelude::*;

/// What is done after a step.
#[derive(Debug, Clone, Copy)]
enum After {
    Nothing,
    Commit,
    /// Commits, and begins a checkpoint.
    Begin,
    Idle,
    /// Closes, and opens again.
    Close,
    /// Leaves the files as they are, and opens them.
    Kill,
}

fn after() -> impl Strategy<Value = After> {
    prop_oneof![
        4 => Just(After::Nothing),
        3 => Just(After::Commit),
        3 => Just(After::Begin),
        1 => Just(After::Idle),
        1 => Just(After::Close),
        1 => Just(After::Kill),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// However the events of two drivers are folded into transactions, and
    /// whenever a checkpoint, an end or a crash comes between, both are what
    /// the store in memory holds. One name begins the other, so the rows of the
    /// first must end before those of the second.
    #[test]
    fn holds_what_the_store_in_memory_holds(
        first in events(),
        second in events(),
        after in prop::collection::vec(after(), 64),
    ) {
        let names: [DriverName; 2] = ["lab".parse().unwrap(), "lab2".parse().unwrap()];
        let memory = Memory::default();
        let (mut store, _) = open(&memory);
        let (mut plain, mut staged) = (MemoryStore::default(), Vec::new());
        for (number, after) in after.into_iter().enumerate() {
            for (name, events) in names.iter().zip([&first, &second]) {
                let events = events.get(number).filter(|events| !events.is_empty());
                staged.extend(events.map(|it| changes(name.as_str(), Audit::default(), it)));
            }
            if !matches!(after, After::Nothing) {
                store.commit(&staged).unwrap();
                plain.commit(&staged).unwrap();
                staged.clear();
            }
            match after {
                After::Nothing | After::Commit => {}
                After::Begin => store.maintain(false).unwrap(),
                After::Idle => store.maintain(true).unwrap(),
                After::Close => {
                    store.close().unwrap();
                    store = open(&memory).0;
                }
                After::Kill => {
                    std::mem::forget(store);
                    store = open(&memory).0;
                }
            }
        }
        store.commit(&staged).unwrap();
        plain.commit(&staged).unwrap();
        for name in &names {
            let (found, all): (State, State) =
                (store.load(name).unwrap(), Store::load(&mut plain, name).unwrap());
            prop_assert!(found.replay().eq(all.replay()));
            prop_assert_eq!(found, all);
        }
    }
}
