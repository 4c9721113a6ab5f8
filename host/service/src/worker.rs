//! One driver's worker: it owns the instance and its part of the ledger, and
//! one thread serves with it.
//!
//! Every request is asked of the driver, checked against applied state and
//! staged; whoever commits it answers, this thread or the committer's. When the
//! instance breaks, what was staged before stands, the request that broke it
//! fails, and those behind it wait for the next instance.

use crate::{
    Limits,
    bounds::Bounds,
    breaker::Breaker,
    candidate::Tail,
    committer::{Committer, Flight, Staged},
    ending::{Ending, Running},
    handle::unavailable,
    health::Health,
    instance::Instance,
    kept::Kept,
    meter::Call,
    outage::Outage,
    queue::{Asker, Job, Mail, Queue},
    rebuild::Source,
    release::not_as_seen,
};
use ipam_api::{AddressSpaces, Answer, Code, DriverName, Failure, Kind, Request, Served, Writes};
use ipam_ledger::{Actor, Audit, Caller, Event, Record, Release, State, Time, Violation};
use std::{
    collections::VecDeque,
    mem,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Everything that serving one driver takes.
pub(crate) struct Worker {
    pub(crate) name: DriverName,
    pub(crate) spaces: AddressSpaces,
    pub(crate) limits: Limits,
    pub(crate) bounds: Arc<Bounds>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) committer: Arc<Committer>,
    pub(crate) flight: Arc<Flight>,
    pub(crate) source: Source,
    /// Whether it is one of the host's own.
    pub(crate) is_built_in: bool,
    pub(crate) running: Arc<Running>,
    pub(crate) ending: Arc<Ending>,
    pub(crate) health: Arc<Health>,
    /// Applied: durable plus staged; while the store fails, durable without
    /// what was released since.
    pub(crate) state: State,
    /// The generation of what this process read at its start.
    pub(crate) loaded: u64,
    /// The latest session that something was asked in.
    pub(crate) session: u64,
    /// The generation when the first request of that session was served.
    pub(crate) asked_at: Option<u64>,
    /// Nothing while the driver is out of service.
    pub(crate) instance: Option<Instance>,
    pub(crate) outage: Outage,
    pub(crate) breaker: Breaker,
    /// Some while the store fails: nothing is granted.
    pub(crate) store_outage: Option<Outage>,
    /// What was applied since the last batch was handed over, in order.
    pub(crate) staged: Vec<Record>,
    /// What the driver wrote to its store for the request under way.
    pub(crate) writes: Writes,
    /// Bytes of what it wrote for this batch.
    pub(crate) written_bytes: usize,
    /// Releases and undos that the store lost or could not take, in order.
    pub(crate) kept: VecDeque<(Kept, Audit)>,
    /// What the driver is owed and the store lost or could not take.
    pub(crate) kept_owed: VecDeque<Release>,
    /// Some while an upgrade wants to hear of every event.
    pub(crate) tail: Option<Arc<Tail>>,
}

/// Serves as the driver's own thread until the queue is closed and empty.
pub(crate) fn run(mut worker: Worker, queue: &Arc<Queue>, batch_max: usize) {
    let _desertion = Desertion(queue.clone());
    let mut batch = VecDeque::new();
    worker.begin();
    loop {
        // What an earlier batch left comes first.
        if batch.is_empty() && !queue.take(&mut batch, batch_max, worker.pause()) {
            // What is in flight may come back as undelivered.
            worker.flight.land_all();
            if queue.leave() {
                break;
            }
            continue;
        }
        worker.turn(&mut batch);
    }
    worker.end();
}

impl Worker {
    /// How long the thread may sleep when nothing comes: while releases are
    /// kept, nothing to do for a while is something to do.
    fn pause(&self) -> Option<Duration> {
        if self.has_to_tell() && !self.ending.is_begun() {
            return Some(Duration::ZERO);
        }
        let waits = !self.kept.is_empty() || !self.kept_owed.is_empty();
        waits.then_some(self.limits.backoff_max)
    }

    /// Whether something is owed to an instance that can be told.
    fn has_to_tell(&self) -> bool {
        self.instance.is_some() && self.store_outage.is_none() && !self.state.owed().is_empty()
    }

    /// Before the first batch: what the driver is owed of earlier days.
    fn begin(&mut self) {
        self.deliver_owed();
        self.hand_over();
    }

