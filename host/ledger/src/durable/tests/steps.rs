//! A checkpoint is done in steps, and nobody sees the first ones.

use super::{Bytes, Memory, changes, open};
use crate::{Audit, Event, Store};
use ipam_api::PoolId;
use std::sync::{Arc, Mutex};

/// What a crash leaves: files in memory have nothing that is not synced.
pub(super) fn copy(memory: &Memory) -> Memory {
    let copy = |bytes: &Bytes| Bytes(Arc::new(Mutex::new(bytes.0.lock().unwrap().clone())));
    Memory { entries: copy(&memory.entries), journal: copy(&memory.journal) }
}

#[test]
fn what_is_begun_is_in_the_journal_until_the_checkpoint() {
    let memory = Memory::default();
    let (mut store, _) = open(&memory);
    let pool_id = PoolId::try_from("a").unwrap();
    let event = |number| Event::Owed { number, pool_id: pool_id.clone(), address: None };
    for round in 0..3 {
        for number in 1..=5 {
            let event = event(round * 10 + number);
            let is_due = store.commit(&[changes("lab", Audit::default(), &[event])]).unwrap();
            assert!(is_due, "one record is a step of so small a journal");
            store.maintain(false).unwrap();
            assert_eq!(store.begun, store.journal.end());
            let (mut crashed, opened) = open(&copy(&memory));
            assert_eq!(opened.replayed as u64, number, "round {round}");
            let state = crashed.load(&"lab".parse().unwrap()).unwrap();
            assert_eq!(state.owed().len() as u64, round * 5 + number);
        }
        store.maintain(true).unwrap();
        assert_eq!((store.begun, open(&copy(&memory)).1.replayed), (0, 0));
        // With nothing to do.
        store.maintain(false).unwrap();
    }
}
