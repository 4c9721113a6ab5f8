//! Where a ledger's two files are.

use redb::{BackendError, StorageBackend, backends::FileBackend};
use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io,
    ops::Bound,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Something that holds two files. Each can be opened again after a failure;
/// what is opened has to be empty at first, and then what it was.
///
/// Both are redb's own five methods, so that one simulated disk serves both.
pub trait Storage: fmt::Debug + Send {
    /// Opens the file of entries, or makes an empty one.
    ///
    /// # Errors
    /// The system's.
    fn entries(&self) -> io::Result<Box<dyn StorageBackend>>;

    /// Opens the journal, or makes an empty one.
    ///
    /// # Errors
    /// The system's.
    fn journal(&self) -> io::Result<Box<dyn StorageBackend>>;

    /// What to call it in an error.
    fn name(&self) -> String {
        "the ledger".to_owned()
    }
}

/// A directory with the files `ledger.redb` and `journal`, readable and
/// writable by their owner alone.
#[derive(Debug, Clone)]
pub struct Directory(PathBuf);

impl Directory {
    /// A directory that exists.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn StorageBackend>> {
        let path = self.0.join(name);
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(0o600);
        let file = match options.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                options.create(true).truncate(false).open(&path)?
            }
            opened => opened?,
        };
        // Also of a file that was there: whoever made it may have ended before
        // its name was durable.
        sync_directory(&self.0)?;
        let backend = FileBackend::new(file).map_err(io::Error::other)?;
        Ok(Box::new(backend))
    }
}

impl Storage for Directory {
    fn entries(&self) -> io::Result<Box<dyn StorageBackend>> {
        self.open("ledger.redb")
    }

    fn journal(&self) -> io::Result<Box<dyn StorageBackend>> {
        self.open("journal")
    }

    fn name(&self) -> String {
        self.0.display().to_string()
    }
}

/// Makes the names in a directory durable.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes a file that was not there, for its owner alone.
pub(super) fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// Renames a file, and makes that durable.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
    sync_directory(parent.unwrap_or(Path::new(".")))
}

type Range = (Bound<u64>, Bound<u64>);

/// All of a file.
const WHOLE: Range = (Bound::Unbounded, Bound::Unbounded);

/// Whether nobody else has the file, for as long as it is open. A storage that
/// cannot lock has nobody else.
pub(super) fn lock(file: &dyn StorageBackend) -> io::Result<bool> {
    match file.try_lock_range(WHOLE.0, WHOLE.1) {
        Err(BackendError::Unsupported) => Ok(true),
        locked => locked.map_err(Into::into),
    }
}

/// A boxed backend as a backend.
#[derive(Debug)]
pub(super) struct Boxed(pub(super) Box<dyn StorageBackend>);

impl StorageBackend for Boxed {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.0.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.0.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.query_lock_range(start, end)
    }
}
