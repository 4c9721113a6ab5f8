//! A ledger in real files: what is kept, and what is refused.

#![expect(clippy::unwrap_used, reason = "a test may")]

use ipam_api::{DriverName, Options, PoolId};
use ipam_ledger::{
    Asked, Cause, Changes, DurableStore, Event, Pool, Record, Retention, Store, Time,
};
use std::{fs, ops::ControlFlow, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc};

fn lab() -> DriverName {
    "lab".parse().unwrap()
}

fn pool(generation: u64) -> Event {
    Event::PoolGranted(Arc::new(Pool {
        pool_id: PoolId::try_from(format!("pool {generation}").as_str()).unwrap(),
        address_space: "local".to_owned(),
        prefix: format!("10.{}.{}.0/24", generation / 256, generation % 256).parse().unwrap(),
        sub_pool: None,
        asked: Asked::Explicit,
        options: Options::new(),
        data: Options::new(),
        generation,
        created_in: None,
        granted: Cause::default(),
    }))
}

fn commit(store: &mut DurableStore, at: u64, event: Event) {
    let cause = Cause { at: Time(at), ..Cause::default() };
    let records = vec![Record { cause, event }];
    store.commit(&[Changes { driver: lab(), records }]).unwrap();
}

fn open(directory: &Path) -> DurableStore {
    DurableStore::open(directory, Retention::default()).unwrap().0
}

fn past(store: &mut DurableStore) -> Vec<u64> {
    let mut times = Vec::new();
    let view = store.view().unwrap();
    view.history(&mut |past| {
        times.push(past.record.cause.at.0);
        ControlFlow::Continue(())
    })
    .unwrap();
    times
}

#[test]
fn what_was_committed_is_there_again_with_its_generation_and_its_past() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    commit(&mut store, 7, pool(1));
    commit(&mut store, 8, pool(2));
    let Event::PoolGranted(second) = pool(2) else { unreachable!() };
    commit(&mut store, 9, Event::PoolReleased(second));
    drop(store);
    let mut store = open(directory.path());
    let state = store.load(&lab()).unwrap();
    assert_eq!(state.pools().count(), 1);
    assert_eq!(state.generation(), 2, "a receipt of the second stays void");
    assert_eq!(past(&mut store), [7, 8, 9]);
    assert_eq!(store.view().unwrap().drivers().unwrap(), [lab()]);
}

#[test]
fn files_are_for_their_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()));
    for name in ["ledger.redb", "journal"] {
        let mode = fs::metadata(directory.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_damaged_file_is_an_error_and_not_a_new_ledger() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    for generation in 1..100 {
        commit(&mut store, generation, pool(generation));
    }
    drop(store);
    let path = directory.path().join("ledger.redb");
    let whole = fs::read(&path).unwrap();
    let mut refused = 0;
    let damages = (0..whole.len()).step_by(997).map(|at| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        bytes
    });
    let cuts = [0, 1, 100, 4096, whole.len() / 2].map(|length| whole[..length].to_vec());
    for bytes in damages.chain(cuts) {
        fs::write(&path, &bytes).unwrap();
        let opened = DurableStore::open(directory.path(), Retention::default());
        match opened.map_err(Into::into).and_then(|(mut store, _)| store.load(&lab())) {
            // What was hit holds nothing of it.
            Ok(state) if bytes.len() == whole.len() => {
                assert_eq!(state.pools().count(), 99);
            }
            Ok(_) => panic!("{} bytes of {} are a ledger", bytes.len(), whole.len()),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 5, "only {refused} damages were seen");
}

#[test]
fn the_past_is_kept_up_to_a_size_and_an_age() {
    let directory = tempfile::tempdir().unwrap();
    let retention = Retention { max_bytes: u64::MAX, max_age_ms: 10 };
    let mut store = DurableStore::open(directory.path(), retention).unwrap().0;
    for time in 1..=30 {
        commit(&mut store, time, pool(time));
        // What goes, goes in blocks, and a checkpoint ends a block.
        store.tidy().unwrap();
    }
    assert_eq!(past(&mut store), (20..=30).collect::<Vec<u64>>());
    drop(store);
    let retention = Retention { max_bytes: 300, max_age_ms: u64::MAX };
    let mut store = DurableStore::open(directory.path(), retention).unwrap().0;
    commit(&mut store, 31, pool(31));
    let kept = past(&mut store);
    assert!((1..10).contains(&kept.len()) && kept.last() == Some(&31), "{kept:?}");
}