    /// Serves one batch.
    fn turn(&mut self, batch: &mut VecDeque<Mail>) {
        self.recover(false);
        let was_alive = self.instance.is_some();
        let staged = self.serve(batch);
        self.commit(staged, batch.is_empty());
        if was_alive && self.instance.is_none() {
            // At once and not at the next request, which then need not wait.
            self.recover(false);
            self.hand_over();
        }
        if self.has_to_tell() && !self.ending.is_begun() {
            self.deliver_owed();
            self.hand_over();
        }
    }

    /// Hands over what was applied outside of a batch. Which version serves is
    /// no news by itself: it goes with what that version grants.
    pub(crate) fn hand_over(&mut self) {
        let is_news = |record: &Record| !matches!(record.event, Event::VersionChanged(_));
        if self.staged.iter().any(is_news) {
            let records = mem::take(&mut self.staged);
            let staged = Staged { records, ..Staged::default() };
            self.committer.submit(&self.flight, staged);
        }
    }

    /// The last chance for the releases that the store did not take yet.
    fn end(&mut self) {
        let failed = self.flight.settle();
        if self.flight.has_failed() {
            self.keep_failed(failed);
            self.store_fails();
        }
        self.recover(true);
        let lost = self.kept.len() + self.kept_owed.len();
        if lost > 0 {
            tracing::error!(driver = %self.name, releases = lost, "releases are lost");
        }
    }

    /// Makes a batch durable: on this thread if nothing else waits for it and
    /// nobody else is committing, which spares two wake-ups; else on the
    /// committer's, together with what others staged.
    fn commit(&self, staged: Staged, is_all: bool) {
        let leads = is_all && !staged.records.is_empty() && self.queue.is_empty();
        match leads.then(|| self.committer.try_lead(&self.flight)).flatten() {
            Some(lead) => lead.commit(staged),
            None => self.committer.submit(&self.flight, staged),
        }
    }

    /// Runs one batch, up to the request that breaks the instance.
    fn serve(&mut self, batch: &mut VecDeque<Mail>) -> Staged {
        let was_alive = self.instance.is_some();
        let began = Instant::now();
        let mut staged = Staged::default();
        while let Some(mail) = batch.pop_front() {
            match mail {
                Mail::Ask(Job { request, asker, reply }) => {
                    self.note_session(asker);
                    if self.store_outage.is_some() {
                        let failure = self.keep_release(&request, asker);
                        // It rests on nothing that is in flight.
                        self.flight.answer(reply, Err(failure));
                        continue;
                    }
                    let answer = if self.ending.grants_nothing() && !is_release(&request) {
                        Err(unavailable("this driver is no more in service"))
                    } else {
                        let answer = self.answer(request, asker);
                        self.stage_writes(asker.cause, &answer);
                        answer
                    };
                    staged.replies.push((reply, answer));
                }
                Mail::Undo(receipt) => {
                    let cause = Audit { at: now(), by: Actor::Undelivered };
                    let events = self.state.undo(&receipt);
                    if self.store_outage.is_some() {
                        events.iter().for_each(|event| self.state.apply(event));
                        self.keep(Kept::One(receipt), cause);
                    } else {
                        self.at(cause.at);
                        self.release(events, cause);
                        self.stage_writes(cause, &Ok(()));
                    }
                }
                // Nothing is in flight, and what was is undone.
                Mail::Look(look) if self.store_outage.is_some() => look(self)(),
                Mail::Look(look) => staged.looks.push(look(self)),
                Mail::Do(work) => {
                    // It may wait for commits: what it is to see must be on
                    // its way.
                    staged.records = mem::take(&mut self.staged);
                    self.committer.submit(&self.flight, mem::take(&mut staged));
                    work(self);
                }
            }
            let is_much = self.written_bytes > self.limits.written_bytes_max
                || began.elapsed() > self.limits.batch_time_max;
            if is_much || was_alive && self.instance.is_none() {
                break;
            }
        }
        self.written_bytes = 0;
        staged.records = mem::take(&mut self.staged);
        staged
    }

