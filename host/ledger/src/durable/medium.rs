//! The two files of a ledger, wherever they are.

use crate::StoreError;
use redb::{StorageBackend, backends::FileBackend};
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// Where the two files are. redb's own seam of five methods serves both, so
/// that a test's disk need implement it once.
pub trait Medium: Send {
    /// Opens the file of entries, new or not. Called again after a failure.
    ///
    /// # Errors
    /// When it cannot be opened.
    fn entries(&self) -> io::Result<impl StorageBackend>;

    /// Whether the file of entries has been made whole: then an empty one is
    /// no new ledger.
    fn is_made(&self) -> bool {
        false
    }

    /// Opens the journal, new or not.
    ///
    /// # Errors
    /// When it cannot be opened.
    fn journal(&self) -> io::Result<Box<dyn StorageBackend>>;
}

/// A directory with `ledger.redb` and `journal`, both for their owner alone.
#[derive(Debug, Clone)]
pub struct Directory(PathBuf);

impl Directory {
    /// That directory; it must exist.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Makes the file of entries if there is none, by `fill`, which gets a
    /// medium of another name: a crash leaves a whole one or none.
    pub(crate) fn create(
        &self,
        fill: impl FnOnce(&Nascent) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let path = self.0.join("ledger.redb");
        if path.exists() {
            return Ok(());
        }
        let aside = self.0.join("ledger.redb.new");
        match fs::remove_file(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::new(format!("{}: {error}", aside.display())));
            }
            _ => {}
        }
        fill(&Nascent(self.clone()))?;
        fs::rename(&aside, &path)
            .and_then(|()| File::open(&self.0)?.sync_all())
            .map_err(|error| StoreError::new(format!("{}: {error}", path.display())))
    }

    fn open(&self, name: &str) -> io::Result<FileBackend> {
        let path = self.0.join(name);
        let with_path =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let is_new = !path.exists();
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).mode(0o600).open(&path);
        let file = file.map_err(with_path)?;
        if is_new {
            // The name is as durable as what will be written under it.
            File::open(&self.0).and_then(|dir| dir.sync_all()).map_err(with_path)?;
        }
        FileBackend::new(file).map_err(|error| with_path(io::Error::other(error)))
    }
}

/// A file of entries before it has its name.
pub(crate) struct Nascent(Directory);

impl Medium for Nascent {
    fn entries(&self) -> io::Result<impl StorageBackend> {
        self.0.open("ledger.redb.new")
    }

    fn journal(&self) -> io::Result<Box<dyn StorageBackend>> {
        self.0.journal()
    }
}

impl Medium for Directory {
    fn is_made(&self) -> bool {
        true
    }

    fn entries(&self) -> io::Result<impl StorageBackend> {
        self.open("ledger.redb")
    }

    fn journal(&self) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(self.open("journal")?))
    }
}
