//! The operator's side.

use crate::{
    socket,
    wire::{Ask, Line},
};
use ipam_api::text::escaped;
use serde::de::DeserializeOwned;
use std::{
    io::{self, BufRead as _, BufReader, ErrorKind, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

/// A connection to a daemon.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody answers there.
    #[error("{}: {source}{}", path.display(), advice(source))]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The daemon says why.
    #[error("{0}")]
    Refused(String),
    /// The connection broke, or what came is no answer: whether anything was
    /// changed is not known.
    #[error("the daemon did not answer to the end: {0}")]
    Broken(#[source] io::Error),
}

fn advice(error: &io::Error) -> &'static str {
    let kind = error.kind();
    if matches!(kind, ErrorKind::NotFound | ErrorKind::ConnectionRefused) {
        "; is wipam running with this state directory?"
    } else if kind == ErrorKind::PermissionDenied {
        "; only the owner of the state directory may ask"
    } else {
        ""
    }
}

impl Client {
    /// Connects to the socket at `path`.
    ///
    /// # Errors
    /// [`ClientError::Connect`].
    pub fn connect(path: &Path) -> Result<Self, ClientError> {
        let stream = socket::connect_to(path)
            .map_err(|source| ClientError::Connect { path: path.to_owned(), source })?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Asks, hands each item to `each` as it comes, and returns the notes at
    /// the end, escaped. `T` is what [`Ask`] says for this question; a [`Client`] that
    /// failed is of no more use.
    ///
    /// # Errors
    /// [`ClientError::Refused`] and [`ClientError::Broken`], which may come
    /// after items; and what `each` says.
    pub fn ask<T: DeserializeOwned, E: From<ClientError>>(
        &mut self,
        ask: &Ask,
        mut each: impl FnMut(T) -> Result<(), E>,
    ) -> Result<Vec<String>, E> {
        let broken = |error: io::Error| E::from(ClientError::Broken(error));
        let mut line = serde_json::to_string(ask).map_err(|error| broken(error.into()))?;
        line.push('\n');
        self.stream.get_mut().write_all(line.as_bytes()).map_err(broken)?;
        loop {
            line.clear();
            if self.stream.read_line(&mut line).map_err(broken)? == 0 {
                return Err(broken(ErrorKind::UnexpectedEof.into()));
            }
            match serde_json::from_str::<Line<T>>(&line).map_err(|error| broken(error.into()))? {
                Line::Item(item) => each(item)?,
                Line::End { notes } => {
                    return Ok(notes.iter().map(|note| escaped(note).to_string()).collect());
                }
                Line::Error(text) => {
                    return Err(ClientError::Refused(escaped(text).to_string()).into());
                }
            }
        }
    }

    /// [`Client::ask`], all items together with the notes.
    ///
    /// # Errors
    /// [`ClientError::Refused`] and [`ClientError::Broken`].
    pub fn all<T: DeserializeOwned>(
        &mut self,
        ask: &Ask,
    ) -> Result<(Vec<T>, Vec<String>), ClientError> {
        let mut items = Vec::new();
        let notes = self.ask(ask, |item| {
            items.push(item);
            Ok::<_, ClientError>(())
        })?;
        Ok((items, notes))
    }
}
