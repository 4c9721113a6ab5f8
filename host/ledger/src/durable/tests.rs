//! The durable store against its own promises, with a look inside.

use super::{DurableStore, Retention};
use crate::{Changes, Event, MemoryStore, Record, Store};

#[test]
fn a_new_ledger_is_empty_and_opens_again() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, opened) = DurableStore::open(directory.path(), Retention::default()).unwrap();
    assert!(opened.is_new);
    let changes = [Changes {
        driver: "lab".parse().unwrap(),
        records: vec![Record { cause: Default::default(), event: Event::Told { number: 1 } }],
    }];
    store.commit(&changes).unwrap();
    store.commit(&[]).unwrap();
    drop(store);
    let (mut store, opened) = DurableStore::open(directory.path(), Retention::default()).unwrap();
    assert!(!opened.is_new && opened.was_closed, "{opened:?}");
    let mut memory = MemoryStore::default();
    memory.commit(&changes).unwrap();
    assert_eq!(store.view().unwrap().drivers().unwrap().len(), 1);
}
