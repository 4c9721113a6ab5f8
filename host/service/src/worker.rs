//! One driver's thread: it serves requests from a queue, and hands over what it
//! staged to be committed and answered.
//!
//! When the instance breaks, what was staged before stands, the request that broke
//! it fails, and those behind it wait for the next instance.

use crate::{
    commit::{commits::Commits, pending::Staged},
    error::{NOT_IN_SERVICE, unavailable},
    front::{
        message::{Control, Held, Job, Message, Snapshot},
        queue::Queue,
    },
    lifecycle::recover::Lifecycle,
    meter::Call,
    serve::processor::Processor,
};
use ipam_api::{Receipt, Request};
use std::{
    collections::VecDeque,
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

/// Serves one driver.
pub(crate) struct Worker {
    pub(crate) queue: Arc<Queue>,
    /// Asks, checks and stages.
    pub(crate) processor: Processor,
    /// Commits and answers.
    pub(crate) commits: Commits,
    /// Brings the store and the instance back.
    pub(crate) lifecycle: Lifecycle,
}

impl Worker {
    /// Serves until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        let _close = CloseOnDrop(self.queue.clone());
        let batch_max = self.lifecycle.limits.batch_max.max(1);
        let mut batch = VecDeque::new();
        self.notify_pending();
        loop {
            // What is left of an earlier batch comes first.
            if batch.is_empty() && !self.queue.drain(&mut batch, batch_max, self.pause()) {
                // An answer whose commit is under way may come back undelivered.
                self.commits.pending.wait();
                if self.queue.finish() {
                    break;
                }
                continue;
            }
            self.lifecycle.recover(&mut self.processor, &self.commits, false);
            let was_serving = self.processor.is_serving();
            let staged = self.serve(&mut batch);
            self.commit(staged, batch.is_empty());
            if was_serving && !self.processor.is_serving() {
                // At once, so that the next request need not wait for it.
                self.lifecycle.recover(&mut self.processor, &self.commits, false);
                self.commit_changes();
            }
            self.notify_pending();
        }
        self.end();
    }

    /// Serves one batch, up to the request that breaks the instance or exceeds a
    /// limit of batches.
    fn serve(&mut self, batch: &mut VecDeque<Message>) -> Staged {
        let was_serving = self.processor.is_serving();
        let began = Instant::now();
        let mut staged = Staged::default();
        while let Some(message) = batch.pop_front() {
            match message {
                Message::Request(job) => self.request(job, &mut staged),
                Message::Undo(receipt) => self.undo(receipt),
                Message::Inspect(inspect) => {
                    let answer = inspect(self.processor.state());
                    if self.lifecycle.is_store_out() {
                        // What failed was undone: this rests on what is durable.
                        answer();
                    } else {
                        staged.inspections.push(answer);
                    }
                }
                Message::Control(control) => {
                    // It may wait for commits, so what it waits for is handed over.
                    staged.records = self.processor.take_staged();
                    self.commits.submit(mem::take(&mut staged));
                    self.control(control);
                }
            }
            let has_broken = was_serving && !self.processor.is_serving();
            let is_late = began.elapsed() > self.lifecycle.limits.batch_time_max;
            if has_broken || is_late || self.processor.has_written_much() {
                break;
            }
        }
        staged.records = self.processor.take_staged();
        staged
    }

    fn request(&mut self, Job { request, context, reply }: Job, staged: &mut Staged) {
        if self.lifecycle.is_store_out() {
            let failure = self.processor.defer(&request, context);
            // It rests on nothing that is under way.
            return self.commits.pending.answer(reply, Err(failure));
        }
        if self.lifecycle.shutdown.grants_nothing() && !is_release(&request) {
            return staged.replies.push((reply, Err(unavailable(NOT_IN_SERVICE))));
        }
        // What the driver logs meanwhile, and why it fails, is logged inside.
        let (call, by) = (Call::of(&request).as_str(), context.audit.by);
        let span = tracing::info_span!("request", driver = %self.lifecycle.name, call, %by);
        let _inside = span.enter();
        let (answer, effects) = self.processor.process(request, context);
        self.lifecycle.observe(&mut self.processor, effects);
        staged.replies.push((reply, answer));
    }

    fn undo(&mut self, receipt: Receipt) {
        if self.lifecycle.is_store_out() {
            return self.processor.defer_undo(receipt);
        }
        let effects = self.processor.undo(&receipt);
        self.lifecycle.observe(&mut self.processor, effects);
    }

    fn control(&mut self, control: Control) {
        let Self { queue, processor, commits, lifecycle } = self;
        match control {
            Control::Count(ticket) => ticket.run(|| Held {
                digest: lifecycle.source.factory.digest(),
                pools: processor.state().pools().count(),
                leases: processor.state().address_total(),
                owed: processor.state().owed().len(),
            }),
            Control::Snapshot(at, ticket) => ticket.run(|| {
                // Requests wait meanwhile.
                let (statuses, effects) = processor.statuses(at, lifecycle.limits.swap_time);
                lifecycle.observe(processor, effects);
                let (state, source) = (processor.state().clone(), lifecycle.source.clone());
                Snapshot { state, source, statuses }
            }),
            Control::Reset(ticket) => ticket.run(|| {
                lifecycle.reset(processor);
                // Nothing else may be waiting.
                queue.wake_up();
            }),
            Control::Stored(ticket) => ticket.run(|| processor.state().stored().clone()),
            Control::Follow(ticket) => ticket.run(|| processor.follow()),
            Control::Unfollow => processor.unfollow(),
            Control::Swap(new, ticket) => ticket.run(|| lifecycle.swap(processor, commits, *new)),
            Control::Revert(replaced) => lifecycle.revert(processor, commits, *replaced),
        }
    }

    /// Makes a batch durable: on this thread if nothing else waits for it and
    /// nobody else is committing; else on the committer's thread, together with
    /// what other drivers staged.
    fn commit(&self, staged: Staged, is_whole: bool) {
        if is_whole && !staged.records.is_empty() && self.queue.is_empty() {
            self.commits.lead_or_submit(staged);
        } else {
            self.commits.submit(staged);
        }
    }

    /// Hands over what was staged outside of a batch.
    fn commit_changes(&mut self) {
        let records = self.processor.take_staged_changes();
        self.commits.submit(Staged { records, ..Staged::default() });
    }

    /// Whether the driver can be notified of pending releases now.
    fn can_notify(&self) -> bool {
        let Lifecycle { shutdown, .. } = &self.lifecycle;
        self.processor.can_notify() && !self.lifecycle.is_store_out() && !shutdown.is_begun()
    }

    /// Notifies the driver of some of its pending releases.
    fn notify_pending(&mut self) {
        if self.can_notify() {
            self.lifecycle.notify_pending(&mut self.processor);
            self.commit_changes();
        }
    }

    /// How long the thread may sleep if no message comes.
    fn pause(&self) -> Option<Duration> {
        if self.can_notify() {
            return Some(Duration::ZERO);
        }
        // Releases are tried again even if nobody asks for anything.
        let has_releases = self.processor.deferred_len() > 0 || self.processor.has_pending();
        has_releases.then_some(self.lifecycle.limits.backoff_max)
    }

    /// The last attempt to commit deferred releases.
    fn end(&mut self) {
        self.lifecycle.drain(&mut self.processor, &self.commits);
        self.lifecycle.recover(&mut self.processor, &self.commits, true);
        let lost = self.processor.deferred_len();
        if lost > 0 {
            tracing::error!(driver = %self.lifecycle.name, releases = lost, "releases are lost");
        }
    }
}

fn is_release(request: &Request) -> bool {
    match request {
        Request::ReleasePool(_) | Request::ReleaseAddress(..) | Request::TakeBack { .. } => true,
        Request::Pool(_) | Request::Address(_) | Request::Status(_) | Request::Records(_) => false,
    }
}

/// Closes the queue and refuses what waits, even if the thread panics.
struct CloseOnDrop(Arc<Queue>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        for message in self.0.abandon() {
            if let Message::Request(job) = message {
                (job.reply)(Err(unavailable(NOT_IN_SERVICE)));
            }
        }
    }
}
