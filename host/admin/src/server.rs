//! The daemon's side: one thread that accepts, one for each connection.

use crate::{
    host::Host,
    json,
    lookup::Answers,
    out::{Out, Stop},
    socket,
    wire::{Ask, Line},
};
use ipam_service::Service;
use serde::Serialize;
use std::{
    fs,
    io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// What clients may cost. Each limit is finite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; one more is told so.
    pub connections_max: usize,
    /// The longest question, in bytes.
    pub question_max_bytes: u64,
    /// How long a connection may be without a question, and how long a client
    /// may not read.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 16,
            question_max_bytes: 64 * 1024,
            patience: Duration::from_secs(30),
        }
    }
}

/// An admin socket in service. Dropped, its file is removed; who is connected
/// is answered to the end.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
}

impl Server {
    /// Serves a socket at `path`, in a directory that the caller owns alone.
    ///
    /// # Errors
    /// When the socket or its thread cannot be made.
    pub fn open(
        path: PathBuf,
        service: Arc<Service>,
        host: Arc<dyn Host>,
        limits: Limits,
    ) -> io::Result<Self> {
        let listener = socket::open(&path)?;
        let answers = Arc::new(Answers { service, host });
        let accept = move || accept(&listener, &answers, &limits);
        thread::Builder::new().name("wipam-admin".to_owned()).spawn(accept)?;
        Ok(Self { path })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the admin socket");
        }
    }
}

/// How long to wait when the system cannot accept, which does not say when it
/// can again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

fn accept(listener: &UnixListener, answers: &Arc<Answers>, limits: &Limits) {
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept an admin connection");
                thread::sleep(ACCEPT_PAUSE);
                continue;
            }
        };
        let slot = Slot(open.clone());
        let is_one_too_many = open.fetch_add(1, Ordering::AcqRel) >= limits.connections_max;
        let (answers, limits) = (answers.clone(), limits.clone());
        let serve = move || {
            let _slot = slot;
            let served = serve(&stream, &answers, &limits, is_one_too_many);
            if let Err(error) = served {
                tracing::debug!(%error, "admin connection ended");
            }
        };
        if is_one_too_many {
            // No thread for it: what it is told fits into its socket.
            serve();
        } else if let Err(error) = thread::Builder::new().name("wipam-admin".into()).spawn(serve) {
            tracing::warn!(%error, "cannot serve an admin connection");
        }
    }
}

/// One of the connections that there may be.
struct Slot(Arc<AtomicUsize>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn serve(
    stream: &UnixStream,
    answers: &Answers,
    limits: &Limits,
    is_one_too_many: bool,
) -> io::Result<()> {
    stream.set_read_timeout(Some(limits.patience))?;
    stream.set_write_timeout(Some(limits.patience))?;
    let mut reader = BufReader::new(stream);
    let mut lines = Lines { to: BufWriter::new(stream), notes: Vec::new() };
    if is_one_too_many {
        return lines.end(Err(Stop::Error("too many admin connections; try again".to_owned())));
    }
    loop {
        let mut question = Vec::new();
        let mut limited = (&mut reader).take(limits.question_max_bytes);
        if limited.read_until(b'\n', &mut question)? == 0 {
            return Ok(());
        }
        if question.last() != Some(&b'\n') {
            // Cut off, or too long; what follows is no beginning of another.
            let text = format!("a question is one line of at most {} bytes", {
                limits.question_max_bytes
            });
            return lines.end(Err(Stop::Error(text)));
        }
        let answered = serde_json::from_slice::<Ask>(&question)
            .map_err(|error| Stop::Error(format!("cannot read the question: {error}")))
            .and_then(|ask| answers.answer(ask, &mut lines));
        lines.end(answered)?;
    }
}

/// Writes an answer line by line.
struct Lines<'s> {
    to: BufWriter<&'s UnixStream>,
    notes: Vec<String>,
}

impl Lines<'_> {
    fn line<T: Serialize>(&mut self, line: &Line<T>) -> io::Result<()> {
        json::write(&mut self.to, line)?;
        self.to.write_all(b"\n")
    }

    fn end(&mut self, answered: Result<(), Stop>) -> io::Result<()> {
        let notes = std::mem::take(&mut self.notes);
        match answered {
            Ok(()) => self.line(&Line::<()>::End { notes })?,
            Err(Stop::Error(text)) => self.line(&Line::<()>::Error(text))?,
            Err(Stop::Gone(error)) => return Err(error),
        }
        self.to.flush()
    }
}

impl Out for Lines<'_> {
    fn item<T: Serialize>(&mut self, item: &T) -> Result<(), Stop> {
        self.line(&Line::Item(item)).map_err(Stop::Gone)
    }

    fn note(&mut self, note: String) {
        self.notes.push(note);
    }
}

#[cfg(test)]
mod tests {
    use super::{Limits, Server};
    use crate::host::{Host, Upgrade};
    use ipam_api::DriverName;
    use ipam_ledger::MemoryStore;
    use ipam_service::Service;
    use std::{io::Read as _, os::unix::net::UnixStream, path::Path, sync::Arc, time::Duration};

    struct Nobody;

    impl Host for Nobody {
        fn docker_name(&self, _: &DriverName) -> Option<String> {
            None
        }

        fn upgrade(&self, _: &DriverName, _: Option<&Path>, _: bool) -> Result<Upgrade, String> {
            Err("nobody".to_owned())
        }
    }

    #[test]
    fn who_asks_nothing_is_let_go() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("admin.sock");
        let store = Box::new(MemoryStore::default());
        let service = Arc::new(Service::new(store, ipam_service::Limits::default()).unwrap());
        let limits = Limits { patience: Duration::from_millis(20), ..Limits::default() };
        let server = Server::open(path.clone(), service, Arc::new(Nobody), limits).unwrap();
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0, "it is closed");
        drop(server);
        assert!(!path.exists());
    }
}
