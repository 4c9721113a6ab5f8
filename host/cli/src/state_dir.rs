//! The state directory: owned by one process, readable by its owner alone.
//!
//! Machine code is loaded from there, so it is judged as ssh judges keys: the
//! directory and the cache in it belong to this user, nobody else may write to
//! them, and neither is a symbolic link, which somebody else may turn. What is
//! above them is not refused: a home whose group may write (umask 002) is usual,
//! and who owns a directory that was mounted from elsewhere says nothing. One
//! that everybody may write to, and where anybody may so rename what is ours, is
//! told of.

use crate::fatal::Fatal;
use rustix::{
    fs::{
        FallocateFlags, FileType, FlockOperation, Mode, OFlags, fallocate, fchmod, flock, fstat,
        lstat, open,
    },
    io::Errno,
    process::geteuid,
    rand::{GetRandomFlags, getrandom},
};
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Read as _, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// A state directory that this process owns until it ends.
#[derive(Debug)]
pub(crate) struct StateDir {
    path: PathBuf,
    /// Holds the lock. The kernel gives it back however the process ends.
    _lock: File,
}

/// What the cache needs room for at least, in bytes; the built-in drivers take
/// 440 KiB.
const ROOM_BYTES: u64 = 2 << 20;
/// What a file of a few words may have, in bytes.
const NOTE_BYTES: u64 = 1024;

impl StateDir {
    /// Makes the directory if its parent is there, and takes it over.
    pub(crate) fn open(path: &Path) -> Result<Self, Fatal> {
        let fatal =
            |why: String| Fatal::Failed(format!("state directory {}: {why}", path.display()));
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(fatal("its parent directory does not exist".to_owned()));
            }
            Err(error) => return Err(fatal(with_advice(&error, "--state-dir"))),
        }
        judge(path).map_err(|why| fatal(with_advice(&why, "--state-dir")))?;
        // Also of a directory that was there: whoever made it may have ended
        // before its name was durable, and what is in it is to be found again.
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let synced = File::open(parent.unwrap_or(Path::new("."))).and_then(|it| it.sync_all());
        if let Err(error) = synced {
            // One that may not be read, or a file system that does not do this.
            tracing::debug!(%error, "the parent of the state directory is not synced");
        }
        if let Some(above) = open_to_all(path) {
            let above = above.display();
            tracing::warn!(%above, "anyone may write to this directory, and so replace the state directory");
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
        // For whoever comes later, if the disk has room for it.
        let _ = lock
            .set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{}", std::process::id()));
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where compiled components are cached: an absolute path to a directory
    /// for its owner alone, since what lies there is executed. On a disk without
    /// room for them it is one in memory, so that drivers serve all the same.
    pub(crate) fn cache(&self) -> Result<PathBuf, Fatal> {
        let path = private(&self.path.join("cache"))?;
        if has_room(&path) {
            return Ok(path);
        }
        let memory = private(Path::new(&format!("/dev/shm/wipam-{}", geteuid().as_raw())))?;
        tracing::warn!(
            full = %path.display(), instead = %memory.display(),
            "no space for compiled code; it is kept in memory until the next start",
        );
        Ok(memory)
    }

    /// Where artifacts of registries are kept.
    pub(crate) fn artifacts(&self) -> Result<PathBuf, Fatal> {
        private(&self.path.join("artifacts"))
    }

    /// The random id of this site, the same for the life of the directory.
    pub(crate) fn site_id(&self) -> Result<String, Fatal> {
        let path = self.path.join("site-id");
        let fatal = |why: String| Fatal::Failed(format!("{}: {why}", path.display()));
        match read_private(&path) {
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
            // What a crash has left there is of no use.
            match fs::remove_file(&aside) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                Err(_) | Ok(()) => {}
            }
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
            writeln!(file, "{id}")?;
            file.sync_all()?;
            fs::rename(&aside, &path)?;
            File::open(&self.path)?.sync_all()
        };
        write().map_err(|error| fatal(error.to_string()))?;
        Ok(id)
    }
}

/// An absolute path to a directory that is ours alone, made if it is not there.
pub(crate) fn private(path: &Path) -> Result<PathBuf, Fatal> {
    let made = match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
    };
    made.and_then(|()| judge(path))
        .and_then(|()| fs::canonicalize(path))
        .map_err(|error| Fatal::Failed(format!("{}: {error}", path.display())))
}

/// Whether [`ROOM_BYTES`] can be allocated there. A file system that cannot
/// allocate ahead is taken to have room; a write that fails says otherwise.
fn has_room(cache: &Path) -> bool {
    let probe = cache.join("probe");
    let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let taken = open(&probe, flags, Mode::RUSR | Mode::WUSR)
        .and_then(|file| fallocate(file, FallocateFlags::empty(), 0, ROOM_BYTES));
    // It is in nobody's way.
    let _ = fs::remove_file(&probe);
    !matches!(taken, Err(Errno::NOSPC | Errno::DQUOT))
}

