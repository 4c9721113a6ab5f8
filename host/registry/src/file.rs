//! Files of bounded size, written whole or not at all.

use rustix::fs::{Mode, OFlags, open};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// The mode of a file that anybody may read, as far as the umask lets them.
pub(crate) const SHARED: u32 = 0o666;
/// The mode of a file of its owner alone.
pub(crate) const PRIVATE: u32 = 0o600;

/// Reads a regular file of at most `most` bytes. Opening waits for nobody who would
/// write to a pipe.
///
/// Its twin is `read_regular` of `ipam-runtime`, which this crate does not know.
pub(crate) fn read(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > most {
        let text = format!("it has more than {most} bytes");
        return Err(io::Error::new(ErrorKind::FileTooLarge, text));
    }
    Ok(bytes)
}

/// Writes a file aside, and puts it in its place: whole, or not at all. Nothing
/// that lies aside already is followed or written to.
pub(crate) fn put(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    // Two threads may write the same file.
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut aside = path.as_os_str().to_owned();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    aside.push(format!(".{}-{number}.new", std::process::id()));
    let aside = PathBuf::from(aside);
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&aside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&aside, path)
    };
    // What a crash of a process with this number left.
    let _ = fs::remove_file(&aside);
    write().inspect_err(|_| drop(fs::remove_file(&aside)))
}

#[cfg(test)]
mod tests {
    use super::{PRIVATE, put, read};
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use std::{fs, io::ErrorKind, os::unix::fs::symlink};

    #[test]
    fn a_pipe_is_refused_and_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pipe");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert_eq!(read(&path, 5).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(read(directory.path(), 5).unwrap_err().kind(), ErrorKind::InvalidInput);
        let path = directory.path().join("file");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert_eq!(read(&path, 4).unwrap_err().kind(), ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_link_that_lies_aside_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let of = |name: &str| directory.path().join(name);
        fs::write(of("victim"), "whole").unwrap();
        for number in 0..1000 {
            let aside = of(&format!("file.{}-{number}.new", std::process::id()));
            symlink(of("victim"), aside).unwrap();
        }
        put(&of("file"), PRIVATE, b"new").unwrap();
        assert_eq!(fs::read(of("file")).unwrap(), b"new");
        assert!(!of("file").is_symlink());
        assert_eq!(fs::read(of("victim")).unwrap(), b"whole");
    }
}
