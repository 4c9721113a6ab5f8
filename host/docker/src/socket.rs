//! Socket files: created for a driver, and removed afterwards.
//!
//! A path is used only if nothing is there, or the socket of a process that
//! ended. A file is removed only if it is still ours.

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

/// Owner and group may connect, as with Docker's own plugin helpers
/// (go-connections, `sockets/unix_socket_unix.go`). Whoever may connect may
/// request addresses.
const MODE: u32 = 0o660;
/// How many connections may wait to be accepted. The kernel's own limit is
/// `net.core.somaxconn`.
const BACKLOG: i32 = 1024;

/// Why a socket could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// Another driver of this server has this socket.
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
    /// A file that is not a socket has this name.
    #[error("{}: a file that is not a socket is in the way", path.display())]
    NotASocket {
        /// The file.
        path: PathBuf,
    },
    /// The name cannot be the name of a socket file.
    #[error("{name:?} cannot be the name of a plugin")]
    InvalidName {
        /// What the operator wrote.
        name: String,
    },
    /// The server is shutting down.
    #[error("shutting down")]
    ShuttingDown,
    /// A system call failed.
    #[error("{}: cannot {action}: {reason}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// What failed.
        action: &'static str,
        /// Why. It is part of the text, so it is not the error's source.
        reason: io::Error,
    },
}

/// A socket file of this process. It is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode, which tell our file from one that replaced it.
    identity: (u64, u64),
}

impl SocketFile {
    /// Listens at `path`.
    pub(crate) fn open(path: PathBuf) -> Result<(Self, UnixListener), SocketError> {
        let io = |action| {
            let path = path.clone();
            move |errno: Errno| SocketError::Io { path, action, reason: errno.into() }
        };
        let address = SocketAddrUnix::new(&path).map_err(io("use a path of this length"))?;
        make_way(&path, &address)?;
        let socket = stream_socket().map_err(io("make a socket"))?;
        // The file gets the mode of the socket it is bound to, less the umask, so
        // at no time may more users connect than in the end.
        fchmod(&socket, Mode::from_raw_mode(MODE)).map_err(io("set the mode"))?;
        bind(&socket, &address).map_err(io("bind"))?;
        let metadata = status(&path).map_err(io("examine the bound file"))?;
        let file = Self { path: path.clone(), identity: identity(&metadata) };
        listen(&socket, BACKLOG).map_err(io("listen"))?;
        fs::set_permissions(&path, Permissions::from_mode(MODE))
            .map_err(|reason| SocketError::Io { path, action: "set the mode", reason })?;
        Ok((file, socket.into()))
    }

    /// The path of the file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = status(&self.path).is_ok_and(|found| identity(&found) == self.identity);
        if !ours {
            tracing::warn!(path = %self.path.display(), "another file has replaced the socket: it is not removed");
        } else if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the socket");
        }
    }
}

/// Removes the socket of a process that ended.
fn make_way(path: &Path, address: &SocketAddrUnix) -> Result<(), SocketError> {
    let io = |action| {
        move |errno: Errno| SocketError::Io { path: path.into(), action, reason: errno.into() }
    };
    match status(path) {
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(io("examine what is there")(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(SocketError::NotASocket { path: path.into() });
        }
        Ok(_) => {}
    }
    let socket = stream_socket().map_err(io("make a socket"))?;
    match connect(&socket, address) {
        Err(Errno::CONNREFUSED) => match fs::remove_file(path) {
            Err(reason) if reason.kind() != ErrorKind::NotFound => {
                let action = "remove the socket of a process that ended";
                Err(SocketError::Io { path: path.into(), action, reason })
            }
            _ => Ok(()),
        },
        Err(Errno::NOENT) => Ok(()),
        // A full queue shows that a process listens, and so does a socket of
        // another type.
        Ok(()) | Err(Errno::AGAIN | Errno::PROTOTYPE) => {
            Err(SocketError::InUse { path: path.into() })
        }
        Err(error) => Err(io("find out who is listening")(error)),
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