/// Whether a directory is ours alone to write to, its last name no link.
fn judge(path: &Path) -> io::Result<()> {
    // A slash at the end would follow a link.
    let path = path.components().as_path();
    let no = |text: String| Err(io::Error::other(text));
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = match open(path, flags, Mode::empty()) {
        Ok(directory) => directory,
        Err(error) => {
            let is_link = |status| FileType::from_raw_mode(status) == FileType::Symlink;
            return match lstat(path) {
                Ok(found) if is_link(found.st_mode) => {
                    no("it is a symbolic link; name the directory that it leads to".to_owned())
                }
                _ => Err(error.into()),
            };
        }
    };
    let status = fstat(&directory)?;
    let us = geteuid().as_raw();
    if status.st_uid != us {
        return no(format!(
            "it belongs to user {} and this is user {us}: change its owner or choose another",
            status.st_uid
        ));
    }
    if status.st_mode & WRITABLE_BY_OTHERS != 0 {
        return no(format!(
            "others may write to it (mode {:04o}): chmod go-w it, when you trust what is in it",
            status.st_mode & 0o7777
        ));
    }
    Ok(())
}

/// Those of a mode that let group and others write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// The nearest directory above in which everybody may rename what others own.
fn open_to_all(path: &Path) -> Option<PathBuf> {
    const WRITABLE_BY_ALL: u32 = 0o002;
    const STICKY: u32 = 0o1000;
    let path = fs::canonicalize(path).ok()?;
    let is_open = |above: &&Path| {
        let mode = fs::symlink_metadata(above).map_or(0, |found| found.mode());
        mode & WRITABLE_BY_ALL != 0 && mode & STICKY == 0
    };
    path.ancestors().skip(1).find(is_open).map(Path::to_owned)
}

/// Reads a short file, which is its owner's alone from now on.
fn read_private(path: &Path) -> io::Result<String> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = open(path, flags, Mode::empty())?;
    let private = Mode::RUSR | Mode::WUSR;
    match fchmod(&file, private) {
        // A disk that cannot be written has other trouble.
        Ok(()) | Err(Errno::ROFS) => {}
        Err(error) => return Err(error.into()),
    }
    let mut text = String::new();
    File::from(file).take(NOTE_BYTES).read_to_string(&mut text)?;
    Ok(text)
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
    use super::{StateDir, open_to_all};
    use std::{
        fs::{self, Permissions},
        os::unix::fs::{PermissionsExt as _, symlink},
        path::Path,
    };

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_site_keeps_its_id() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let first = StateDir::open(&path).unwrap().site_id().unwrap();
        assert_eq!(StateDir::open(&path).unwrap().site_id().unwrap(), first);
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&path.join("site-id")), 0o600);
        // One of an older version was there for all to read.
        set_mode(&path.join("site-id"), 0o644);
        assert_eq!(StateDir::open(&path).unwrap().site_id().unwrap(), first);
        assert_eq!(mode(&path.join("site-id")), 0o600);
    }

    #[test]
    fn where_others_may_write_is_no_state_and_no_cache() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        fs::create_dir(&path).unwrap();
        for (bits, is_refused) in
            [(0o775, true), (0o757, true), (0o720, true), (0o1777, true), (0o755, false)]
        {
            set_mode(&path, bits);
            let opened = StateDir::open(&path).map(drop);
            assert_eq!(opened.is_err(), is_refused, "{bits:o}");
            if let Err(refused) = opened {
                let refused = refused.to_string();
                assert!(refused.contains("others may write to it"), "{refused}");
                assert!(refused.contains("chmod go-w"), "{refused}");
            }
            assert_eq!(path.join("lock").exists(), !is_refused, "nothing is made there");
        }
        let state = StateDir::open(&path).unwrap();
        let cache = state.cache().unwrap();
        assert_eq!(mode(&cache), 0o700);
        set_mode(&cache, 0o770);
        let refused = state.cache().unwrap_err().to_string();
        assert!(refused.contains("cache") && refused.contains("others may write"), "{refused}");
    }

    #[test]
    fn a_link_is_no_directory() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        fs::create_dir(&real).unwrap();
        symlink(&real, &link).unwrap();
        for path in [link.clone(), link.join(""), link.join(".")] {
            let refused = StateDir::open(&path).unwrap_err().to_string();
            assert!(refused.contains("symbolic link"), "{}: {refused}", path.display());
        }
        assert_eq!(fs::read_dir(&real).unwrap().count(), 0);
        // A link on the way is the administrator's.
        assert!(StateDir::open(&link.join("state")).is_ok());
        symlink(&real, real.join("state/cache")).unwrap();
        let refused = StateDir::open(&real.join("state")).unwrap().cache().unwrap_err();
        assert!(refused.to_string().contains("symbolic link"), "{refused}");
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        // Only root can give a directory away; for others, root has one.
        let dir = tempfile::tempdir().unwrap();
        let path = if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(dir.path(), Some(65534), None).unwrap();
            dir.path()
        } else {
            Path::new("/")
        };
        let refused = StateDir::open(path).unwrap_err().to_string();
        assert!(refused.contains("it belongs to user"), "{refused}");
    }

    #[test]
    fn a_directory_above_that_is_open_to_all_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("above/state");
        fs::create_dir_all(&path).unwrap();
        for (bits, is_open) in [(0o777, true), (0o1777, false), (0o775, false), (0o755, false)] {
            set_mode(&dir.path().join("above"), bits);
            assert_eq!(open_to_all(&path).is_some(), is_open, "{bits:o}");
        }
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
