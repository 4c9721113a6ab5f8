//! A row that is gone is noticed, in every table.

use super::{
    super::{
        DurableStore, Retention,
        tables::{DRIVERS, HEAD_KEY, HISTORY, LEASES, META, NOTE_PREFIX, OWED, POOLS, STORED},
    },
    Memory, changes, id, lease, open, pool,
};
use crate::{Audit, Event, Store, StoreError};
use redb::{Database, WriteTransaction};
use std::{ops::ControlFlow, sync::Arc};

const POOL: &str = "pool";

fn ledger() -> Memory {
    let memory = Memory::default();
    let lease = lease(id(POOL), "10.0.0.1/24".parse().unwrap(), 2);
    let events = [
        Event::PoolGranted(pool(id(POOL), "10.0.0.0/24")),
        Event::AddressLeased(lease),
        Event::Owed { number: 5, pool_id: id(POOL), address: None },
        Event::Stored(Arc::new([("key".to_owned(), Some(vec![1]))].into())),
    ];
    let (mut store, _) = open(&memory);
    store.set_note("name", "text").unwrap();
    store.commit(&[changes("lab", Audit::default(), &events)]).unwrap();
    store.close().unwrap();
    memory
}

/// Reads everything.
fn read(store: &mut DurableStore) -> Result<(), StoreError> {
    store.load(&"lab".parse().unwrap())?;
    store.note("name")?;
    store.view()?.history(&mut |_| ControlFlow::Continue(()))
}

#[track_caller]
fn check(table: &str, remove: impl FnOnce(&WriteTransaction)) {
    let memory = ledger();
    let database = Database::builder().create_with_backend(memory.entries.clone()).unwrap();
    let transaction = database.begin_write().unwrap();
    remove(&transaction);
    transaction.commit().unwrap();
    drop(database);
    let opened = DurableStore::on(memory, Retention::default(), 4096);
    let text = match opened {
        Ok((mut store, _)) => read(&mut store).unwrap_err().to_string(),
        Err(error) => error.to_string(),
    };
    assert!(text.contains(&format!("table {table}")), "{text}");
}

#[test]
fn a_row_that_is_gone_is_noticed() {
    read(&mut open(&ledger()).0).unwrap();
    check("drivers", |transaction| {
        transaction.open_table(DRIVERS.table()).unwrap().remove("lab").unwrap();
    });
    check("pools", |transaction| {
        transaction.open_table(LEASES.table()).unwrap().retain(|_, _| false).unwrap();
        transaction.open_table(POOLS.table()).unwrap().remove(("lab", POOL)).unwrap();
    });
    check("leases", |transaction| {
        transaction.open_table(LEASES.table()).unwrap().retain(|_, _| false).unwrap();
    });
    check("leases", |transaction| {
        transaction.open_table(POOLS.table()).unwrap().remove(("lab", POOL)).unwrap();
        // A count that fits makes the lease one of no pool.
        let mut drivers = transaction.open_table(DRIVERS.table()).unwrap();
        let mut row = DRIVERS.get(&drivers, "lab").unwrap().unwrap();
        row.pools = 0;
        DRIVERS.put(&mut drivers, "lab", &row).unwrap();
    });
    check("owed", |transaction| {
        transaction.open_table(OWED.table()).unwrap().remove(("lab", 5)).unwrap();
    });
    check("store", |transaction| {
        transaction.open_table(STORED.table()).unwrap().remove(("lab", "key")).unwrap();
    });
    check("history", |transaction| {
        transaction.open_table(HISTORY.table()).unwrap().remove(0).unwrap();
    });
    check("meta", |transaction| {
        let key = format!("{NOTE_PREFIX}name");
        transaction.open_table(META).unwrap().remove(&*key).unwrap();
    });
    check("meta", |transaction| {
        transaction.open_table(META).unwrap().remove(HEAD_KEY).unwrap();
    });
}
