//! A driver that does as told, a server for it, and a client.

use ipam_api::{
    AddressGrant, AddressSpaces, Answer, Capability, Code, DriverHandle, DriverName, Error,
    Failure, Kind, Options, PoolChoice, PoolGrant, PoolId, Receipt, Reply, Request, Served,
    Subscriber,
};
use ipam_docker::{Config, Server};
use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    runtime::Handle,
    sync::Notify,
    time::timeout,
};

/// How much data comes with an answer that no socket buffer holds.
pub(crate) const BIG_BYTES: usize = 8 << 20;

/// Longer than any limit, and no time at all under a paused clock.
const PATIENCE: Duration = Duration::from_secs(48 * 60 * 60);

/// A driver with one pool, `lab`, whose answers depend on the request alone.
pub(crate) struct Lab {
    name: DriverName,
    spaces: AddressSpaces,
    pub(crate) capability: Capability,
    /// Whether replies wait for [`Lab::reply`].
    pub(crate) holds: AtomicBool,
    held: Mutex<Vec<(Request, Reply)>>,
    seen: Mutex<Vec<Request>>,
    undone: Mutex<Vec<Receipt>>,
    pub(crate) sessions: AtomicUsize,
    changed: Notify,
}

impl Lab {
    pub(crate) fn named(name: &str) -> Arc<Self> {
        Arc::new(Self {
            name: name.parse().unwrap(),
            spaces: AddressSpaces { local: "LabLocal".into(), global: "LabGlobal".into() },
            capability: Capability { requires_mac_address: true, requires_request_replay: true },
            holds: AtomicBool::new(false),
            held: Mutex::default(),
            seen: Mutex::default(),
            undone: Mutex::default(),
            sessions: AtomicUsize::new(0),
            changed: Notify::new(),
        })
    }

    pub(crate) fn hold(&self) {
        self.holds.store(true, Ordering::Relaxed);
    }

    /// Replies to everything held, from another thread, as the service does.
    pub(crate) fn reply(&self) {
        let held = std::mem::take(&mut *self.held.lock().unwrap());
        std::thread::spawn(|| held.into_iter().for_each(|(request, reply)| reply(serve(&request))))
            .join()
            .unwrap();
    }

    /// Forgets everything held, as a service does that dies.
    pub(crate) fn forget(&self) {
        self.held.lock().unwrap().clear();
    }

    pub(crate) fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn undone(&self) -> Vec<Receipt> {
        self.undone.lock().unwrap().clone()
    }

    /// Waits until so many requests arrived.
    pub(crate) async fn sees(&self, count: usize) {
        self.until(|| self.seen.lock().unwrap().len() >= count).await;
    }

    /// Waits until so many answers were undone.
    pub(crate) async fn undoes(&self, count: usize) {
        self.until(|| self.undone.lock().unwrap().len() >= count).await;
    }

    async fn until(&self, holds: impl Fn() -> bool) {
        let wait = async {
            while !holds() {
                self.changed.notified().await;
            }
        };
        timeout(PATIENCE, wait).await.expect("it happens some time");
    }
}

impl DriverHandle for Lab {
    fn name(&self) -> &DriverName {
        &self.name
    }

    fn capability(&self) -> Capability {
        self.capability
    }

    fn address_spaces(&self) -> &AddressSpaces {
        &self.spaces
    }

    fn begin_session(&self) {
        self.sessions.fetch_add(1, Ordering::Relaxed);
    }

    fn submit(&self, request: Request, reply: Reply) {
        self.seen.lock().unwrap().push(request.clone());
        if self.holds.load(Ordering::Relaxed) {
            self.held.lock().unwrap().push((request, reply));
        } else {
            reply(serve(&request));
        }
        self.changed.notify_one();
    }

    fn undo(&self, receipt: Receipt) {
        self.undone.lock().unwrap().push(receipt);
        self.changed.notify_one();
    }
}

/// The receipt for an address of `lab`.
pub(crate) fn receipt(address: &str) -> Receipt {
    Receipt {
        pool_id: PoolId::try_from("lab").unwrap(),
        address: Some(address.parse().unwrap()),
        generation: 7,
    }
}

