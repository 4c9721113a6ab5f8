//! A service with fake drivers, and short ways to ask them.

pub(super) use super::{
    fake::{Control, FakeFactory, Twist, counted},
    flaky::{FlakyStore, Gate},
    requests::{
        any_pool, granted, host, id, lease, lease_of, leased, pool, pool_request, refusal, release,
        shown, trap,
    },
};
use crate::{
    Limits, LoadOptions, Origin, Service, ask,
    front::message::{Inspect, Message},
    sync::lock,
};
use ipam_api::{Capability, DriverHandle, Failure, Kind, Reply, Request, Served};
use ipam_ledger::{MemoryStore, Store};
use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

/// How long a test waits for what must come at once.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

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
pub(super) struct Harness {
    pub(super) service: Service,
    pub(super) control: Arc<Control>,
    pub(super) handle: Arc<dyn DriverHandle>,
}

impl Harness {
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
        let factory = Arc::new(FakeFactory(control.clone()));
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
        let factory = Arc::new(FakeFactory(control.clone()));
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
