//! The processor: one driver's instance and its part of the ledger, as a value.
//!
//! It asks the instance, checks each answer against applied state, and stages
//! what follows. It has no thread, queue, store or health: what happened to the
//! instance is returned as [`Effects`], and somebody else decides when the next
//! instance comes.

use super::{bounds::Bounds, deferred::Deferred, instance::Instance, tail::EventTail};
use crate::{Limits, clock::now, error::unavailable};
use ipam_api::{AddressSpaces, DriverName, Failure, PoolId, PoolStatus, Writes};
use ipam_ledger::{Actor, Audit, Caller, Event, Record, State, Time, Version};
use std::{
    collections::BTreeSet,
    fmt, mem,
    sync::Arc,
    time::{Duration, Instant},
};

/// Who asked, when, and in which session.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RequestContext {
    /// When it was asked, and through which server.
    pub(crate) audit: Audit,
    /// How many sessions engines had begun by then.
    pub(crate) session: u64,
}

/// What a processor is told of its driver.
pub(crate) struct Settings {
    pub(crate) name: DriverName,
    pub(crate) spaces: AddressSpaces,
    pub(crate) limits: Limits,
    pub(crate) bounds: Arc<Bounds>,
    /// Whether it is one of the host's own drivers.
    pub(crate) is_built_in: bool,
    /// Whether a new instance learns the ledger by replay. One that does not
    /// keeps its state elsewhere, and is notified of each release it missed.
    pub(crate) uses_replay: bool,
}

/// What happened to the instance while the processor worked.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Effects {
    /// Calls into the instance, and the time they took together.
    pub(crate) calls: u64,
    pub(crate) call_time: Duration,
    /// The instance's memory after the last call, if that is known.
    pub(crate) memory_bytes: Option<u64>,
    /// Answers that broke the contract.
    pub(crate) violations: u64,
    /// Why the instance broke. It is gone, and nothing is asked until another
    /// one is installed.
    pub(crate) broken: Option<String>,
}

/// Asks one driver, checks what it answers, and stages what follows.
pub(crate) struct Processor {
    pub(super) settings: Settings,
    /// Applied state: durable plus staged; while the store fails, durable
    /// without what was released since.
    pub(super) state: State,
    /// The generation that this process read at its start.
    loaded: u64,
    /// The latest session that a request came in.
    session: u64,
    /// The generation when the first request of that session was served.
    asked_at: Option<u64>,
    /// Nothing while the driver is out of service.
    pub(super) instance: Option<Instance>,
    /// While the driver is suspended: when it is tried again, for its callers.
    suspended_until: Option<Instant>,
    /// What was applied since the last batch was handed over, in order.
    staged: Vec<Record>,
    /// What the driver wrote to its store for the current request.
    pub(super) writes: Writes,
    /// How many bytes it wrote for the current batch.
    pub(super) written_bytes: usize,
    pub(super) deferred: Deferred,
    /// Released pools that a driver with a system of record could not take back as a
    /// whole: it is notified of each address.
    pub(super) in_parts: BTreeSet<PoolId>,
    /// Where an upgrade reads every event, while one is under way.
    tail: Option<Arc<EventTail>>,
    effects: Effects,
}

impl Processor {
    /// A processor of a driver whose part of the ledger is `state`. The driver
    /// is out of service until an instance is installed.
    pub(crate) fn new(settings: Settings, state: State) -> Self {
        Self {
            settings,
            loaded: state.generation(),
            state,
            session: 0,
            asked_at: None,
            instance: None,
            suspended_until: None,
            staged: Vec::new(),
            writes: Writes::new(),
            written_bytes: 0,
            deferred: Deferred::default(),
            in_parts: BTreeSet::new(),
            tail: None,
            effects: Effects::default(),
        }
    }

    /// Applied state.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Whether there is an instance to ask.
    pub(crate) fn is_serving(&self) -> bool {
        self.instance.is_some()
    }

    /// Serves with `instance` from now on, which must know the ledger.
    pub(crate) fn install(&mut self, instance: Instance) {
        self.instance = Some(instance);
    }

    /// Drops the instance.
    pub(crate) fn remove_instance(&mut self) {
        self.instance = None;
    }

    /// Tells callers until when the driver is suspended, if it is.
    pub(crate) fn suspend(&mut self, until: Option<Instant>) {
        self.suspended_until = until;
    }

    /// Another version of the driver may learn the ledger in another way.
    pub(crate) fn set_uses_replay(&mut self, uses_replay: bool) {
        self.settings.uses_replay = uses_replay;
    }

    /// Takes everything that is staged: the next batch begins.
    pub(crate) fn take_staged(&mut self) -> Vec<Record> {
        self.written_bytes = 0;
        mem::take(&mut self.staged)
    }

    /// Takes what is staged, if it is worth a commit. Which version serves is
    /// not, by itself: it is committed with what that version grants.
    pub(crate) fn take_staged_changes(&mut self) -> Vec<Record> {
        let is_change = |record: &Record| !matches!(record.event, Event::VersionChanged(_));
        if self.staged.iter().any(is_change) { self.take_staged() } else { Vec::new() }
    }

