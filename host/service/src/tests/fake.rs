//! A driver that is correct until a test tells it otherwise.

use super::system::System;
use crate::sync::lock;
use ipam_api::{
    AddressGrant, AddressRequest, AddressSpaces, Callback, Capability, Code, Driver, Factory,
    Failure, Family, HeldRecord, IpNet, Ipv4Net, Options, PoolChoice, PoolGrant, PoolId,
    PoolRequest, PoolStatus, RecordPage, Start, Stored, Writes, names,
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// What a driver does instead of its next answer to a request of that kind
/// that is not a replay.
pub(crate) enum Twist {
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
pub(crate) struct Control {
    pub(crate) twists: Mutex<VecDeque<Twist>>,
    pub(crate) release_fails: Mutex<VecDeque<Failure>>,
    /// Pools that a replay answers with that id instead.
    pub(crate) replay_answers: Mutex<Option<PoolId>>,
    pub(crate) start_fails: Mutex<Option<Failure>>,
    /// What happened: one line for each start and each call.
    pub(crate) calls: Mutex<Vec<String>>,
    /// Each call with the time that it was told.
    pub(crate) times: Mutex<Vec<(String, SystemTime)>>,
    /// The next replayed pool says that it is shown, and waits for the end of
    /// the other.
    pub(crate) replay_held: Mutex<Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>>,
    /// It counts in its store what it granted and what it released.
    pub(crate) counts: AtomicBool,
    /// The host has ended it.
    pub(crate) is_halted: AtomicBool,
    /// What it registers from now on.
    pub(crate) registers: Mutex<Vec<(String, Capability)>>,
    /// Where its grants are recorded, if it is a driver of a system of record.
    pub(crate) system: Mutex<Option<System>>,
}

impl Control {
    fn note(&self, call: String) {
        lock(&self.calls).push(call);
    }

    /// Holds the next replay; it goes on when what is returned last is dropped.
    pub(crate) fn hold_replay(&self) -> (mpsc::Receiver<()>, mpsc::Sender<()>) {
        let ((here, is_here), (go, gate)) = (mpsc::channel(), mpsc::channel());
        *lock(&self.replay_held) = Some((here, gate));
        (is_here, go)
    }

    pub(crate) fn twist(&self, twist: Twist) {
        lock(&self.twists).push_back(twist);
    }

    /// What happened since the last look.
    pub(crate) fn look(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.calls))
    }
}

/// Makes [`FakeDriver`] drivers.
pub(crate) struct FakeFactory(pub(crate) Arc<Control>);

impl Factory for FakeFactory {
    fn has_records(&self) -> bool {
        lock(&self.0.system).is_some()
    }

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
        Ok(Box::new(FakeDriver {
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
struct FakeDriver {
    control: Arc<Control>,
    pools: BTreeMap<PoolId, (IpNet, BTreeSet<IpAddr>)>,
    at: SystemTime,
    /// What it has stored, as far as it knows.
    stored: Stored,
    writes: Writes,
}

/// What a driver that counts has stored: a letter for each call.
pub(crate) fn counted(stored: &Stored) -> String {
    let told = |(key, value): (&String, &Vec<u8>)| format!("{key}={}", value.len());
    stored.iter().map(told).collect::<Vec<_>>().join(" ")
}

impl FakeDriver {
    /// Counts one call more, also in replay.
    fn count(&mut self, what: &str) {
        self.writes.clear();
        if self.control.counts.load(Ordering::SeqCst) {
            let mut value = self.stored.get(what).cloned().unwrap_or_default();
            value.push(b'x');
            self.writes.insert(what.to_owned(), Some(value));
        }
    }

    fn with_system<T>(&self, with: impl FnOnce(&mut System) -> T) -> Option<T> {
        lock(&self.control.system).as_mut().map(with)
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

impl Driver for FakeDriver {
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
        self.with_system(|system| system.make(pool, None));
        Ok(PoolGrant { pool_id, pool, data: Options::new() })
    }

    fn release_pool(&mut self, pool_id: &PoolId) -> Result<(), Failure> {
        self.count("released");
        self.note(format!("release {pool_id}"));
        if let Some(failure) = lock(&self.control.release_fails).pop_front() {
            return Err(failure);
        }
        let (pool, _) = self.pools.remove(pool_id).ok_or(Code::BadPool)?;
        self.with_system(|system| system.delete_pool(pool));
        Ok(())
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
        let pool = *pool;
        self.with_system(|system| system.make(pool, Some(address)));
        let address = IpNet::new(address, pool.prefix_len()).unwrap();
        Ok(AddressGrant { address: Some(address), data: Options::new() })
    }

    fn release_address(&mut self, pool_id: &PoolId, address: IpAddr) -> Result<(), Failure> {
        self.count("released");
        self.note(format!("release {address} of {pool_id}"));
        if let Some(failure) = lock(&self.control.release_fails).pop_front() {
            return Err(failure);
        }
        let (pool, leases) = self.pools.get_mut(pool_id).ok_or(Code::PoolNotFound)?;
        if !leases.remove(&address) {
            return Err(Code::IpOutOfRange.into());
        }
        let pool = *pool;
        self.with_system(|system| system.delete(pool, Some(address)));
        Ok(())
    }

    fn list_records(
        &mut self,
        cursor: Option<&str>,
        limit: u32,
    ) -> Option<Result<RecordPage, Failure>> {
        self.note(format!("list from {}", cursor.unwrap_or("the beginning")));
        self.with_system(|system| system.list(cursor, limit))
    }

    fn has_record(
        &mut self,
        pool_id: &PoolId,
        address: Option<IpAddr>,
    ) -> Option<Result<bool, Failure>> {
        let Some(pool) = self.pools.get(pool_id).map(|pool| pool.0) else {
            return Some(Err(Code::PoolNotFound.into()));
        };
        self.with_system(|system| Ok(system.find(pool, address).is_some()))
    }

    fn remove_record(&mut self, record: &HeldRecord) -> Option<Result<bool, Failure>> {
        self.note(format!("remove {}", record.id));
        self.with_system(|system| system.remove(record))
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
