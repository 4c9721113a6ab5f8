//! One driver's worker: it owns the instance and its part of the ledger, and
//! one thread serves with it.
//!
//! A built-in driver that has nothing else to do serves a few addresses on the
//! thread that asks: to hand them over and be woken again costs several times
//! what they do, and the host's own allocator is known to be quick. A
//! stranger's driver never runs anywhere but on its own thread.
//!
//! Every request is asked of the driver, checked against applied state and
//! staged; the committer answers. When the instance breaks, what was staged
//! before stands, the request that broke it fails, and those behind it wait
//! for the next instance.

use crate::{
    Limits,
    committer::{Committer, Flight, Staged, commit, ledger_failed, load},
    instance::Instance,
    lock,
    mount::unavailable,
    outage::Outage,
    queue::{Job, Mail, Queue},
    rebuild::Source,
    release::Owed,
};
use ipam_api::{
    AddressRequest, AddressSpaces, Answer, Code, DriverName, Failure, IpNet, Kind, PoolChoice,
    PoolGrant, PoolRequest, Receipt, Request, Served,
};
use ipam_ledger::{Caller, Changes, Course, Event, Session, State, StoreError, Violation};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

/// Everything that serving one driver takes.
pub(crate) struct Worker {
    pub(crate) name: DriverName,
    pub(crate) spaces: AddressSpaces,
    pub(crate) limits: Limits,
    pub(crate) queue: Arc<Queue>,
    pub(crate) committer: Arc<Committer>,
    pub(crate) flight: Arc<Flight>,
    pub(crate) source: Source,
    /// Applied: durable plus staged.
    pub(crate) state: State,
    /// Nothing while the driver is out of service.
    pub(crate) instance: Option<Instance>,
    pub(crate) outage: Outage,
    /// Some while the store fails. What is applied then may never have come to
    /// be, and nothing is granted on it.
    pub(crate) store_outage: Option<Outage>,
    /// Releases and undos that the store lost or could not take, in order.
    pub(crate) kept: VecDeque<Receipt>,
    pub(crate) owed: Owed,
}

/// Serves as the driver's own thread until the queue is closed and empty.
pub(crate) fn run(worker: &Mutex<Worker>, queue: &Arc<Queue>, batch_max: usize) {
    let _desertion = Desertion(queue.clone());
    let mut batch = VecDeque::new();
    loop {
        // Not locked while it waits, or nobody else could serve meanwhile.
        let pause = lock(worker).pause();
        // What an earlier batch left comes first.
        if batch.is_empty() && !queue.take(&mut batch, batch_max, pause) {
            break;
        }
        lock(worker).turn(&mut batch);
    }
    lock(worker).end();
}

/// Serves requests on the calling thread, if the driver has nothing else to
/// do and all of them are quick; otherwise leaves them.
pub(crate) fn run_here(worker: &Mutex<Worker>, jobs: &mut VecDeque<Job>) {
    let is_quick = |job: &Job| match job.request {
        Request::Address(_) | Request::ReleaseAddress(..) => true,
        // These cost what a pool holds.
        Request::Pool(_) | Request::ReleasePool(_) | Request::Status(_) => false,
    };
    let Ok(mut worker) = worker.try_lock() else { return };
    if jobs.len() > worker.limits.batch_max || !jobs.iter().all(is_quick) || !worker.is_idle() {
        return;
    }
    let mut batch = jobs.drain(..).map(Mail::Ask).collect();
    let staged = worker.serve(&mut batch);
    worker.committer.submit(&worker.flight, staged);
    if worker.instance.is_none() {
        // The driver's thread brings it back.
        worker.queue.nudge();
    }
    jobs.extend(batch.into_iter().filter_map(|mail| match mail {
        Mail::Ask(job) => Some(job),
        Mail::Undo(_) => None,
    }));
}

impl Worker {
    /// How long the thread may sleep when nothing comes: while releases are
    /// kept, nothing to do for a while is something to do.
    fn pause(&self) -> Option<Duration> {
        (!self.kept.is_empty()).then_some(self.limits.backoff_max)
    }

    /// Serves one batch.
    fn turn(&mut self, batch: &mut VecDeque<Mail>) {
        self.recover(false);
        let was_alive = self.instance.is_some();
        let staged = self.serve(batch);
        self.committer.submit(&self.flight, staged);
        if was_alive && self.instance.is_none() {
            // At once and not at the next request, which then need not wait.
            self.recover(false);
        }
    }

    /// The last chance for the releases that the store did not take yet.
    fn end(&mut self) {
        self.recover(true);
        if !self.kept.is_empty() {
            tracing::error!(driver = %self.name, releases = self.kept.len(), "releases are lost");
        }
    }