fn serve(request: &Request) -> Result<Served, Failure> {
    let lab = PoolId::try_from("lab").unwrap();
    match request {
        Request::Pool(pool) => match pool.pool {
            PoolChoice::Sized(_, 33..) => Err(Code::NoMoreSubnets.into()),
            PoolChoice::Automatic(_) | PoolChoice::Sized(..) => {
                let gateway = ("com.docker.network.gateway".into(), "192.0.2.254/24".into());
                Ok(pool_served(lab, "192.0.2.0/24", Options::from([gateway])))
            }
            PoolChoice::Exact(prefix) => Ok(pool_served(lab, &prefix.to_string(), Options::new())),
        },
        Request::Address(request) => match (request.pool_id.as_str(), request.address) {
            ("null", _) => {
                let answer = AddressGrant { address: None, data: Options::new() };
                Ok(Served { answer: Answer::Address(answer), receipt: None })
            }
            ("trap", _) => Err(Failure::broken("trap at /home/me/secret.rs:7")),
            ("lab", Some(address)) if address.to_string() == "192.0.2.8" => {
                Err(Code::IpAlreadyAllocated.into())
            }
            ("lab", address) => {
                let address = address.unwrap_or([192, 0, 2, 1].into());
                let big = request.options.contains_key("big");
                let data = if big { vec![("big".into(), "x".repeat(BIG_BYTES))] } else { vec![] };
                let grant = AddressGrant {
                    address: Some(format!("{address}/24").parse().unwrap()),
                    data: data.into_iter().collect(),
                };
                let receipt = Some(receipt(&address.to_string()));
                Ok(Served { answer: Answer::Address(grant), receipt })
            }
            _ => Err(Error::other(Kind::NotFound, "cannot find address pool").into()),
        },
        Request::ReleasePool(_) | Request::ReleaseAddress(..) | Request::TakeBack { .. } => {
            Ok(Served { answer: Answer::Released, receipt: None })
        }
        Request::Status(_) | Request::Records(_) => Err(Code::Other(Kind::NotImplemented).into()),
    }
}

fn pool_served(pool_id: PoolId, pool: &str, data: Options) -> Served {
    let receipt = Some(Receipt { pool_id: pool_id.clone(), address: None, generation: 7 });
    let grant = PoolGrant { pool_id, pool: pool.parse().unwrap(), data };
    Served { answer: Answer::Pool(grant), receipt }
}

/// A server with one driver, `lab`, in a directory of its own.
pub(crate) struct Setup {
    pub(crate) server: Server,
    pub(crate) lab: Arc<Lab>,
    pub(crate) directory: TempDir,
}

impl Setup {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let (server, directory) = server(change);
        let lab = Lab::named("lab");
        server.registered(Arc::<Lab>::clone(&lab)).unwrap();
        Self { server, lab, directory }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("lab.sock")
    }

    pub(crate) async fn connect(&self) -> Client {
        Client(UnixStream::connect(self.path()).await.unwrap())
    }
}

/// A server without drivers.
pub(crate) fn server(change: impl FnOnce(&mut Config)) -> (Server, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let mut config = Config { plugin_dir: directory.path().into(), ..Config::default() };
    change(&mut config);
    (Server::new(config, Handle::current()), directory)
}

/// A request for an address as Docker 28 writes it.
pub(crate) fn request_address(address: &str, options: &str) -> String {
    let body = format!(r#"{{"PoolID":"lab","Address":"{address}","Options":{options}}}"#);
    post("/IpamDriver.RequestAddress", &format!("{body}\n"))
}

/// A request as Docker 28 writes it.
pub(crate) fn post(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: plugin.moby.localhost\r\nUser-Agent: Go-http-client/1.1\r\n\
         Content-Length: {}\r\nAccept: application/vnd.docker.plugins.v1.2+json\r\n\r\n{body}",
        body.len()
    )
}

/// The other end of a connection.
pub(crate) struct Client(pub(crate) UnixStream);

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Client {
    pub(crate) async fn send(&mut self, request: &str) {
        self.0.write_all(request.as_bytes()).await.unwrap();
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn call(&mut self, path: &str, body: &str) -> Response {
        self.send(&post(path, body)).await;
        self.response().await
    }

    pub(crate) async fn response(&mut self) -> Response {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.expect("an answer"));
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let length = head.split_once("content-length: ").unwrap().1.split_once("\r\n").unwrap().0;
        let mut body = vec![0; length.parse().unwrap()];
        self.0.read_exact(&mut body).await.unwrap();
        let status = head["http/1.1 ".len()..][..3].parse().unwrap();
        Response { status, head, body: String::from_utf8(body).unwrap() }
    }

    /// Whether the server closed the connection, once it says anything.
    pub(crate) async fn is_closed(&mut self) -> bool {
        matches!(self.0.read(&mut [0]).await, Ok(0) | Err(_))
    }
}
