//! Every format that there ever was opens, and a newer one is left alone.
//!
//! `tests/fixtures/` has a ledger of each. They are written once, by
//! `BLESS=1 cargo test -p ipam-ledger format`, and never again: what they pin
//! is that a later program reads what an earlier one wrote.

use super::{
    super::{
        entries::make_tables,
        error::DurableError,
        migrate::{
            DRIVERS_2, DriverRow2, LEASES_1, Lease1, LeaseRow1, POOLS_1, Pool1, PoolRow1, UNKNOWN,
        },
        tables::{
            FORMAT, FORMAT_KEY, HEAD_KEY, Head, META, META_FORMAT, META_HEAD, META_NOTE,
            NOTE_PREFIX, octets,
        },
    },
    DurableStore, Memory, Opened, Retention, changes, open,
};
use crate::{
    Actor, Asked, Audit, Changes, Event, Lease, Pool, Record, Session, State, Store, Time, Version,
};
use ipam_api::{Capability, Digest, Options, PoolId, Server};
use redb::Database;
use std::{fs, ops::ControlFlow, path::PathBuf, sync::Arc};

const LAB: &str = "lab";

fn fixture(format: u32) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/format-{format}"))
}

fn is_blessing() -> bool {
    std::env::var_os("BLESS").is_some()
}

/// A copy of a fixture, opened.
fn open_fixture(format: u32) -> (DurableStore, Opened) {
    let memory = Memory::default();
    let read = |name: &str| fs::read(fixture(format).join(name)).unwrap_or_default();
    *memory.entries.0.lock().unwrap() = read("ledger.redb");
    *memory.journal.0.lock().unwrap() = read("journal");
    open(&memory)
}

fn id(text: &str) -> PoolId {
    PoolId::try_from(text).unwrap()
}

fn pool(granted: Audit) -> Arc<Pool> {
    Arc::new(Pool {
        pool_id: id("LocalDefault/fd00::/64/fd00::8:0/112"),
        address_space: "LocalDefault".to_owned(),
        prefix: "fd00::/64".parse().unwrap(),
        sub_pool: Some("fd00::8:0/112".parse().unwrap()),
        asked: Asked::Automatic,
        options: Options::from([("key".to_owned(), "value".to_owned())]),
        data: Options::from([("fact".to_owned(), "ß".to_owned())]),
        generation: 300,
        created_in: Some(Session(7)),
        granted,
    })
}

fn lease(address: &str, generation: u64, granted: Audit) -> Arc<Lease> {
    Arc::new(Lease {
        pool_id: pool(granted).pool_id.clone(),
        address: address.parse().unwrap(),
        asked: Asked::Explicit,
        options: Options::from([("com.docker.network.endpoint.name".to_owned(), "e".to_owned())]),
        data: Options::new(),
        generation,
        created_in: None,
        granted,
    })
}

fn version() -> Version {
    let capability = Capability { requires_mac_address: true, requires_request_replay: false };
    Version { digest: Some(Digest([0xab; 32])), capability }
}

/// What the ledger of format 1 held, as events of today.
fn held_in_1() -> Vec<Event> {
    let (pool, first) = (pool(UNKNOWN), lease("fd00::8:1/64", 301, UNKNOWN));
    vec![
        Event::VersionChanged(version()),
        Event::PoolGranted(pool.clone()),
        Event::PoolHeld { pool_id: pool.pool_id.clone(), generation: 302, claim: Some(Session(8)) },
        Event::AddressLeased(first.clone()),
        Event::AddressClaimed {
            pool_id: pool.pool_id.clone(),
            address: first.ip(),
            session: Session(9),
        },
        // Of one that is gone.
        Event::AddressLeased(lease("fd00::8:2/64", 303, UNKNOWN)),
        Event::AddressReleased(lease("fd00::8:2/64", 303, UNKNOWN)),
    ]
}

