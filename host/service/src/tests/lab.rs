//! A driver that is correct until it is told not to be, and short ways to ask.

pub(super) use super::flaky::FlakyStore;
use crate::{
    Limits, LoadOptions, Origin, Service, ask,
    front::message::{Inspect, Message},
    sync::lock,
};
use ipam_api::{
    AddressGrant, AddressRequest, AddressSpaces, Answer, Callback, Capability, Code, Driver,
    DriverHandle, Error, Factory, Failure, Family, IpNet, Ipv4Net, Kind, Options, PoolChoice,
    PoolGrant, PoolId, PoolRequest, PoolStatus, Reply, Request, Served, Start, Stored, Writes,
    names,
};
use ipam_ledger::{MemoryStore, Store};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// What a driver does instead of its next answer to a request of that kind
/// that is not a replay.
pub(super) enum Twist {
    Pool(Result<PoolGrant, Failure>),
    Address(Result<AddressGrant, Failure>),
    Panic,
    /// Says that it is asked, waits for the other end to go, and answers as
    /// ever, or breaks.
    Meet {
        here: mpsc::Sender<()>,
        gate: mpsc::Receiver<()>,
        breaks: bool,
    },
}

/// What all instances of one driver share with the test.
#[derive(Default)]
pub(super) struct Control {
    pub(super) twists: Mutex<VecDeque<Twist>>,
    pub(super) release_fails: Mutex<VecDeque<Failure>>,
    /// Pools that a replay answers with that id instead.
    pub(super) replay_answers: Mutex<Option<PoolId>>,
    pub(super) start_fails: Mutex<Option<Failure>>,
    /// What happened: one line for each start and each call.
    pub(super) calls: Mutex<Vec<String>>,
    /// Each call with the time that it was told.
    pub(super) times: Mutex<Vec<(String, SystemTime)>>,
    /// The next replayed pool says that it is shown, and waits for the end of
    /// the other.
    pub(super) replay_held: Mutex<Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>>,
    /// It counts in its store what it granted and what it released.
    pub(super) counts: AtomicBool,
    /// The host has ended it.
    pub(super) is_halted: AtomicBool,
    /// What it registers from now on.
    pub(super) registers: Mutex<Vec<(String, Capability)>>,
}

impl Control {
    fn note(&self, call: String) {
        lock(&self.calls).push(call);
    }

    /// Holds the next replay; it goes on when what is returned last is dropped.
    pub(super) fn hold_replay(&self) -> (mpsc::Receiver<()>, mpsc::Sender<()>) {
        let ((here, is_here), (go, gate)) = (mpsc::channel(), mpsc::channel());
        *lock(&self.replay_held) = Some((here, gate));
        (is_here, go)
    }

    pub(super) fn twist(&self, twist: Twist) {
        lock(&self.twists).push_back(twist);
    }

    /// What happened since the last look.
    pub(super) fn look(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.calls))
    }
}

/// Makes [`Plain`] drivers.
pub(super) struct PlainFactory(pub(super) Arc<Control>);

impl Factory for PlainFactory {
    fn halt(&self) {
        self.0.is_halted.store(true, Ordering::SeqCst);
    }

    fn make(
        &self,
        start: &Start,
        mut callback: Box<dyn Callback>,
    ) -> Result<Box<dyn Driver>, Failure> {
        let name = start.name.as_ref().map_or(String::new(), |name| format!(" {name}"));
        self.0.note(format!("start{name}"));
        if let Some(failure) = lock(&self.0.start_fails).clone() {
            return Err(failure);
        }
        for (name, capability) in lock(&self.0.registers).iter() {
            if start.name.as_ref().is_none_or(|only| only.as_str() == name) {
                // Refusals are the test's to see.
                drop(callback.register_ipam_driver_with_capabilities(name, *capability));
            }
        }
        let counts = self.0.counts.load(Ordering::SeqCst);
        if counts {
            self.0.note(format!("stored {}", counted(&start.stored)));
        }
        Ok(Box::new(Plain {
            control: self.0.clone(),
            pools: BTreeMap::new(),
            at: UNIX_EPOCH,
            // Read once: nobody else writes.
            stored: Stored::clone(&start.stored),
            writes: Writes::new(),
        }))
    }
}

/// The plainest correct driver: /24s of 10.0.0.0/8, lowest first, ids that
/// are the pool; it keeps all in memory.
struct Plain {
    control: Arc<Control>,
    pools: BTreeMap<PoolId, (IpNet, BTreeSet<IpAddr>)>,
    at: SystemTime,
    /// What it has stored, as far as it knows.
    stored: Stored,
    writes: Writes,
}

