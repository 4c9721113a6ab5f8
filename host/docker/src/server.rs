//! The server: opens a socket for each registered driver, and closes it.

use crate::{
    config::{Config, Limits},
    connection::{self, Stage},
    outcome::Outcome,
    replies::Replies,
    routes::Route,
    socket::{SocketError, SocketFile},
    submit::Submissions,
};
use ipam_api::{DriverHandle, DriverName, Subscriber};
use std::{
    collections::BTreeMap,
    error, fmt,
    future::poll_fn,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
    time::Duration,
};
use tokio::{
    net::{UnixListener, UnixStream},
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};

/// How long to wait after the system could not accept a connection. It is out
/// of descriptors or memory, and does not tell when that ends.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Docker's remote IPAM protocol, one socket for each registered driver.
///
/// A clone is the same server. When the last clone is dropped without
/// [`Server::shutdown`], every connection is closed at once and the sockets are
/// removed.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    config: Arc<Config>,
    runtime: Handle,
    replies: Arc<Replies<Outcome>>,
    /// Dispatches the replies.
    task: JoinHandle<()>,
    /// `None` when the server is shutting down.
    sockets: Mutex<Option<BTreeMap<DriverName, Socket>>>,
}

struct Socket {
    file: SocketFile,
    stage: watch::Sender<Stage>,
    task: JoinHandle<()>,
}

impl Server {
    /// A server without sockets. Its tasks run on `runtime`, which must have I/O
    /// and time enabled; a current-thread runtime is enough.
    #[must_use]
    pub fn new(config: Config, runtime: Handle) -> Self {
        let sockets = Mutex::new(Some(BTreeMap::new()));
        let replies = Arc::new(Replies::new());
        let task = runtime.spawn(Arc::clone(&replies).dispatch());
        Self(Arc::new(Inner { config: Arc::new(config), runtime, replies, task, sockets }))
    }

    /// Removes the sockets, waits at most `grace` for running requests, and then
    /// ends them. What an ended request still creates is undone. A driver that is
    /// registered afterwards is refused.
    pub async fn shutdown(&self, grace: Duration) {
        let sockets = self.0.sockets().take().unwrap_or_default();
        let mut open = Vec::new();
        for Socket { file, stage, task } in sockets.into_values() {
            drop(file);
            stage.send_replace(Stage::Draining);
            open.push((stage, task));
        }
        let drained = timeout(grace, async {
            for (_, task) in &mut open {
                // A panic of the task was reported when it happened.
                let _ = task.await;
            }
        });
        if drained.await.is_ok() {
            return self.0.replies.close();
        }
        tracing::warn!("requests were still running after {grace:?} and were ended");
        for (stage, task) in open {
            stage.send_replace(Stage::Over);
            if !task.is_finished() {
                let _ = task.await;
            }
        }
        // Replies that still come have no connection. They are dropped, and so
        // undone, on the thread they come from: the runtime of this server may
        // have stopped.
        self.0.replies.close();
    }

    fn open(&self, handle: Arc<dyn DriverHandle>) -> Result<(), SocketError> {
        let name = handle.name().clone();
        let path = self.0.path(&name)?;
        let mut sockets = self.0.sockets();
        let sockets = sockets.as_mut().ok_or(SocketError::ShuttingDown)?;
        // Before a file is touched: a socket of this server is not a stale one.
        if sockets.values().any(|socket| socket.file.path() == path) {
            return Err(SocketError::Taken { path });
        }
        let (file, listener) = SocketFile::open(path.clone())?;
        let listener = {
            let _context = self.0.runtime.enter();
            UnixListener::from_std(listener).map_err(|reason| SocketError::Io {
                path,
                action: "serve",
                reason,
            })?
        };
        tracing::info!(driver = %name, path = %file.path().display(), "serving Docker");
        let (stage, stages) = watch::channel(Stage::Serving);
        let (config, replies) = (Arc::clone(&self.0.config), Arc::clone(&self.0.replies));
        let submissions = Submissions::new(Arc::clone(&handle));
        let route = Arc::new(Route { handle, config, replies, submissions });
        let task = self.0.runtime.spawn(accept(listener, route, stages));
        sockets.insert(name, Socket { file, stage, task });
        Ok(())
    }
}

impl Inner {
    fn sockets(&self) -> MutexGuard<'_, Option<BTreeMap<DriverName, Socket>>> {
        // A panic leaves nothing half done: each change is one insertion or removal.
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, name: &DriverName) -> Result<PathBuf, SocketError> {
        let Config { plugin_dir, names, .. } = &*self.config;
        let docker_name = names.get(name).map_or(name.as_str(), String::as_str);
        // What is allowed in a driver's name is safe in the name of a file.
        match docker_name.parse::<DriverName>() {
            Ok(docker_name) => Ok(plugin_dir.join(format!("{docker_name}.sock"))),
            Err(_) => Err(SocketError::InvalidName { name: docker_name.to_owned() }),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Subscriber for Server {
    fn registered(
        &self,
        handle: Arc<dyn DriverHandle>,
    ) -> Result<(), Box<dyn error::Error + Send + Sync>> {
        Ok(self.open(handle)?)
    }

    fn server(&self) -> ipam_api::Server {
        ipam_api::Server::Docker
    }

    /// Running requests end on their own, each within its limits.
    fn unregistered(&self, name: &DriverName) {
        let socket = self.0.sockets().as_mut().and_then(|sockets| sockets.remove(name));
        if let Some(socket) = socket {
            socket.stage.send_replace(Stage::Draining);
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("config", &self.0.config).finish_non_exhaustive()
    }
}

/// Serves a socket until it is told to stop and its last connection has ended.
async fn accept(listener: UnixListener, route: Arc<Route>, stages: watch::Receiver<Stage>) {
    let connections_max = route.config.limits.connections_max.clamp(1, Limits::CONNECTIONS_MOST);
    let slots = Arc::new(Semaphore::new(connections_max));
    let serve = |stream: UnixStream, slot: Option<OwnedSemaphorePermit>| {
        let connection = connection::serve(stream, Arc::clone(&route), stages.clone());
        tokio::spawn(async move {
            connection.await;
            drop(slot);
        })
    };
    let mut stopped = stages.clone();
    let stop = async { stopped.wait_for(|stage| *stage != Stage::Serving).await.is_ok() };
    let connections = async {
        loop {
            let slot = Arc::clone(&slots).acquire_owned().await.ok();
            match listener.accept().await {
                Ok((stream, _)) => drop(serve(stream, slot)),
                Err(error) => {
                    tracing::warn!(driver = %route.handle.name(), %error, "cannot accept");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        biased;
        _ = stop => {}
        () = connections => {}
    }
    // A client in the socket's queue may have sent a request already, and Docker
    // would repeat it without its body.
    let mut queued = Vec::new();
    while let Poll::Ready(Ok((stream, _))) =
        poll_fn(|cx| Poll::Ready(listener.poll_accept(cx))).await
    {
        queued.push(serve(stream, None));
    }
    drop(listener);
    for connection in queued {
        let _ = connection.await;
    }
    // With all slots taken, no connection is left.
    let all = u32::try_from(connections_max).expect("CONNECTIONS_MOST fits");
    let _ = slots.acquire_many(all).await;
}