/// Writes what a program of format 1 would have.
fn write_format_1(memory: &Memory) {
    let database = Database::builder().create_with_backend(memory.entries.clone()).unwrap();
    let transaction = database.begin_write().unwrap();
    let put = |transaction: &redb::WriteTransaction| -> Result<(), DurableError> {
        let (pool, lease) = (pool(UNKNOWN), lease("fd00::8:1/64", 301, UNKNOWN));
        let mut meta = transaction.open_table(META)?;
        META_FORMAT.put(&mut meta, FORMAT_KEY, &1)?;
        META_HEAD.put(&mut meta, HEAD_KEY, &Head { drivers: 1, notes: 1, ..Head::default() })?;
        META_NOTE.put(&mut meta, &format!("{NOTE_PREFIX}site-id"), &"42".to_owned())?;
        let row =
            DriverRow2 { generation: 303, version: Some(version()), pools: 1, leases: 1, owed: 0 };
        DRIVERS_2.put(&mut transaction.open_table(DRIVERS_2.table())?, LAB, &row)?;
        let old = Pool1 {
            pool_id: pool.pool_id.clone(),
            address_space: pool.address_space.clone(),
            prefix: pool.prefix,
            sub_pool: pool.sub_pool,
            asked: pool.asked,
            options: pool.options.clone(),
            data: pool.data.clone(),
            generation: pool.generation,
            created_in: pool.created_in,
        };
        let row = PoolRow1 { pool: old, holds: 2, claim: Some((Session(8), 302)) };
        let key = (LAB, pool.pool_id.as_str());
        POOLS_1.put(&mut transaction.open_table(POOLS_1.table())?, key, &row)?;
        let old = Lease1 {
            pool_id: lease.pool_id.clone(),
            address: lease.address,
            asked: lease.asked,
            options: lease.options.clone(),
            data: lease.data.clone(),
            generation: lease.generation,
            created_in: lease.created_in,
        };
        let row = LeaseRow1 { lease: old, claimed_in: Some(Session(9)) };
        let key = (LAB, lease.pool_id.as_str(), &octets(lease.ip())[..]);
        LEASES_1.put(&mut transaction.open_table(LEASES_1.table())?, key, &row)?;
        Ok(())
    };
    put(&transaction).unwrap();
    transaction.commit().unwrap();
}

#[test]
fn a_ledger_of_format_1_becomes_one_of_today() {
    if is_blessing() && !fixture(1).exists() {
        let memory = Memory::default();
        write_format_1(&memory);
        fs::create_dir_all(fixture(1)).unwrap();
        fs::write(fixture(1).join("ledger.redb"), &*memory.entries.0.lock().unwrap()).unwrap();
    }
    let (mut store, opened) = open_fixture(1);
    assert_eq!(opened.migrated_from, Some(1));
    let mut state = State::default();
    held_in_1().iter().for_each(|event| state.apply(event));
    assert_eq!(store.load(&LAB.parse().unwrap()).unwrap(), state);
    assert_eq!(store.note("site-id").unwrap().as_deref(), Some("42"));
    let events = held_in_1();
    store.commit(&[changes(LAB, Audit::default(), &events[5..])]).unwrap();
    assert_eq!(store.load(&LAB.parse().unwrap()).unwrap(), state);
}

/// An event of every kind, on every account.
fn transactions_of_2() -> Vec<Vec<Changes>> {
    let asked = |server| Audit { at: Time(1_795_000_000_000), by: Actor::Asked(server) };
    let host = Audit { at: Time(1_795_000_000_001), by: Actor::Host };
    let undelivered = Audit { at: Time(1_795_000_000_002), by: Actor::Undelivered };
    let pool = pool(asked(Server::Docker));
    let [first, second] = ["fd00::8:1/64", "10.1.2.3/24"];
    let [first, second] =
        [lease(first, 301, asked(Server::Cni)), lease(second, 303, asked(Server::Library))];
    let pool_id = || pool.pool_id.clone();
    let owed = |number, address| Event::Owed { number, pool_id: pool_id(), address };
    vec![
        vec![changes(LAB, host, &[Event::VersionChanged(version())])],
        vec![
            changes(LAB, asked(Server::Docker), &[Event::PoolGranted(pool.clone())]),
            changes(LAB, asked(Server::Cni), &[Event::AddressLeased(first.clone())]),
            changes("far", host, &[owed(0, Some(first.ip())), owed(1, None)]),
        ],
        vec![changes(
            LAB,
            asked(Server::Operator),
            &[Event::PoolHeld { pool_id: pool_id(), generation: 302, claim: Some(Session(8)) }],
        )],
        vec![changes(
            LAB,
            asked(Server::Reconciler),
            &[
                Event::PoolHeld { pool_id: pool_id(), generation: 300, claim: None },
                Event::AddressClaimed {
                    pool_id: pool_id(),
                    address: first.ip(),
                    session: Session(9),
                },
            ],
        )],
        // What follows is in the journal.
        vec![changes(LAB, asked(Server::Library), &[Event::AddressLeased(second.clone())])],
        vec![
            changes(LAB, undelivered, &[Event::AddressReleased(second)]),
            changes("far", host, &[Event::Told { number: 0 }]),
        ],
        vec![changes(
            LAB,
            asked(Server::Docker),
            &[Event::HoldDropped { pool_id: pool_id(), generation: 302, undoes_claim: true }],
        )],
        vec![],
        vec![changes(
            "gone",
            asked(Server::Docker),
            &[Event::PoolGranted(pool.clone()), Event::PoolReleased(pool.clone())],
        )],
    ]
}