    fn answer(&mut self, request: Request, asker: Asker) -> Result<Served, Failure> {
        let cause = asker.cause;
        // What the driver logs meanwhile, and why it fails, is said inside.
        let call = Call::of(&request).as_str();
        let span = tracing::info_span!("request", driver = %self.name, call, by = %cause.by);
        let _inside = span.enter();
        self.at(cause.at);
        match request {
            Request::Pool(request) => return self.request_pool(&request, asker),
            Request::Address(request) => return self.request_address(&request, asker),
            Request::ReleasePool(pool_id) => {
                if self.has_words_for(&pool_id) {
                    self.ask(|driver| driver.release_pool(&pool_id))?;
                } else {
                    let released = self.state.release_pool(&pool_id, &self.caller(asker))?;
                    self.release(released, cause);
                }
            }
            Request::ReleaseAddress(pool_id, address) => {
                if self.has_words_for(&pool_id) {
                    self.ask(|driver| driver.release_address(&pool_id, address))?;
                } else {
                    let released = self.state.release_address(&pool_id, address)?;
                    self.release(released, cause);
                }
            }
            Request::TakeBack { receipt, as_of } => {
                let released = self.state.take_back(&receipt, as_of);
                if released.is_empty() {
                    return Err(not_as_seen().into());
                }
                self.release(released, cause);
            }
            Request::Status(pool_id) => {
                self.state.known(&pool_id)?;
                let status = self.ask(|driver| driver.pool_status(&pool_id))?;
                let status = status.ok_or(Code::Other(Kind::NotImplemented))?;
                return Ok(Served { answer: Answer::Status(status), receipt: None });
            }
        }
        Ok(Served { answer: Answer::Released, receipt: None })
    }

    /// Changes the state, and has the change made durable with the next batch.
    pub(crate) fn apply(&mut self, cause: Audit, event: Event) {
        self.state.apply(&event);
        self.stage(cause, event);
    }

    /// Has a change that was applied already made durable with the next batch.
    pub(crate) fn stage(&mut self, cause: Audit, event: Event) {
        // Whoever follows starts with what is stored.
        if let Some(tail) = &self.tail
            && !matches!(event, Event::Stored(_))
        {
            tail.push(Record { cause, event: event.clone() });
        }
        self.staged.push(Record { cause, event });
    }

    /// What the instance is asked from here on is for a request that began
    /// then.
    pub(crate) fn at(&mut self, at: Time) {
        if let Some(instance) = &mut self.instance {
            instance.at(at);
        }
    }

    /// Asks the instance. If that breaks it, it is gone.
    pub(crate) fn ask<T>(
        &mut self,
        ask: impl FnOnce(&mut Instance) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let Some(instance) = &mut self.instance else {
            return Err(self.out_of_service());
        };
        let began = Instant::now();
        let answer = ask(instance);
        self.health.meter.called(began.elapsed(), instance.memory_bytes());
        if let Err(Failure::Broken { reason }) = &answer {
            self.drop_instance(reason);
        }
        answer
    }

    /// What callers hear who come while there is no instance.
    fn out_of_service(&self) -> Failure {
        match self.breaker.pause(Instant::now()) {
            None => unavailable("the driver is out of service"),
            Some(pause) => unavailable(&format!(
                "the driver failed again and again and is out of service; \
                 it is tried again in {} s",
                pause.as_secs() + 1
            )),
        }
    }

    /// The instance remembers something that is not so: it is gone, and the
    /// caller hears of an internal error.
    pub(crate) fn violated(&mut self, violation: &Violation) -> Failure {
        self.health.meter.violated();
        let failure = Failure::broken(format_args!("broke the contract: {violation}"));
        if let Failure::Broken { reason } = &failure {
            self.drop_instance(reason);
        }
        failure
    }

    pub(crate) fn drop_instance(&mut self, reason: &str) {
        self.instance = None;
        self.health.failed(reason);
        self.health.meter.failed();
        match self.breaker.failed(Instant::now(), &self.limits) {
            None => {
                tracing::warn!(driver = %self.name, reason, "the driver failed and is built anew")
            }
            Some(pause) => {
                self.health.paused(pause);
                tracing::error!(
                    driver = %self.name, reason, ?pause,
                    "the driver failed again and again, and is left alone for a while",
                );
            }
        }
    }

    /// What this request may claim was granted before the first of its session.
    fn note_session(&mut self, asker: Asker) {
        if asker.session > self.session {
            self.session = asker.session;
            self.asked_at = Some(self.state.generation());
        }
    }

    pub(crate) fn caller(&self, asker: Asker) -> Caller<'_> {
        let AddressSpaces { local, global } = &self.spaces;
        let global_space = (local != global).then_some(&**global);
        let Self { loaded, asked_at, .. } = *self;
        Caller { cause: asker.cause, global_space, loaded, asked_at }
    }
}

fn is_release(request: &Request) -> bool {
    match request {
        Request::ReleasePool(_) | Request::ReleaseAddress(..) | Request::TakeBack { .. } => true,
        Request::Pool(_) | Request::Address(_) | Request::Status(_) => false,
    }
}

/// The time, for the ledger, which knows no clock.
pub(crate) fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
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
