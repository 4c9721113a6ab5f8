//! The state directory: owned by one process, readable by its owner alone.

use crate::Fatal;
use rustix::{
    fs::{FlockOperation, Mode, OFlags, flock, open},
    rand::{GetRandomFlags, getrandom},
};
use std::{
    fs::{self, DirBuilder, File},
    io::{ErrorKind, Read as _, Seek as _, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

/// A state directory that this process owns until it ends.
#[derive(Debug)]
pub(crate) struct StateDir {
    path: PathBuf,
    /// Holds the lock. The kernel gives it back however the process ends.
    _lock: File,
}

impl StateDir {
    /// Makes the directory if its parent is there, and takes it over.
    pub(crate) fn open(path: &Path) -> Result<Self, Fatal> {
        let fatal =
            |why: String| Fatal::Failed(format!("state directory {}: {why}", path.display()));
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(fatal("its parent directory does not exist".to_owned()));
            }
            Err(error) => return Err(fatal(with_advice(&error, "--state-dir"))),
        }
        let lock = path.join("lock");
        let flags = OFlags::CREATE | OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let lock = open(&lock, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|error| fatal(with_advice(&error.into(), "--state-dir")))?;
        let mut lock = File::from(lock);
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut holder = String::new();
            // Who holds it is a courtesy; that somebody does is the fact.
            let _ = (&mut lock).take(32).read_to_string(&mut holder);
            return Err(fatal(format!("in use by process {}", holder.trim())));
        }
        let note = lock.set_len(0).and_then(|()| lock.rewind());
        note.and_then(|()| writeln!(lock, "{}", std::process::id()))
            .map_err(|error| fatal(error.to_string()))?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where compiled components are cached: an absolute path to a directory
    /// for its owner alone, since what lies there is executed.
    pub(crate) fn cache(&self) -> Result<PathBuf, Fatal> {
        let path = self.path.join("cache");
        let made = match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            made => made,
        };
        made.and_then(|()| fs::canonicalize(&path))
            .map_err(|error| Fatal::Failed(format!("{}: {error}", path.display())))
    }

    /// The random id of this site, the same for the life of the directory.
    pub(crate) fn site_id(&self) -> Result<String, Fatal> {
        let path = self.path.join("site-id");
        let fatal = |why: String| Fatal::Failed(format!("{}: {why}", path.display()));
        match fs::read_to_string(&path) {
            Ok(text) if is_site_id(text.trim()) => return Ok(text.trim().to_owned()),
            Ok(_) => {
                return Err(fatal("is not 32 hexadecimal digits; restore or remove it".to_owned()));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(fatal(error.to_string())),
        }
        let mut random = [0; 16];
        let read = getrandom(&mut random, GetRandomFlags::empty());
        if read.ok() != Some(random.len()) {
            return Err(fatal("the system gave no random bytes".to_owned()));
        }
        let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        // Written aside and renamed: a crash leaves a whole id or none.
        let aside = self.path.join("site-id.new");
        let write = || {
            let mut file = File::create(&aside)?;
            writeln!(file, "{id}")?;
            file.sync_all()?;
            fs::rename(&aside, &path)?;
            File::open(&self.path)?.sync_all()
        };
        write().map_err(|error| fatal(error.to_string()))?;
        Ok(id)
    }
}

fn is_site_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What went wrong, and what somebody who is not root can do about it.
pub(crate) fn with_advice(error: &std::io::Error, flag: &str) -> String {
    if error.kind() == ErrorKind::PermissionDenied {
        return format!("{error}; run as root or choose another with {flag}");
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::StateDir;
    use std::{fs, os::unix::fs::PermissionsExt as _};

    #[test]
    fn a_site_keeps_its_id() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let first = StateDir::open(&path).unwrap().site_id().unwrap();
        assert_eq!(StateDir::open(&path).unwrap().site_id().unwrap(), first);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_second_owner_is_told_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let _owner = StateDir::open(dir.path()).unwrap();
        let refused = StateDir::open(dir.path()).unwrap_err().to_string();
        assert!(refused.contains(&std::process::id().to_string()), "{refused}");
    }

    #[test]
    fn nothing_is_made_below_a_missing_directory() {
        let dir = tempfile::tempdir().unwrap();
        let refused = StateDir::open(&dir.path().join("a/b")).unwrap_err().to_string();
        assert!(refused.contains("parent directory does not exist"), "{refused}");
    }

    #[test]
    fn a_damaged_site_id_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("site-id"), "x").unwrap();
        assert!(StateDir::open(dir.path()).unwrap().site_id().is_err());
    }
}