    /// Whether a request could be served at once: nothing waits, nothing must
    /// be brought back, and the committer takes more.
    fn is_idle(&self) -> bool {
        self.instance.is_some()
            && self.store_outage.is_none()
            && self.kept.is_empty()
            && self.queue.is_idle()
            && self.committer.has_room(&self.flight)
    }

    /// Runs one batch, up to the request that breaks the instance.
    fn serve(&mut self, batch: &mut VecDeque<Mail>) -> Staged {
        let was_alive = self.instance.is_some();
        let mut staged = Staged::default();
        while let Some(mail) = batch.pop_front() {
            match mail {
                Mail::Ask(Job { request, session, reply }) => {
                    let answer = if self.store_outage.is_some() {
                        self.keep_release(&request, session);
                        Err(ledger_failed())
                    } else {
                        self.answer(request, session, &mut staged.events)
                    };
                    staged.replies.push((reply, answer));
                }
                Mail::Undo(receipt) if self.store_outage.is_some() => self.keep(receipt),
                Mail::Undo(receipt) => {
                    let events = self.state.undo(&receipt);
                    self.release(events, &mut staged.events);
                }
            }
            if was_alive && self.instance.is_none() {
                break;
            }
        }
        staged
    }

    fn answer(
        &mut self,
        request: Request,
        session: Option<Session>,
        events: &mut Vec<Event>,
    ) -> Result<Served, Failure> {
        match request {
            Request::Pool(request) => self.request_pool(&request, session, events),
            Request::Address(request) => self.request_address(&request, session, events),
            Request::ReleasePool(pool_id) => {
                let released = self.state.release_pool(&pool_id, &self.caller(session))?;
                self.release(released, events);
                Ok(Served { answer: Answer::Released, receipt: None })
            }
            Request::ReleaseAddress(pool_id, address) => {
                let released = self.state.release_address(&pool_id, address)?;
                self.release(released, events);
                Ok(Served { answer: Answer::Released, receipt: None })
            }
            Request::Status(pool_id) => {
                self.state.known(&pool_id)?;
                let status = self.ask(|driver| driver.pool_status(&pool_id))?;
                let status = status.ok_or(Code::Other(Kind::NotImplemented))?;
                Ok(Served { answer: Answer::Status(status), receipt: None })
            }
        }
    }

    fn request_pool(
        &mut self,
        request: &PoolRequest,
        session: Option<Session>,
        events: &mut Vec<Event>,
    ) -> Result<Served, Failure> {
        let (event, grant) = match self.state.before_pool(request, &self.caller(session))? {
            Course::Claim { event, grant } => {
                self.state.apply(&event);
                (event, grant)
            }
            Course::Ask => self.choose_pool(request, session)?,
        };
        let receipt = event.receipt();
        events.push(event);
        Ok(Served { answer: Answer::Pool(grant), receipt })
    }

    /// Asks for a pool until one does not meet what the caller excludes. Those
    /// that do are held meanwhile, so that the driver proposes others; nobody
    /// but the driver and this state hears of them.
    fn choose_pool(
        &mut self,
        request: &PoolRequest,
        session: Option<Session>,
    ) -> Result<(Event, PoolGrant), Failure> {
        let mut held = Vec::new();
        let chosen = loop {
            match self.propose_pool(request, session) {
                Ok((event, grant)) if is_excluded(request, &grant.pool) => {
                    held.push(event);
                    if held.len() > self.limits.exclude_retries_max {
                        break Err(Code::NoAvailablePool.into());
                    }
                }
                Err(Failure::Refused(_)) if !held.is_empty() => {
                    break Err(Code::NoAvailablePool.into());
                }
                decided => break decided,
            }
        };
        for receipt in held.iter().filter_map(Event::receipt) {
            let released = self.state.undo(&receipt);
            self.release(released, &mut Vec::new());
        }
        chosen
    }

    fn propose_pool(
        &mut self,
        request: &PoolRequest,
        session: Option<Session>,
    ) -> Result<(Event, PoolGrant), Failure> {
        let grant = self.ask(|driver| driver.request_pool(request))?;
        match self.state.check_pool(request, &grant, &self.caller(session)) {
            Ok(event) => {
                self.state.apply(&event);
                Ok((event, grant))
            }
            Err(violation) => {
                self.owe(grant.pool_id, None);
                Err(self.violated(&violation))
            }
        }
    }

    fn request_address(
        &mut self,
        request: &AddressRequest,
        session: Option<Session>,
        events: &mut Vec<Event>,
    ) -> Result<Served, Failure> {
        let (event, grant) = match self.state.before_address(request, &self.caller(session))? {
            Course::Claim { event, grant } => (Some(event), grant),
            Course::Ask => {
                let grant = self.ask(|driver| driver.request_address(request))?;
                match self.state.check_address(request, &grant, &self.caller(session)) {
                    Ok(event) => (event, grant),
                    Err(violation) => {
                        if let Some(address) = grant.address {
                            self.owe(request.pool_id.clone(), Some(address.addr()));
                        }
                        return Err(self.violated(&violation));
                    }
                }
            }
        };
        let receipt = event.as_ref().and_then(Event::receipt);
        if let Some(event) = event {
            self.state.apply(&event);
            events.push(event);
        }
        Ok(Served { answer: Answer::Address(grant), receipt })
    }

