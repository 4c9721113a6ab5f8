//! A copy of a snapshot, which is a ledger by itself.

use super::{
    entries::CACHE_BYTES,
    error::DurableError,
    history, load,
    storage::{create_new, rename},
    tables::{DRIVERS, HEAD_KEY, HISTORY, LEASES, META, META_HEAD, OWED, POOLS, STORED, verified},
};
use redb::{
    Database, Key, ReadTransaction, ReadableTable, TableDefinition, TableHandle, WriteTransaction,
    backends::FileBackend,
};
use std::{fs, io, ops::ControlFlow, path::Path};

/// Writes all tables into a new file, row by row, with every checksum and
/// count looked at. The file has its name only when it is complete and synced.
pub(super) fn write(from: &ReadTransaction, to: &Path) -> Result<(), DurableError> {
    let io = |what: &str| DurableError::io(format!("{what} {}", to.display()));
    if to.try_exists().map_err(io("look for"))? {
        let source = io::Error::from(io::ErrorKind::AlreadyExists);
        return Err(io("make a new file")(source));
    }
    check(from)?;
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    let partial = to.with_file_name(name);
    // Of a backup that was cut short.
    match fs::remove_file(&partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io("replace")(error)),
        Err(_) | Ok(()) => {}
    }
    let file = create_new(&partial).map_err(io("make"))?;
    let written = file
        .try_clone()
        .map_err(io("write"))
        .and_then(|file| copy_all(from, file))
        .and_then(|()| file.sync_all().map_err(io("sync")))
        .and_then(|()| rename(&partial, to).map_err(io("name")));
    if written.is_err() {
        // What is left of it hurts nobody; the next one replaces it.
        drop(fs::remove_file(&partial));
    }
    written
}

/// Reads everything once as its readers do.
fn check(from: &ReadTransaction) -> Result<(), DurableError> {
    for (driver, _) in load::drivers(from)? {
        load::state(from, &driver)?;
    }
    history::visit(from, &load::head(from)?.history, &mut |_| ControlFlow::Continue(()))
}

fn copy_all(from: &ReadTransaction, file: fs::File) -> Result<(), DurableError> {
    let backend = FileBackend::new(file)?;
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    let database = builder.create_with_backend(backend)?;
    let mut into = database.begin_write()?;
    into.set_two_phase_commit(true);
    into.set_quick_repair(true);
    copy(from, &into, META)?;
    copy(from, &into, DRIVERS.table())?;
    copy(from, &into, POOLS.table())?;
    copy(from, &into, LEASES.table())?;
    copy(from, &into, OWED.table())?;
    copy(from, &into, STORED.table())?;
    copy(from, &into, HISTORY.table())?;
    // It has no journal, and needs none.
    let mut head = load::head(from)?;
    head.is_open = false;
    META_HEAD.put(&mut into.open_table(META)?, HEAD_KEY, &head)?;
    into.commit()?;
    drop(database);
    Ok(())
}

fn copy<K: Key + 'static>(
    from: &ReadTransaction,
    into: &WriteTransaction,
    definition: TableDefinition<'_, K, &'static [u8]>,
) -> Result<(), DurableError> {
    let source = from.open_table(definition)?;
    let mut target = into.open_table(definition)?;
    for row in source.iter()? {
        let (key, value) = row?;
        verified::<K>(definition.name(), &key.value(), value.value())?;
        target.insert(key.value(), value.value())?;
    }
    Ok(())
}