/// What a driver that counts has stored: a letter for each call.
pub(super) fn counted(stored: &Stored) -> String {
    let told = |(key, value): (&String, &Vec<u8>)| format!("{key}={}", value.len());
    stored.iter().map(told).collect::<Vec<_>>().join(" ")
}

impl Plain {
    /// Counts one call more, also in replay.
    fn count(&mut self, what: &str) {
        self.writes.clear();
        if self.control.counts.load(Ordering::SeqCst) {
            let mut value = self.stored.get(what).cloned().unwrap_or_default();
            value.push(b'x');
            self.writes.insert(what.to_owned(), Some(value));
        }
    }

    fn note(&self, call: String) {
        lock(&self.control.times).push((call.clone(), self.at));
        self.control.note(call);
    }

    /// Does what it is told instead, or nothing.
    fn twisted<T>(&self, options: &Options, pick: impl Fn(Twist) -> Result<T, Twist>) -> Option<T> {
        if options.contains_key(names::REPLAY) {
            return None;
        }
        let mut twists = lock(&self.control.twists);
        let twist = match pick(twists.pop_front()?) {
            Ok(answer) => return Some(answer),
            Err(twist) => twist,
        };
        match twist {
            Twist::Panic => {
                drop(twists);
                panic!("as told")
            }
            Twist::Meet { here, gate, breaks } => {
                drop(twists);
                here.send(()).unwrap();
                while gate.recv_timeout(Duration::from_millis(1))
                    == Err(mpsc::RecvTimeoutError::Timeout)
                {
                    assert!(!self.control.is_halted.load(Ordering::SeqCst), "halted");
                }
                assert!(!breaks, "as told");
            }
            other @ (Twist::Pool(_) | Twist::Address(_)) => twists.push_front(other),
        }
        None
    }
}

impl Driver for Plain {
    fn begin(&mut self, at: SystemTime) {
        self.at = at;
    }

    fn default_address_spaces(&mut self) -> Result<AddressSpaces, Failure> {
        Ok(AddressSpaces { local: "local".into(), global: "global".into() })
    }

    fn request_pool(&mut self, request: &PoolRequest) -> Result<PoolGrant, Failure> {
        let replay = request.options.get(names::REPLAY).map_or("", |_| " again");
        self.count("pools");
        self.note(format!("pool {}{replay}", words(request)));
        let held = lock(&self.control.replay_held).take_if(|_| !replay.is_empty());
        if let Some((here, gate)) = held {
            here.send(()).unwrap();
            let _ = gate.recv();
        }
        let pick = |twist| if let Twist::Pool(answer) = twist { Ok(answer) } else { Err(twist) };
        if let Some(answer) = self.twisted(&request.options, pick) {
            return answer;
        }
        let is_free = |pool: &IpNet| {
            !self.pools.values().any(|(held, _)| held.contains(pool) || pool.contains(held))
        };
        let pool = match request.pool {
            PoolChoice::Exact(prefix) => prefix,
            PoolChoice::Automatic(Family::Ipv6) | PoolChoice::Sized(..) => {
                return Err(Code::NoMoreSubnets.into());
            }
            PoolChoice::Automatic(Family::Ipv4) => "10.0.0.0/8"
                .parse::<Ipv4Net>()
                .unwrap()
                .subnets(24)
                .unwrap()
                .map(IpNet::from)
                .find(is_free)
                .ok_or(Code::NoMoreSubnets)?,
        };
        let pool_id =
            request.sub_pool.map_or_else(|| pool.to_string(), |sub| format!("{pool}/{sub}"));
        let mut pool_id = PoolId::try_from(pool_id.as_str()).unwrap();
        if let (" again", Some(other)) = (replay, lock(&self.control.replay_answers).clone()) {
            pool_id = other;
        }
        self.pools.insert(pool_id.clone(), (pool, BTreeSet::new()));
        Ok(PoolGrant { pool_id, pool, data: Options::new() })
    }

    fn release_pool(&mut self, pool_id: &PoolId) -> Result<(), Failure> {
        self.count("released");
        self.note(format!("release {pool_id}"));
        if let Some(failure) = lock(&self.control.release_fails).pop_front() {
            return Err(failure);
        }
        self.pools.remove(pool_id).map(drop).ok_or_else(|| Code::BadPool.into())
    }