/// Those of format 2, and two drivers that store something.
fn transactions_of_3() -> Vec<Vec<Changes>> {
    let at = |at: u64| Audit { at: Time(1_795_000_000_000 + at), by: Actor::Asked(Server::Docker) };
    let stored = |driver, at, writes: &[(&str, Option<&[u8]>)]| {
        let writes = writes.iter().map(|(key, value)| (key.to_string(), value.map(<[u8]>::to_vec)));
        changes(driver, at, &[Event::Stored(Arc::new(writes.collect()))])
    };
    let mut all = transactions_of_2();
    all[3].extend([
        stored(LAB, at(3), &[("count", Some(&[1])), ("k\u{e4}se", Some(b"")), ("none", None)]),
        stored("far", at(3), &[("count", Some(&[0, 0xff, 9]))]),
    ]);
    all.push(vec![stored(LAB, at(4), &[("count", Some(&[2, 0])), ("k\u{e4}se", None)])]);
    all
}

/// What a program of that format would have left when it was killed. Written
/// by that program, and read by this one for ever.
fn opens_for_ever(format: u32, transactions: &[Vec<Changes>], replayed: usize) {
    if is_blessing() && format == FORMAT && !fixture(format).exists() {
        let memory = Memory::default();
        let (mut store, _) = open(&memory);
        store.set_note("site-id", "42").unwrap();
        for (number, transaction) in transactions.iter().enumerate() {
            store.commit(transaction).unwrap();
            if number == 3 {
                store.maintain(true).unwrap();
            }
        }
        std::mem::forget(store);
        fs::create_dir_all(fixture(format)).unwrap();
        for (name, bytes) in [("ledger.redb", memory.entries), ("journal", memory.journal)] {
            fs::write(fixture(format).join(name), &*bytes.0.lock().unwrap()).unwrap();
        }
    }
    let (mut store, opened) = open_fixture(format);
    let migrated_from = (format != FORMAT).then_some(format);
    assert_eq!((opened.migrated_from, opened.replayed), (migrated_from, replayed));
    let view = store.view().unwrap();
    let mut drivers = view.drivers().unwrap();
    assert_eq!(drivers.len(), 3);
    let all = || transactions.iter().flatten();
    for driver in drivers.drain(..) {
        let mut state = State::default();
        let own = all().filter(|changes| changes.driver == driver);
        own.flat_map(|changes| &changes.records).for_each(|record| state.apply(&record.event));
        assert_eq!(view.load(&driver).unwrap(), state, "{driver}");
    }
    let mut records: Vec<Record> = Vec::new();
    let mut keep = |past: crate::Past<'_>| {
        records.push(past.record.clone());
        ControlFlow::Continue(())
    };
    view.history(&mut keep).unwrap();
    let committed = all().flat_map(|changes| changes.records.iter().cloned());
    let is_past = |record: &Record| !matches!(record.event, Event::Stored(_));
    assert_eq!(records, committed.filter(is_past).collect::<Vec<_>>());
    assert_eq!(store.note("site-id").unwrap().as_deref(), Some("42"));
}

#[test]
fn a_ledger_of_format_2_that_was_killed_opens_for_ever() {
    opens_for_ever(2, &transactions_of_2(), 5);
}

#[test]
fn a_ledger_of_format_3_that_was_killed_opens_for_ever() {
    opens_for_ever(3, &transactions_of_3(), 6);
}

#[test]
fn a_newer_format_is_refused_with_both_numbers_and_left_alone() {
    let memory = Memory::default();
    drop(open(&memory));
    let database = Database::builder().create_with_backend(memory.entries.clone()).unwrap();
    let transaction = database.begin_write().unwrap();
    META_FORMAT.put(&mut transaction.open_table(META).unwrap(), FORMAT_KEY, &4).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let before = memory.entries.0.lock().unwrap().clone();
    for _ in 0..2 {
        let refused = DurableStore::on(memory.clone(), Retention::default(), 4096).unwrap_err();
        assert!(
            matches!(refused, DurableError::NewerFormat { found: 4, newest: FORMAT }),
            "{refused:?}"
        );
        let text = refused.to_string();
        assert!(text.contains("format 4") && text.contains("formats up to 3"), "{text}");
        assert!(*memory.entries.0.lock().unwrap() == before, "the file was changed");
    }
}

#[test]
fn a_new_ledger_has_every_table_that_the_specification_names() {
    let memory = Memory::default();
    let database = Database::builder().create_with_backend(memory.entries).unwrap();
    let transaction = database.begin_write().unwrap();
    make_tables(&transaction).unwrap();
    let mut names: Vec<String> = transaction
        .list_tables()
        .unwrap()
        .map(|table| redb::TableHandle::name(&table).to_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["drivers", "history", "leases", "meta", "owed", "pools", "store"]);
    let specification = include_str!("../../../FORMAT.md");
    for name in names {
        assert!(specification.contains(&format!("| `{name}` |")), "{name}");
    }
}