    /// Whether the driver wrote so much for this batch that it should end.
    pub(crate) fn has_written_much(&self) -> bool {
        self.written_bytes > self.settings.limits.written_bytes_max
    }

    /// Records which version of the driver serves, if it is another.
    pub(crate) fn record_version(&mut self, version: Version) {
        if self.state.version() != Some(version) {
            self.apply(by_host(), Event::VersionChanged(version));
        }
    }

    /// A copy of applied state, and every event from now on.
    pub(crate) fn follow(&mut self) -> (State, Arc<EventTail>) {
        let tail = Arc::new(EventTail::new(self.settings.limits.upgrade_events_max));
        self.tail = Some(tail.clone());
        (self.state.clone(), tail)
    }

    /// Nobody follows any more.
    pub(crate) fn unfollow(&mut self) {
        self.tail = None;
    }

    /// The status of each pool, as the instance sees it at that time; of those
    /// pools that it was asked about within `limit`.
    pub(crate) fn statuses(
        &mut self,
        at: Time,
        limit: Duration,
    ) -> (Vec<(PoolId, Option<PoolStatus>)>, Effects) {
        let began = Instant::now();
        self.set_time(at);
        let ids: Vec<PoolId> = self.state.pools().map(|pool| pool.pool_id.clone()).collect();
        let in_time = ids.into_iter().take_while(|_| began.elapsed() < limit);
        let statuses = in_time.map(|id| {
            let status = self.ask(|driver| driver.pool_status(&id));
            (id, status.ok().flatten())
        });
        let statuses = statuses.collect();
        (statuses, self.take_effects())
    }

    /// Continues with the ledger as it was read again: `state` has all that was
    /// deferred, and nothing is staged.
    pub(crate) fn resume(&mut self, state: State) {
        self.state = state;
        self.deferred.clear();
        self.staged.clear();
        self.tail.take().into_iter().for_each(|tail| tail.cut());
    }

    /// What happened since the last call.
    pub(super) fn take_effects(&mut self) -> Effects {
        mem::take(&mut self.effects)
    }

    /// Changes the state, and stages the change.
    pub(super) fn apply(&mut self, audit: Audit, event: Event) {
        self.state.apply(&event);
        self.stage(audit, event);
    }

    /// Stages a change that was applied: it becomes durable with the batch.
    pub(super) fn stage(&mut self, audit: Audit, event: Event) {
        // A new version reads what is stored when it starts.
        if let Some(tail) = &self.tail
            && !matches!(event, Event::Stored(_))
        {
            tail.push(Record { cause: audit, event: event.clone() });
        }
        self.staged.push(Record { cause: audit, event });
    }

    /// Tells the instance when the current request began.
    pub(super) fn set_time(&mut self, at: Time) {
        if let Some(instance) = &mut self.instance {
            instance.set_time(at);
        }
    }

    /// Asks the instance. If that breaks it, it is gone.
    pub(super) fn ask<T>(
        &mut self,
        ask: impl FnOnce(&mut Instance) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let Some(instance) = &mut self.instance else {
            return Err(self.out_of_service());
        };
        let began = Instant::now();
        let answer = ask(instance);
        self.effects.calls += 1;
        self.effects.call_time += began.elapsed();
        self.effects.memory_bytes = instance.memory_bytes().or(self.effects.memory_bytes);
        if let Err(Failure::Broken { reason }) = &answer {
            self.broke(reason.clone());
        }
        answer
    }

    /// The answer while there is no instance.
    fn out_of_service(&self) -> Failure {
        let left = self.suspended_until.and_then(|at| at.checked_duration_since(Instant::now()));
        match left.filter(|left| !left.is_zero()) {
            None => unavailable("the driver is out of service"),
            Some(left) => unavailable(&format!(
                "the driver failed again and again and is out of service; \
                 it is tried again in {} s",
                left.as_secs() + 1
            )),
        }
    }

    /// The instance believes something that is not so, and is gone. Returns what
    /// the operator reads; the caller is told of an internal error.
    pub(super) fn violated(&mut self, violation: &impl fmt::Display) -> Failure {
        self.effects.violations += 1;
        let failure = Failure::broken(format_args!("broke the contract: {violation}"));
        if let Failure::Broken { reason } = &failure {
            self.broke(reason.clone());
        }
        failure
    }

    /// The instance must not be called again.
    pub(super) fn broke(&mut self, reason: String) {
        self.instance = None;
        self.effects.broken = Some(reason);
    }

    /// A request claims only what was granted before the first request of its
    /// session.
    pub(super) fn note_session(&mut self, context: RequestContext) {
        if context.session > self.session {
            self.session = context.session;
            self.asked_at = Some(self.state.generation());
        }
    }

    /// Who asks, for the ledger.
    pub(super) fn caller(&self, context: RequestContext) -> Caller<'_> {
        let AddressSpaces { local, global } = &self.settings.spaces;
        let global_space = (local != global).then_some(&**global);
        let Self { loaded, asked_at, .. } = *self;
        Caller { cause: context.audit, global_space, loaded, asked_at }
    }
}

/// What the host changes on its own account, now.
pub(super) fn by_host() -> Audit {
    Audit { at: now(), by: Actor::Host }
}
