//! Files that an operator named, read within bounds.

use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use std::{
    fs::File,
    io::{self, ErrorKind, Read as _},
    path::Path,
};

/// Reads a file of at most `most` bytes.
///
/// Only a regular one: nobody knows when a pipe ends, and a device may never.
/// Opening does not wait for whoever would write either.
///
/// # Errors
/// [`ErrorKind::FileTooLarge`] if it has more bytes, [`ErrorKind::InvalidInput`]
/// if it is something else, and what the system says.
pub fn read_regular(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = open(path, flags, Mode::empty())?;
    let status = fstat(&file)?;
    let kind = match FileType::from_raw_mode(status.st_mode) {
        FileType::RegularFile => None,
        FileType::Fifo => Some("a pipe"),
        FileType::CharacterDevice | FileType::BlockDevice => Some("a device"),
        FileType::Directory => Some("a directory"),
        FileType::Socket | FileType::Symlink | FileType::Unknown => Some("something else"),
    };
    if let Some(kind) = kind {
        let text = format!("it is {kind}, and no file");
        return Err(io::Error::new(ErrorKind::InvalidInput, text));
    }
    let mut bytes = Vec::new();
    // One byte more than allowed is enough to know that it is too much.
    File::from(file).take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let text = format!("it has more than {most} bytes");
        return Err(io::Error::new(ErrorKind::FileTooLarge, text));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::read_regular;
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use std::{fs, io::ErrorKind, os::unix::net::UnixListener, path::Path};

    #[test]
    fn a_file_is_read_up_to_its_bound() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        fs::write(&path, "12345").expect("a file");
        for (most, want) in [(6, Ok(5)), (5, Ok(5)), (4, Err(ErrorKind::FileTooLarge))] {
            let got = read_regular(&path, most).map(|bytes| bytes.len());
            assert_eq!(got.map_err(|error| error.kind()), want, "{most}");
        }
        // A link to a file is one: what an operator names may be such.
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        assert!(read_regular(&link, 5).is_ok());
        let none = read_regular(&directory.path().join("none"), 5).unwrap_err();
        assert_eq!(none.kind(), ErrorKind::NotFound);
    }

    /// None of them is waited for.
    #[test]
    fn what_is_no_file_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let fifo = directory.path().join("fifo");
        mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
        let socket = directory.path().join("socket");
        let _listener = UnixListener::bind(&socket).expect("a socket");
        for (path, words) in [
            (&*fifo, "it is a pipe"),
            (Path::new("/dev/zero"), "it is a device"),
            (directory.path(), "it is a directory"),
        ] {
            let refused = read_regular(path, 5).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{}", path.display());
            assert!(refused.to_string().contains(words), "{refused}");
        }
        assert!(read_regular(&socket, 5).is_err());
    }
}
