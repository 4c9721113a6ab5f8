//! A copy of the entries in a file of its own.

use super::tables::{DRIVERS, HISTORY, LEASES, META, OWED, POOLS, failed};
use crate::StoreError;
use redb::{
    Database, Key, ReadTransaction, ReadableTable as _, TableDefinition, Value, WriteTransaction,
    backends::FileBackend,
};
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

/// Writes all that `from` shows into a new file, which gets its name when it
/// is whole.
///
/// # Errors
/// When the file is there already, or cannot be written.
pub(crate) fn write(from: &ReadTransaction, to: &Path) -> Result<(), StoreError> {
    let told =
        |path: &Path, error: io::Error| StoreError::new(format!("{}: {error}", path.display()));
    if to.exists() {
        return Err(told(to, io::ErrorKind::AlreadyExists.into()));
    }
    let mut aside = to.as_os_str().to_owned();
    aside.push(".new");
    let aside = Path::new(&aside);
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(aside);
    let file = file.map_err(|error| told(aside, error))?;
    let copied = copy_all(from, file).and_then(|()| {
        let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
        fs::rename(aside, to)
            .and_then(|()| File::open(parent.unwrap_or(Path::new(".")))?.sync_all())
            .map_err(|error| told(to, error))
    });
    if copied.is_err() {
        // What is left of it is of no use to anybody.
        let _ = fs::remove_file(aside);
    }
    copied
}

fn copy_all(from: &ReadTransaction, file: File) -> Result<(), StoreError> {
    let backend = FileBackend::new(file).map_err(failed)?;
    let database = Database::builder().create_with_backend(backend).map_err(failed)?;
    let mut to = database.begin_write().map_err(failed)?;
    to.set_two_phase_commit(true);
    to.set_quick_repair(true);
    copy(from, &to, META)?;
    copy(from, &to, DRIVERS)?;
    copy(from, &to, POOLS)?;
    copy(from, &to, LEASES)?;
    copy(from, &to, OWED)?;
    copy(from, &to, HISTORY)?;
    to.commit().map_err(failed)
}

fn copy<K: Key + 'static, V: Value + 'static>(
    from: &ReadTransaction,
    to: &WriteTransaction,
    table: TableDefinition<'_, K, V>,
) -> Result<(), StoreError> {
    let from = from.open_table(table).map_err(failed)?;
    let mut to = to.open_table(table).map_err(failed)?;
    for row in from.iter().map_err(failed)? {
        let (key, value) = row.map_err(failed)?;
        to.insert(key.value(), value.value()).map_err(failed)?;
    }
    Ok(())
}