    fn request_address(&mut self, request: &AddressRequest) -> Result<AddressGrant, Failure> {
        let replay = request.options.get(names::REPLAY).map_or("", |_| " again");
        self.count("leases");
        let asked = request.address.map_or("any".to_owned(), |address| address.to_string());
        self.note(format!("address {asked} of {}{replay}", request.pool_id));
        let pick = |twist| if let Twist::Address(answer) = twist { Ok(answer) } else { Err(twist) };
        if let Some(answer) = self.twisted(&request.options, pick) {
            return answer;
        }
        let (pool, leases) = self.pools.get_mut(&request.pool_id).ok_or(Code::PoolNotFound)?;
        let address = match (request.address, &pool) {
            (Some(address), _) => address,
            (None, IpNet::V4(pool)) => {
                let host = pool.hosts().map(IpAddr::from).find(|host| !leases.contains(host));
                host.ok_or(Code::NoAvailableIps)?
            }
            (None, IpNet::V6(_)) => return Err(Code::NoAvailableIps.into()),
        };
        if !leases.insert(address) {
            return Err(Code::IpAlreadyAllocated.into());
        }
        let address = IpNet::new(address, pool.prefix_len()).unwrap();
        Ok(AddressGrant { address: Some(address), data: Options::new() })
    }

    fn release_address(&mut self, pool_id: &PoolId, address: IpAddr) -> Result<(), Failure> {
        self.count("released");
        self.note(format!("release {address} of {pool_id}"));
        if let Some(failure) = lock(&self.control.release_fails).pop_front() {
            return Err(failure);
        }
        let (_, leases) = self.pools.get_mut(pool_id).ok_or(Code::PoolNotFound)?;
        if leases.remove(&address) { Ok(()) } else { Err(Code::IpOutOfRange.into()) }
    }

    fn take_writes(&mut self) -> Writes {
        let written = self.writes.iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
        self.stored.extend(written.map(|(key, value)| (key.clone(), value.clone())));
        std::mem::take(&mut self.writes)
    }

    fn pool_status(&mut self, pool_id: &PoolId) -> Option<Result<PoolStatus, Failure>> {
        let in_use = self.pools.get(pool_id)?.1.len() as u64;
        Some(Ok(PoolStatus { ips_in_use: in_use, dynamic_ips_available: 254 - in_use }))
    }
}

fn words(request: &PoolRequest) -> String {
    match request.pool {
        PoolChoice::Exact(pool) => pool.to_string(),
        PoolChoice::Automatic(_) | PoolChoice::Sized(..) => "any".to_owned(),
    }
}

pub(super) const REPLAYED: Capability =
    Capability { requires_mac_address: false, requires_request_replay: true };

/// No pause between attempts, so that tests never wait for one.
/// A batch ends where a test wants it to, and not where the machine is slow.
pub(super) fn limits() -> Limits {
    Limits {
        backoff_min: Duration::ZERO,
        breaker_min: Duration::ZERO,
        batch_time_max: Duration::from_secs(60),
        ..Limits::default()
    }
}

/// A service with one driver, `lab`.
pub(super) struct Lab {
    pub(super) service: Service,
    pub(super) control: Arc<Control>,
    pub(super) handle: Arc<dyn DriverHandle>,
}

impl Lab {
    pub(super) fn new() -> Self {
        Self::with(Box::new(MemoryStore::default()), REPLAYED, limits())
    }

    pub(super) fn with(store: Box<dyn Store>, capability: Capability, limits: Limits) -> Self {
        Self::of(Origin::Component, store, capability, limits)
    }

    pub(super) fn of(
        origin: Origin,
        store: Box<dyn Store>,
        capability: Capability,
        limits: Limits,
    ) -> Self {
        let service = Service::new(store, limits).unwrap();
        let control = Arc::new(Control::default());
        lock(&control.registers).push(("lab".into(), capability));
        let factory = Arc::new(PlainFactory(control.clone()));
        service.load(factory, LoadOptions::new(origin)).unwrap();
        let handle = service.handle(&"lab".parse().unwrap()).unwrap();
        assert_eq!(control.look(), ["start"]);
        Self { service, control, handle }
    }

    pub(super) fn ask(&self, request: Request) -> Result<Served, Failure> {
        ask(&*self.handle, request)
    }

    /// Asks, and reports the grant's words or the kind of the error.
    pub(super) fn try_ask(&self, request: Request) -> Result<String, Kind> {
        self.ask(request)
            .map(|served| shown(&served.answer))
            .map_err(|error| error.contract().kind())
    }

    /// Asks in the background; the answer comes when it comes.
    pub(super) fn submit(&self, request: Request) -> Waiting {
        submit(&*self.handle, request)
    }

    /// Blocks the driver in a request for an address of `pool`, until what is
    /// returned first is dropped. What is submitted meanwhile is one batch.
    pub(super) fn hold(&self, pool: &str) -> (mpsc::Sender<()>, Waiting) {
        let (is_here, go, answer) = meet(&self.control, &*self.handle, lease(pool));
        is_here.recv().unwrap();
        (go, answer)
    }

