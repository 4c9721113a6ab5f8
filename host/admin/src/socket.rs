//! The socket file: for its owner alone from its first moment on.

use rustix::{
    fs::{Mode, OFlags, fchmod, open as open_file},
    io::{Errno, retry_on_intr},
    net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
    },
};
use std::{
    fs, io,
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::net::{UnixListener, UnixStream},
    },
    path::Path,
};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 16;

/// Listens at `path`, in place of whatever socket is there: its directory has
/// one owner, and that is the caller.
pub(crate) fn open(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Err(_) | Ok(()) => {}
    }
    let address = Address::of(path)?;
    let socket = stream()?;
    // The file gets the mode of the socket it is bound to, less the umask.
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    bind(&socket, &address.short)?;
    listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

/// Connects to the socket at `path`.
pub(crate) fn connect_to(path: &Path) -> io::Result<UnixStream> {
    let address = Address::of(path)?;
    let socket = stream()?;
    retry_on_intr(|| connect(&socket, &address.short))?;
    Ok(socket.into())
}

fn stream() -> io::Result<OwnedFd> {
    Ok(socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?)
}

/// Where a socket is. An address holds 107 bytes of a path, and the state
/// directory of a managed plugin, seen from outside, is longer: such a one is
/// reached through its opened directory.
struct Address {
    short: SocketAddrUnix,
    _directory: Option<OwnedFd>,
}

impl Address {
    fn of(path: &Path) -> io::Result<Self> {
        match SocketAddrUnix::new(path) {
            Ok(short) => return Ok(Self { short, _directory: None }),
            Err(Errno::NAMETOOLONG) => {}
            Err(error) => return Err(error.into()),
        }
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Errno::NAMETOOLONG.into());
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = open_file(directory, flags, Mode::empty())?;
        let through = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string());
        let short = SocketAddrUnix::new(through.join(name))?;
        Ok(Self { short, _directory: Some(directory) })
    }
}

#[cfg(test)]
mod tests {
    use super::{connect_to, open};
    use std::{
        fs,
        io::{ErrorKind, Read as _, Write as _},
        os::unix::fs::PermissionsExt as _,
    };

    /// As long as Docker's data root makes it for a managed plugin, and longer.
    #[test]
    fn a_path_of_any_length_can_be_asked() {
        let directory = tempfile::tempdir().unwrap();
        for length in [10, 70, 112, 1000] {
            let mut path = directory.path().join(length.to_string());
            for at in (0..length).step_by(100) {
                path.push("d".repeat(100.min(length - at)));
            }
            fs::create_dir_all(&path).unwrap();
            path.push("admin.sock");
            assert_eq!(connect_to(&path).unwrap_err().kind(), ErrorKind::NotFound);
            let listener = open(&path).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            let mut client = connect_to(&path).unwrap();
            client.write_all(b"x").unwrap();
            let mut byte = [0];
            listener.accept().unwrap().0.read_exact(&mut byte).unwrap();
            drop(listener);
            assert_eq!(connect_to(&path).unwrap_err().kind(), ErrorKind::ConnectionRefused);
            // What a process left behind is replaced.
            drop(open(&path).unwrap());
        }
    }
}
