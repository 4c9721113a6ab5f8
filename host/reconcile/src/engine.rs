//! Reads what Docker Engines know, over their sockets.
//!
//! In: paths of unix sockets. Out: one [`Observation`] of all of them, or an
//! error that names the socket and the request. An observation must be complete,
//! because what is missing from it is taken for forgotten.
//!
//! An engine gets these requests:
//!
//! - `GET /containers/json?all=1`: the containers with their addresses;
//! - `GET /networks`: the networks with their subnets;
//! - `GET /networks/ID?verbose=true`: the endpoints of a network, which the list
//!   does not show. Not for networks of Docker's own IPAM drivers, whose
//!   addresses the containers show;
//! - `GET /info`: whether it is a manager of a swarm. If so, also for the nodes,
//!   the services and all tasks of its swarm.

mod answers;
mod http;
mod swarm;

use crate::{
    known::{Observation, Swarms},
    reconcile::Engines,
};
use answers::{Container, NetworkInspect, NetworkSummary, Reading, Version};
use serde::de::DeserializeOwned;
use std::{
    collections::BTreeSet,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use swarm::{Info, Node, Service, TASKS, Task};
use tokio::time::timeout;

/// The newest version of the Engine API that is used. It is pinned, because a
/// misread answer may free what is in use. An engine serves all versions back to
/// its own oldest one.
const API_NEWEST: (u16, u16) = (1, 51);
/// Docker 20.10's version, the oldest whose answers these types were tested with.
const API_OLDEST: (u16, u16) = (1, 41);
/// How often the networks are read if one vanishes between the list and its
/// inspection.
const ATTEMPTS: usize = 3;

/// What reading one engine may cost. Each limit is finite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The largest answer, in bytes. A container takes about 2 KiB of it, an
    /// endpoint about 250 bytes.
    pub answer_max_bytes: usize,
    /// How long one answer may take, from connecting to its last byte.
    pub answer_timeout: Duration,
    /// How long all answers of one engine may take together.
    pub engine_timeout: Duration,
    /// How many networks an engine may have.
    pub networks_max: usize,
    /// How many containers an engine may have, running or not; also how many
    /// nodes, how many services and how many tasks its swarm may have.
    pub containers_max: usize,
    /// How many addresses of endpoints, services and tasks an engine may know.
    pub addresses_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            answer_max_bytes: 64 << 20,
            answer_timeout: Duration::from_secs(30),
            engine_timeout: Duration::from_secs(300),
            networks_max: 20_000,
            containers_max: 50_000,
            addresses_max: 500_000,
        }
    }
}

/// Why an engine could not be read completely. For the operator.
#[derive(Debug, thiserror::Error)]
#[error("{}: {asked}", socket.display())]
pub struct EngineError {
    /// The engine's socket, or `no socket` if none was given.
    pub socket: PathBuf,
    /// The request: its method and path, or `all of it`.
    pub asked: String,
    /// What went wrong.
    #[source]
    pub kind: ErrorKind,
}

/// What can go wrong with an answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Nobody listens on the socket, the connection broke, or what came is not
    /// HTTP.
    #[error(transparent)]
    Exchange(ipam_http_client::Error),
    /// The whole answer did not come within this time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The engine answered with an error.
    #[error("answered {status}: {message}")]
    Status {
        /// The status code.
        status: u16,
        /// Its text, shortened.
        message: String,
    },
    /// More than [`Limits`] allow.
    #[error("more than {max} {what}")]
    TooMany {
        /// The limit.
        max: usize,
        /// What there is too much of: bytes, networks and so on.
        what: &'static str,
    },
    /// The answer is not the JSON that this request is answered with.
    #[error("an answer that cannot be read")]
    Json(#[source] serde_json::Error),
    /// The answer has a value that is not understood.
    #[error("{0}")]
    Odd(String),
    /// No engine was given, so everything would be unknown.
    #[error("no engine to ask")]
    NoEngine,
}

/// Docker Engines behind unix sockets.
///
/// They are read one after the other. Must be used inside a tokio runtime with
/// I/O and time enabled.
#[derive(Debug, Clone)]
pub struct DockerEngines {
    sockets: Vec<PathBuf>,
    limits: Limits,
}

impl DockerEngines {
    /// The engines that serve these sockets.
    #[must_use]
    pub fn new(sockets: Vec<PathBuf>, limits: Limits) -> Self {
        Self { sockets, limits }
    }
}

impl Engines for DockerEngines {
    type Error = EngineError;

    /// Returns what all of them know.
    ///
    /// # Errors
    /// That of the first engine that cannot be read completely; also when there is
    /// none.
    async fn observe(&mut self) -> Result<Observation, EngineError> {
        if self.sockets.is_empty() {
            let (socket, asked) = ("no socket".into(), "nothing".to_owned());
            return Err(EngineError { socket, asked, kind: ErrorKind::NoEngine });
        }
        let mut all = Observation::default();
        for socket in &self.sockets {
            let engine = Engine { socket, limits: &self.limits };
            let time = self.limits.engine_timeout;
            let Ok(seen) = timeout(time, engine.observe()).await else {
                let (socket, asked) = (socket.clone(), "all of it".to_owned());
                return Err(EngineError { socket, asked, kind: ErrorKind::Timeout(time) });
            };
            all.extend(seen?);
        }
        Ok(all)
    }
}