    /// Keeps the driver's thread busy until what is returned first is dropped; the
    /// other says when it goes on.
    pub(super) fn keep_busy(&self) -> (mpsc::Sender<()>, mpsc::Receiver<()>) {
        let ((here, is_here), (go, wait)) = (mpsc::channel(), mpsc::channel());
        let (done, is_done) = mpsc::channel();
        let inspect: Inspect = Box::new(move |_| {
            here.send(()).unwrap();
            let _ = wait.recv();
            Box::new(move || done.send(()).unwrap_or(()))
        });
        let handle = self.service.registered_driver(self.handle.name()).unwrap();
        assert!(handle.queue.put(Message::Inspect(inspect)));
        is_here.recv().unwrap();
        (go, is_done)
    }

    /// Loads one more driver.
    pub(super) fn load(&self, name: &str) -> (Arc<Control>, Arc<dyn DriverHandle>) {
        let control = Arc::new(Control::default());
        lock(&control.registers).push((name.into(), REPLAYED));
        let factory = Arc::new(PlainFactory(control.clone()));
        self.service.load(factory, LoadOptions::new(Origin::Component)).unwrap();
        (control, self.service.handle(&name.parse().unwrap()).unwrap())
    }
}

/// Where an answer will come: the grant's words or the kind of the error.
pub(super) type Waiting = mpsc::Receiver<Result<String, Kind>>;

pub(super) fn submit(handle: &dyn DriverHandle, request: Request) -> Waiting {
    let (reply, answer) = waiting();
    handle.submit(request, reply);
    answer
}

fn waiting() -> (Reply, Waiting) {
    let (sender, receiver) = mpsc::channel();
    let reply = move |answer: Result<Served, Failure>| {
        let answer = answer.map(|served| shown(&served.answer));
        let _ = sender.send(answer.map_err(|error| error.contract().kind()));
    };
    (Box::new(reply), receiver)
}

/// Asks something that says when the driver hears of it, and waits there.
pub(super) fn meet(
    control: &Control,
    handle: &dyn DriverHandle,
    request: Request,
) -> (mpsc::Receiver<()>, mpsc::Sender<()>, Waiting) {
    let (here, is_here) = mpsc::channel();
    let (go, gate) = mpsc::channel();
    control.twist(Twist::Meet { here, gate, breaks: false });
    (is_here, go, submit(handle, request))
}

pub(super) fn shown(answer: &Answer) -> String {
    match answer {
        Answer::Pool(grant) => grant.pool.to_string(),
        Answer::Address(grant) => {
            grant.address.map_or_else(|| "none".to_owned(), |address| address.to_string())
        }
        Answer::Released => "released".to_owned(),
        Answer::Status(status) => format!("{} in use", status.ips_in_use),
    }
}

pub(super) fn id(text: &str) -> PoolId {
    PoolId::try_from(text).unwrap()
}

pub(super) fn any_pool() -> Request {
    Request::Pool(pool_request(PoolChoice::Automatic(Family::Ipv4)))
}

pub(super) fn pool(prefix: &str) -> Request {
    Request::Pool(pool_request(PoolChoice::Exact(prefix.parse().unwrap())))
}

pub(super) fn pool_request(pool: PoolChoice) -> PoolRequest {
    PoolRequest {
        address_space: "local".to_owned(),
        pool,
        sub_pool: None,
        options: Options::new(),
        exclude: Vec::new(),
    }
}

pub(super) fn lease(pool: &str) -> Request {
    Request::Address(AddressRequest { pool_id: id(pool), address: None, options: Options::new() })
}

pub(super) fn lease_of(pool: &str, address: &str) -> Request {
    let address = Some(address.parse().unwrap());
    Request::Address(AddressRequest { pool_id: id(pool), address, options: Options::new() })
}

pub(super) fn release(pool: &str, address: &str) -> Request {
    Request::ReleaseAddress(id(pool), address.parse().unwrap())
}

pub(super) fn granted(pool_id: &str, pool: &str) -> Twist {
    let pool = pool.parse().unwrap();
    Twist::Pool(Ok(PoolGrant { pool_id: id(pool_id), pool, data: Options::new() }))
}

pub(super) fn leased(address: Option<&str>) -> Twist {
    let address = address.map(|text| text.parse().unwrap());
    Twist::Address(Ok(AddressGrant { address, data: Options::new() }))
}

pub(super) fn trap() -> Failure {
    Failure::broken("trap at /secret/path.rs:7")
}

pub(super) fn refusal() -> Failure {
    Failure::Refused(Error::from(Code::InvalidRequest))
}

/// The host number `host` of 10.0.0.0/24, as a lease.
pub(super) fn host(host: u8) -> String {
    format!("{}/24", Ipv4Addr::new(10, 0, 0, host))
}
