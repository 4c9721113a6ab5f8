//! The face that a registered driver shows to protocol servers.

use crate::{
    health::Health,
    lock,
    meter::Call,
    queue::{Asker, Full, Job, Queue},
    worker::now,
};
use ipam_api::{
    AddressSpaces, Capability, DriverHandle, DriverName, Error, Failure, Kind, Receipt, Reply,
    Request, Served, Server,
};
use ipam_ledger::{Actor, Audit};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

/// A registered driver, for many threads at once.
pub(crate) struct RegisteredDriver {
    pub(crate) name: DriverName,
    /// Another version may need something else.
    pub(crate) capability: Mutex<Capability>,
    pub(crate) spaces: AddressSpaces,
    pub(crate) queue: Arc<Queue>,
    pub(crate) health: Arc<Health>,
    /// How often an engine asked what the driver needs.
    sessions: AtomicU64,
    /// The ledger's generation when this process read it.
    pub(crate) loaded: u64,
}

impl RegisteredDriver {
    pub(crate) fn new(
        name: DriverName,
        capability: Capability,
        spaces: AddressSpaces,
        queue: Arc<Queue>,
        health: Arc<Health>,
        loaded: u64,
    ) -> Self {
        let sessions = AtomicU64::new(0);
        let capability = Mutex::new(capability);
        Self { name, capability, spaces, queue, health, sessions, loaded }
    }
}

impl RegisteredDriver {
    fn put(&self, server: Server, requests: impl Iterator<Item = (Request, Reply)>) {
        // The session is read here and not when the request is served, so that
        // a session that begins meanwhile gives it no claim it did not have.
        let cause = Audit { at: now(), by: Actor::Asked(server) };
        let asker = Asker { cause, session: self.sessions.load(Ordering::Acquire) };
        let began = Instant::now();
        let job = |(request, reply): (Request, Reply)| {
            let (call, health) = (Call::of(&request), self.health.clone());
            let reply: Reply = Box::new(move |answer| {
                health.meter.answered(call, &answer, began.elapsed());
                reply(answer);
            });
            Job { request, asker, reply }
        };
        let mut jobs = requests.map(job).collect();
        if let Err(full) = self.queue.ask(&mut jobs) {
            let text = match full {
                Full::Queue => "too many requests wait for this driver",
                Full::Closed => "this driver is no more in service",
            };
            jobs.into_iter().for_each(|job| (job.reply)(Err(unavailable(text))));
        }
    }
}

/// A registered driver as one server sees it: what goes through here is on
/// that server's account.
pub(crate) struct Handle {
    pub(crate) handle: Arc<RegisteredDriver>,
    pub(crate) server: Server,
}

impl DriverHandle for Handle {
    fn name(&self) -> &DriverName {
        &self.handle.name
    }

    fn capability(&self) -> Capability {
        *lock(&self.handle.capability)
    }

    fn address_spaces(&self) -> &AddressSpaces {
        &self.handle.spaces
    }

    fn begin_session(&self) {
        self.handle.sessions.fetch_add(1, Ordering::AcqRel);
    }

    fn submit(&self, request: Request, reply: Reply) {
        self.handle.put(self.server, [(request, reply)].into_iter());
    }

    fn submit_all(&self, batch: &mut Vec<(Request, Reply)>) {
        self.handle.put(self.server, batch.drain(..));
    }

    fn undo(&self, receipt: Receipt) {
        if !self.handle.queue.undo(receipt.clone()) {
            tracing::error!(
                driver = %self.handle.name, pool_id = ?receipt.pool_id.as_str(), address = ?receipt.address,
                "an answer was not delivered and its driver is gone: its grant stays",
            );
        }
    }
}

/// Asks and waits for the answer. For tests and plain threads, not for those
/// of an asynchronous runtime.
///
/// # Errors
/// As the driver, the ledger or the service refused, or as the driver broke.
pub fn ask(handle: &dyn DriverHandle, request: Request) -> Result<Served, Failure> {
    let (sender, receiver) = mpsc::sync_channel(1);
    // Nobody but this function can have dropped the receiver.
    handle.submit(request, Box::new(move |answer| drop(sender.send(answer))));
    receiver.recv().unwrap_or_else(|_| Err(unavailable("the request was dropped")))
}

/// [`ask`], for whoever does not want to wait for ever. Nothing if there is no
/// answer in time; what was asked is done all the same, sooner or later.
#[must_use]
pub fn ask_within(
    handle: &dyn DriverHandle,
    request: Request,
    patience: Duration,
) -> Option<Result<Served, Failure>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    handle.submit(request, Box::new(move |answer| drop(sender.send(answer))));
    match receiver.recv_timeout(patience) {
        Ok(answer) => Some(answer),
        Err(mpsc::RecvTimeoutError::Timeout) => None,
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            Some(Err(unavailable("the request was dropped")))
        }
    }
}

/// Not now, perhaps later.
pub(crate) fn unavailable(text: &str) -> Failure {
    Failure::Refused(Error::other(Kind::Unavailable, text))
}
