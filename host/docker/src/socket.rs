//! Socket files: taking a path, and giving it back.
//!
//! A path is taken only if nothing is there, or the socket of a process that
//! is gone. It is given back only if it is still ours.

use rustix::{
    fs::{Mode, fchmod},
    io::Errno,
    net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
    },
};
use std::{
    fs::{self, Metadata, Permissions},
    io::{self, ErrorKind},
    os::{
        fd::OwnedFd,
        unix::{
            fs::{FileTypeExt, MetadataExt, PermissionsExt},
            net::UnixListener,
        },
    },
    path::{Path, PathBuf},
};

/// Owner and group, as Docker's own plugin helpers set it (go-connections,
/// `sockets/unix_socket_unix.go`): who may write here may take addresses.
const MODE: u32 = 0o660;
/// Connections that wait to be accepted. The kernel has a limit of its own,
/// `net.core.somaxconn`.
const BACKLOG: i32 = 1024;

/// Why a socket could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// Another driver of this server has that name.
    #[error("{}: another driver has this socket: give one of them another name for Docker", path.display())]
    Taken {
        /// The socket.
        path: PathBuf,
    },
    /// Another process listens there.
    #[error("{}: another process is listening on this socket", path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something else has the name.
    #[error("{}: in the way, and not a socket", path.display())]
    NotASocket {
        /// The file.
        path: PathBuf,
    },
    /// The name is no name for a socket file.
    #[error("{name:?} is not a name that a plugin can have")]
    InvalidName {
        /// What the operator wrote.
        name: String,
    },
    /// The server is shutting down.
    #[error("shutting down")]
    ShuttingDown,
    /// The system did not let us.
    #[error("{}: cannot {action}: {reason}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// What failed.
        action: &'static str,
        /// Why. Part of the text, so not a source of the error.
        reason: io::Error,
    },
}

/// A socket file of ours. Dropped, it is removed.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode: what tells our file from a successor's.
    identity: (u64, u64),
}

impl SocketFile {
    /// Listens at `path`.
    pub(crate) fn open(path: PathBuf) -> Result<(Self, UnixListener), SocketError> {
        let io = |action| {
            let path = path.clone();
            move |errno: Errno| SocketError::Io { path, action, reason: errno.into() }
        };
        let address = SocketAddrUnix::new(&path).map_err(io("use so long a path"))?;
        make_way(&path, &address)?;
        let socket = stream_socket().map_err(io("make a socket"))?;
        // The file gets the mode of the socket it is bound to, less the umask:
        // at no time may more people write than in the end.
        fchmod(&socket, Mode::from_raw_mode(MODE)).map_err(io("set the mode"))?;
        bind(&socket, &address).map_err(io("bind"))?;
        let metadata = status(&path).map_err(io("find what was bound"))?;
        let file = Self { path: path.clone(), identity: identity(&metadata) };
        listen(&socket, BACKLOG).map_err(io("listen"))?;
        fs::set_permissions(&path, Permissions::from_mode(MODE))
            .map_err(|reason| SocketError::Io { path, action: "set the mode", reason })?;
        Ok((file, socket.into()))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = status(&self.path).is_ok_and(|found| identity(&found) == self.identity);
        if !ours {
            tracing::warn!(path = %self.path.display(), "socket is not ours any more: left alone");
        } else if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the socket");
        }
    }
}

/// Removes the socket of a process that is gone.
fn make_way(path: &Path, address: &SocketAddrUnix) -> Result<(), SocketError> {
    let io = |action| {
        move |errno: Errno| SocketError::Io { path: path.into(), action, reason: errno.into() }
    };
    match status(path) {
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(io("look at what is there")(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(SocketError::NotASocket { path: path.into() });
        }
        Ok(_) => {}
    }
    let socket = stream_socket().map_err(io("make a socket"))?;
    match connect(&socket, address) {
        Err(Errno::CONNREFUSED) => match fs::remove_file(path) {
            Err(reason) if reason.kind() != ErrorKind::NotFound => {
                let action = "remove the socket of a process that is gone";
                Err(SocketError::Io { path: path.into(), action, reason })
            }
            _ => Ok(()),
        },
        Err(Errno::NOENT) => Ok(()),
        // A full queue says that somebody has one; so does a socket of another
        // type.
        Ok(()) | Err(Errno::AGAIN | Errno::PROTOTYPE) => {
            Err(SocketError::InUse { path: path.into() })
        }
        Err(error) => Err(io("ask who is listening")(error)),
    }
}

fn stream_socket() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

fn status(path: &Path) -> Result<Metadata, Errno> {
    fs::symlink_metadata(path).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}