    /// Asks the instance. If that breaks it, it is gone.
    pub(crate) fn ask<T>(
        &mut self,
        ask: impl FnOnce(&mut Instance) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let Some(instance) = &mut self.instance else {
            return Err(unavailable("the driver is out of service"));
        };
        let answer = ask(instance);
        if let Err(Failure::Broken { reason }) = &answer {
            self.drop_instance(reason);
        }
        answer
    }

    /// The instance remembers something that is not so: it is gone, and the
    /// caller hears of an internal error.
    fn violated(&mut self, violation: &Violation) -> Failure {
        let reason = format!("broke the contract: {violation}");
        self.drop_instance(&reason);
        Failure::broken(reason)
    }

    pub(crate) fn drop_instance(&mut self, reason: &str) {
        tracing::warn!(driver = %self.name, reason, "the driver failed and is built anew");
        self.instance = None;
    }

    pub(crate) fn caller(&self, session: Option<Session>) -> Caller<'_> {
        let AddressSpaces { local, global } = &self.spaces;
        Caller { global_space: (local != global).then_some(global), session }
    }

    /// Brings back what does not work: the store first, then the instance.
    /// `is_last` tries even during a pause.
    fn recover(&mut self, is_last: bool) {
        if self.flight.has_failed() && self.store_outage.is_none() {
            self.store_outage = Some(Outage::default());
            self.instance = None;
        }
        if let Some(outage) = &self.store_outage {
            if !is_last && !outage.is_due() {
                return;
            }
            let failed = self.flight.settle();
            self.keep_failed(&failed);
            if let Err(error) = self.read_again() {
                tracing::error!(
                    driver = %self.name, %error,
                    "nothing is granted until the ledger can be written",
                );
                if let Some(outage) = &mut self.store_outage {
                    outage.failed(&self.limits);
                }
                return;
            }
            self.store_outage = None;
        }
        if self.instance.is_none() && self.outage.is_due() && !is_last {
            self.rebuild();
        }
    }

    /// Reads the ledger as it is durable, and commits what was kept: before
    /// anything is granted, so that nothing can be released that is younger
    /// than its release.
    fn read_again(&mut self) -> Result<(), StoreError> {
        let mut store = self.committer.store();
        let mut state = load(&mut **store, &self.name)?;
        state.advance_to(self.state.generation());
        let mut events = Vec::new();
        for receipt in &self.kept {
            for event in state.undo(receipt) {
                state.apply(&event);
                events.push(event);
            }
        }
        let changes = Changes { driver: self.name.clone(), events };
        let transaction =
            if changes.events.is_empty() { &[][..] } else { std::slice::from_ref(&changes) };
        commit(&mut **store, transaction)
            .map_err(|()| StoreError::new("the transaction did not commit"))?;
        drop(store);
        self.flight.resume();
        self.state = state;
        self.kept.clear();
        for receipt in changes.events.iter().filter_map(Event::receipt) {
            self.owe(receipt.pool_id, receipt.address);
        }
        Ok(())
    }

    /// Builds an instance from what is durable, never from what a commit in
    /// flight will change.
    fn rebuild(&mut self) {
        let failed = self.flight.settle();
        if self.flight.has_failed() {
            self.keep_failed(&failed);
            self.store_outage = Some(Outage::default());
            return self.recover(false);
        }
        match self.source.revive(&self.spaces, &self.state) {
            Ok(instance) => {
                self.instance = Some(instance);
                self.outage.over();
                tracing::info!(driver = %self.name, "the driver serves again");
                self.deliver_owed();
            }
            Err(unfit) => {
                self.outage.failed(&self.limits);
                tracing::error!(driver = %self.name, %unfit, "the driver is not served");
            }
        }
    }
}

/// Whoever waits hears of it when the thread ends as it should not.
struct Desertion(Arc<Queue>);

impl Drop for Desertion {
    fn drop(&mut self) {
        for mail in self.0.desert() {
            if let Mail::Ask(job) = mail {
                (job.reply)(Err(unavailable("this driver is no more in service")));
            }
        }
    }
}

fn is_excluded(request: &PoolRequest, pool: &IpNet) -> bool {
    let is_chosen = !matches!(request.pool, PoolChoice::Exact(_));
    let overlaps = |other: &IpNet| other.contains(pool) || pool.contains(other);
    is_chosen && pool.prefix_len() > 0 && request.exclude.iter().any(overlaps)
}
