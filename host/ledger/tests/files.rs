//! A ledger in real files: what is kept, and what is refused.

#![expect(clippy::unwrap_used, reason = "a test may")]

use ipam_api::{Capability, Digest, DriverName, Options, PoolId};
use ipam_ledger::{
    Asked, Cause, Changes, DurableStore, Event, Lease, MemoryStore, Pool, Record, Retention,
    Session, State, Store, Time, Version,
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
    DurableStore::open(directory, Retention::default()).unwrap()
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
fn what_a_crash_left_of_a_ledger_that_never_was_is_no_hindrance() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("ledger.redb.new"), "half a led").unwrap();
    commit(&mut open(directory.path()), 1, pool(1));
    assert_eq!(open(directory.path()).load(&lab()).unwrap().pools().count(), 1);
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
        match opened.and_then(|mut store| store.load(&lab())) {
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
    let mut store = DurableStore::open(directory.path(), retention).unwrap();
    for time in 1..=30 {
        commit(&mut store, time, pool(time));
    }
    assert_eq!(past(&mut store), (20..=30).collect::<Vec<u64>>());
    drop(store);
    let retention = Retention { max_bytes: 300, max_age_ms: u64::MAX };
    let mut store = DurableStore::open(directory.path(), retention).unwrap();
    commit(&mut store, 31, pool(31));
    let kept = past(&mut store);
    assert!((1..10).contains(&kept.len()) && kept.last() == Some(&31), "{kept:?}");
}

#[test]
fn a_backup_is_a_ledger_and_never_overwrites() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    for generation in 1..=50 {
        commit(&mut store, generation, pool(generation));
    }
    let restored = tempfile::tempdir().unwrap();
    let file = restored.path().join("ledger.redb");
    let view = store.view().unwrap();
    // What is committed meanwhile is not in it, and does not wait for it.
    commit(&mut store, 51, pool(51));
    view.backup(&file).unwrap();
    let again = view.backup(&file).unwrap_err().to_string();
    assert!(again.contains("ledger.redb"), "{again}");
    let mut copy = open(restored.path());
    assert_eq!(copy.load(&lab()).unwrap().pools().count(), 50);
    assert_eq!(past(&mut copy), (1..=50).collect::<Vec<u64>>());
    commit(&mut copy, 52, pool(52));
    assert_eq!(store.load(&lab()).unwrap().pools().count(), 51);
}

#[test]
fn a_directory_that_cannot_be_used_is_an_error_with_its_path() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    let refused = DurableStore::open(&missing, Retention::default()).unwrap_err().to_string();
    assert!(refused.contains("missing/ledger.redb.new"), "{refused}");
}

fn id(generation: u64) -> PoolId {
    PoolId::try_from(format!("pool {generation}").as_str()).unwrap()
}

fn lease(host: u8) -> Arc<Lease> {
    Arc::new(Lease {
        pool_id: id(1),
        address: format!("10.0.1.{host}/24").parse().unwrap(),
        asked: Asked::Automatic,
        options: Options::from([("k".to_owned(), "v".to_owned())]),
        data: Options::new(),
        generation: 10 + u64::from(host),
        created_in: Some(Session(1)),
        granted: Cause::default(),
    })
}

/// All that can be seen of a part of the ledger.
fn shown(state: &State) -> String {
    let mut pools: Vec<_> =
        state.pools().map(|pool| (pool.clone(), pool.pool_id.clone())).collect();
    pools.sort_by_key(|(pool, _)| pool.generation);
    let pools: Vec<_> = pools.iter().map(|(pool, id)| (pool, state.holds(id))).collect();
    let leases: Vec<_> = state.leases_of(&id(1)).collect();
    let rest = (state.owed(), state.version(), state.generation(), state.last_session());
    format!("{pools:?}\n{leases:?}\n{rest:?}")
}

/// Each kind of event, committed one by one and opened again after each.
#[test]
fn what_is_read_again_is_what_was_applied() {
    let directory = tempfile::tempdir().unwrap();
    let mut memory = MemoryStore::default();
    let capability = Capability { requires_mac_address: true, requires_request_replay: false };
    let version = Version { digest: Some(Digest([7; 32])), capability };
    let claim = Some(Session(3));
    let address = lease(1).ip();
    let Event::PoolGranted(second) = pool(2) else { unreachable!() };
    let events = [
        Event::VersionChanged(version),
        pool(1),
        pool(2),
        Event::AddressLeased(lease(1)),
        Event::AddressLeased(lease(2)),
        Event::PoolHeld { pool_id: id(1), generation: 40, claim },
        Event::PoolHeld { pool_id: id(1), generation: 1, claim: None },
        Event::HoldDropped { pool_id: id(1), generation: 40, undoes_claim: true },
        Event::AddressClaimed { pool_id: id(1), address, session: Session(5) },
        Event::Owed { number: 0, pool_id: id(1), address: Some(address) },
        Event::Owed { number: 1, pool_id: id(9), address: None },
        Event::Told { number: 0 },
        Event::AddressReleased(lease(2)),
        Event::AddressLeased(lease(2)),
        Event::PoolReleased(second),
    ];
    for event in events {
        let record = Record { cause: Cause::default(), event: event.clone() };
        memory.commit(&[Changes { driver: lab(), records: vec![record] }]).unwrap();
        commit(&mut open(directory.path()), 0, event.clone());
        let read = open(directory.path()).load(&lab()).unwrap();
        assert_eq!(shown(&read), shown(&memory.load(&lab()).unwrap()), "after {event:?}");
    }
}

#[test]
fn a_newer_format_is_refused_with_both_numbers() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()));
    let path = directory.path().join("ledger.redb");
    let database = redb::Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    let meta = redb::TableDefinition::<&str, u64>::new("meta");
    transaction.open_table(meta).unwrap().insert("format", 99).unwrap();
    transaction.commit().unwrap();
    drop(database);
    // Twice: the first must not have made it another.
    for _ in 0..2 {
        let refused = DurableStore::open(directory.path(), Retention::default()).unwrap_err();
        let words = refused.to_string();
        assert!(words.contains("format 99") && words.contains("format 1"), "{words}");
    }
}
