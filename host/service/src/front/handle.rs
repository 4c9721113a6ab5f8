//! A registered driver, as protocol servers see it.

use super::{
    message::Job,
    queue::{Full, Queue},
};
use crate::{
    clock::now,
    error::{NOT_IN_SERVICE, unavailable},
    health::Health,
    meter::{Call, Meter},
    serve::processor::RequestContext,
    sync::lock,
};
use ipam_api::{
    AddressSpaces, Capability, DriverHandle, DriverName, Failure, Receipt, Reply, Request, Served,
    Server,
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
    /// A new version may have another.
    pub(crate) capability: Mutex<Capability>,
    pub(crate) spaces: AddressSpaces,
    pub(crate) queue: Arc<Queue>,
    pub(crate) health: Arc<Health>,
    pub(crate) meter: Arc<Meter>,
    /// How many sessions engines have begun.
    pub(crate) sessions: AtomicU64,
    /// The ledger's generation when this process read it.
    pub(crate) loaded: u64,
}

impl RegisteredDriver {
    fn put(&self, server: Server, requests: impl Iterator<Item = (Request, Reply)>) {
        // The session is read here and not when the request is served: a session
        // that begins meanwhile gives this request no claims.
        let audit = Audit { at: now(), by: Actor::Asked(server) };
        let context = RequestContext { audit, session: self.sessions.load(Ordering::Acquire) };
        let began = Instant::now();
        let job = |(request, reply): (Request, Reply)| {
            let (call, meter) = (Call::of(&request), self.meter.clone());
            let reply: Reply = Box::new(move |answer| {
                meter.answered(call, &answer, began.elapsed());
                reply(answer);
            });
            Job { request, context, reply }
        };
        let mut jobs = requests.map(job).collect();
        if let Err(full) = self.queue.put_requests(&mut jobs) {
            let text = match full {
                Full::Queue => "too many requests wait for this driver",
                Full::Closed => NOT_IN_SERVICE,
            };
            jobs.into_iter().for_each(|job| (job.reply)(Err(unavailable(text))));
        }
    }
}

/// A registered driver, for one server: the ledger records requests that come
/// through this handle as that server's.
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
                driver = %self.handle.name, pool_id = ?receipt.pool_id.as_str(),
                address = receipt.address.map(display),
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