struct Engine<'a> {
    socket: &'a Path,
    limits: &'a Limits,
}

impl Engine<'_> {
    /// An error with the answer to `GET path`.
    fn error(&self, path: &str, kind: ErrorKind) -> EngineError {
        EngineError { socket: self.socket.to_owned(), asked: format!("GET {path}"), kind }
    }

    async fn observe(&self) -> Result<Observation, EngineError> {
        // Every engine answers this without a version in its path.
        let version: Version = self.get("/version").await?;
        let api = version.choose(API_OLDEST, API_NEWEST);
        let (major, minor) = api.map_err(|kind| self.error("/version", kind))?;
        let root = format!("/v{major}.{minor}");
        for _ in 1..ATTEMPTS {
            if let Some(seen) = self.attempt(&root).await? {
                return Ok(seen);
            }
        }
        let kind = || ErrorKind::Odd("networks vanish while they are looked at".to_owned());
        self.attempt(&root).await?.ok_or_else(|| self.error("/networks", kind()))
    }

    /// Reads everything once. `None` if a network vanished meanwhile: that network
    /// may only seem to be gone, so the list is read again.
    async fn attempt(&self, root: &str) -> Result<Option<Observation>, EngineError> {
        let asked = format!("{root}/containers/json?all=1");
        let containers: Vec<Container> = self.get(&asked).await?;
        self.limit("containers", containers.len(), self.limits.containers_max, &asked)?;
        let (swarms, handed_out) = self.swarm(root).await?;
        let is_manager = !swarms.nodes.is_empty();
        let mut reading = Reading::new(swarms);
        for addresses in handed_out {
            reading.in_the_swarm(addresses);
        }
        // Read after the containers and the tasks, so that the list has every
        // network that those name.
        let asked = format!("{root}/networks");
        let networks: Vec<NetworkSummary> = self.get(&asked).await?;
        self.limit("networks", networks.len(), self.limits.networks_max, &asked)?;
        if is_manager && !networks.iter().any(NetworkSummary::is_of_the_swarm) {
            reading.is_unclear();
        }
        for network in networks {
            if network.is_dockers_own() {
                reading.dockers_own(network).map_err(|kind| self.error(&asked, kind))?;
                continue;
            }
            let path = network.path().map_err(|kind| self.error(&asked, kind))?;
            let asked = format!("{root}{path}");
            let inspect: NetworkInspect = match self.get(&asked).await {
                Ok(inspect) => inspect,
                Err(EngineError { kind: ErrorKind::Status { status: 404, .. }, .. }) => {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            };
            reading.network(inspect).map_err(|kind| self.error(&asked, kind))?;
            self.limit("addresses", reading.addresses(), self.limits.addresses_max, &asked)?;
        }
        for container in containers {
            let asked = format!("{root}/containers/json?all=1");
            reading.container(container).map_err(|kind| self.error(&asked, kind))?;
        }
        Ok(Some(reading.observation()))
    }

    /// Returns what the engine says of its swarm and, of a manager, the addresses
    /// of services and tasks.
    async fn swarm(&self, root: &str) -> Result<(Swarms, Vec<BTreeSet<IpAddr>>), EngineError> {
        let info: Info = self.get(&format!("{root}/info")).await?;
        if !info.is_manager() {
            return Ok((info.swarms(vec![]), vec![]));
        }
        let nodes: Vec<Node> = self.list(root, "/nodes", "nodes").await?;
        let services: Vec<Service> = self.list(root, "/services", "services").await?;
        let tasks: Vec<Task> = self.list(root, TASKS, "tasks").await?;
        let of = |path| move |kind| self.error(&format!("{root}{path}"), kind);
        let services = services.into_iter().map(|it| it.addresses().map_err(of("/services")));
        let tasks = tasks.into_iter().map(|it| it.addresses().map_err(of(TASKS)));
        let addresses: Vec<_> = services.chain(tasks).collect::<Result<_, _>>()?;
        let total = addresses.iter().map(BTreeSet::len).sum();
        self.limit("addresses", total, self.limits.addresses_max, &format!("{root}{TASKS}"))?;
        Ok((info.swarms(nodes), addresses))
    }

    async fn list<T: DeserializeOwned>(
        &self,
        root: &str,
        path: &str,
        what: &'static str,
    ) -> Result<Vec<T>, EngineError> {
        let asked = format!("{root}{path}");
        let list: Vec<T> = self.get(&asked).await?;
        self.limit(what, list.len(), self.limits.containers_max, &asked)?;
        Ok(list)
    }

    fn limit(
        &self,
        what: &'static str,
        is: usize,
        max: usize,
        path: &str,
    ) -> Result<(), EngineError> {
        if is <= max {
            return Ok(());
        }
        Err(self.error(path, ErrorKind::TooMany { max, what }))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, EngineError> {
        let max = self.limits.answer_max_bytes;
        let time = self.limits.answer_timeout;
        let answer = match timeout(time, http::get(self.socket, path, max)).await {
            Ok(answer) => answer,
            Err(_) => Err(ErrorKind::Timeout(time)),
        };
        answer
            .and_then(|body| serde_json::from_slice(&body).map_err(ErrorKind::Json))
            .map_err(|kind| self.error(path, kind))
    }
}
