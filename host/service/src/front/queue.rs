//! What waits for one driver's thread.

use super::{
    message::{Control, Job, Message},
    ticket::{NotDone, Ticket, Waiting},
};
use crate::{Limits, lifecycle::deadline::Waiters, sync::lock};
use ipam_api::Receipt;
use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::Wake,
    time::Duration,
};

/// Why a request was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// As many as are allowed wait already.
    Queue,
    /// The driver is no longer in service.
    Closed,
}

/// The bounded queue of one driver: many threads put, the driver's thread takes.
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    changed: Condvar,
    requests_max: usize,
    /// Who waits for the thread and must not wait for a restart.
    pub(crate) waiters: Arc<Waiters>,
}

#[derive(Default)]
struct Inner {
    messages: VecDeque<Message>,
    requests: usize,
    is_closed: bool,
    /// The thread is gone: nobody takes anything any more.
    is_abandoned: bool,
    /// Something other than a message needs the thread.
    is_woken: bool,
    /// The thread sleeps. Waking one that does not would cost a system call.
    is_waiting: bool,
}

impl Queue {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            inner: Mutex::default(),
            changed: Condvar::new(),
            requests_max: limits.queue_max,
            waiters: Arc::default(),
        }
    }

    /// Puts as many requests as there is room for. The rest stays in `jobs`, and the
    /// error says why.
    pub(crate) fn put_requests(&self, jobs: &mut VecDeque<Job>) -> Result<(), Full> {
        let mut inner = lock(&self.inner);
        let room =
            if inner.is_closed { 0 } else { self.requests_max.saturating_sub(inner.requests) };
        let taken = jobs.len().min(room);
        inner.requests += taken;
        inner.messages.extend(jobs.drain(..taken).map(Message::Request));
        let full = if inner.is_closed { Full::Closed } else { Full::Queue };
        self.notify(inner);
        if jobs.is_empty() { Ok(()) } else { Err(full) }
    }

    /// Puts an undo, even if the queue is full or closed: each belongs to a request
    /// that was answered, so there cannot be many. Returns whether somebody will
    /// take it.
    pub(crate) fn undo(&self, receipt: Receipt) -> bool {
        self.put(Message::Undo(receipt))
    }

    /// Puts something other than a request, even if the queue is full or closed: the
    /// sender bounds how many there are. Returns whether somebody will take it.
    pub(crate) fn put(&self, message: Message) -> bool {
        let mut inner = lock(&self.inner);
        if inner.is_abandoned {
            return false;
        }
        inner.messages.push_back(message);
        self.notify(inner);
        true
    }

    /// Does work on the driver's thread, between two requests, and waits for what
    /// it returns ([`Waiting::wait`]).
    pub(crate) fn call<T>(
        &self,
        patience: Duration,
        work: impl FnOnce(Ticket<T>) -> Control,
    ) -> Result<T, NotDone> {
        self.send(work).wait(patience)
    }

    /// [`Queue::call`] for an upgrade, which must not wait for a restart.
    pub(crate) fn call_urgently<T>(
        &self,
        patience: Duration,
        work: impl FnOnce(Ticket<T>) -> Control,
    ) -> Result<T, NotDone> {
        self.waiters.count(|| self.call(patience, work))
    }

    /// Does work on the driver's thread when it comes to it.
    pub(crate) fn send<T>(&self, work: impl FnOnce(Ticket<T>) -> Control) -> Waiting<T> {
        let (ticket, waiting) = Ticket::new();
        self.put(Message::Control(work(ticket)));
        waiting
    }

    /// Wakes the thread for something that is not a message.
    pub(crate) fn wake_up(&self) {
        let mut inner = lock(&self.inner);
        inner.is_woken = true;
        self.notify(inner);
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.inner).messages.is_empty()
    }

    /// Takes no more requests. Those that wait are still served.
    pub(crate) fn close(&self) {
        let mut inner = lock(&self.inner);
        inner.is_closed = true;
        self.notify(inner);
    }

    /// Waits for a message, a wake-up or the end of `pause`, and moves at most `max`
    /// messages to `batch`, which is empty. Returns false when the queue is closed
    /// and empty; undos may still come until [`Queue::finish`].
    pub(crate) fn drain(
        &self,
        batch: &mut VecDeque<Message>,
        max: usize,
        pause: Option<Duration>,
    ) -> bool {
        let mut inner = lock(&self.inner);
        inner.is_waiting = true;
        let sleeps =
            |inner: &mut Inner| inner.messages.is_empty() && !inner.is_closed && !inner.is_woken;
        inner = match pause {
            None => self.changed.wait_while(inner, sleeps).unwrap_or_else(PoisonError::into_inner),
            Some(pause) => {
                self.changed
                    .wait_timeout_while(inner, pause, sleeps)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            }
        };
        inner.is_waiting = false;
        inner.is_woken = false;
        let taken = inner.messages.len().min(max);
        batch.extend(inner.messages.drain(..taken));
        let requests =
            batch.iter().filter(|message| matches!(message, Message::Request(_))).count();
        inner.requests -= requests;
        !(inner.is_closed && batch.is_empty())
    }

    /// Ends the queue if it is closed and empty. Returns whether it ended: then
    /// nothing is taken any more, and the thread may end.
    pub(crate) fn finish(&self) -> bool {
        let mut inner = lock(&self.inner);
        inner.is_abandoned = inner.is_closed && inner.messages.is_empty();
        inner.is_abandoned
    }

    /// Ends the queue, because the thread is gone. Returns what waits.
    pub(crate) fn abandon(&self) -> Vec<Message> {
        let mut inner = lock(&self.inner);
        inner.is_closed = true;
        inner.is_abandoned = true;
        inner.messages.drain(..).collect()
    }

    fn notify(&self, inner: MutexGuard<'_, Inner>) {
        let is_waiting = inner.is_waiting;
        drop(inner);
        if is_waiting {
            self.changed.notify_one();
        }
    }
}

impl Wake for Queue {
    fn wake(self: Arc<Self>) {
        self.wake_up();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_up();
    }
}

#[cfg(test)]
mod tests {
    use super::{Full, Job, Limits, Message, Queue};
    use crate::serve::processor::RequestContext;
    use ipam_api::{PoolId, Receipt, Request};
    use std::{collections::VecDeque, time::Duration};

    fn queue() -> Queue {
        Queue::new(&Limits { queue_max: 2, ..Limits::default() })
    }

    fn id() -> PoolId {
        PoolId::try_from("pool").unwrap()
    }

    fn ask(queue: &Queue) -> Result<(), Full> {
        let job = Job {
            request: Request::Status(id()),
            context: RequestContext::default(),
            reply: Box::new(|_| {}),
        };
        queue.put_requests(&mut VecDeque::from([job]))
    }

    fn undo(queue: &Queue) -> bool {
        queue.undo(Receipt { pool_id: id(), address: None, generation: 1 })
    }

    /// What one call takes: `a` for a request, `u` for an undo; or nothing at
    /// the end.
    fn take(queue: &Queue, max: usize) -> Option<String> {
        let mut batch = VecDeque::new();
        let goes_on = queue.drain(&mut batch, max, Some(Duration::ZERO));
        let letters =
            batch.iter().map(|it| if matches!(it, Message::Request(_)) { 'a' } else { 'u' });
        goes_on.then(|| letters.collect())
    }

    #[test]
    fn only_requests_count_and_what_is_taken_makes_room() {
        let queue = queue();
        assert!(undo(&queue));
        assert_eq!([ask(&queue), ask(&queue), ask(&queue)], [Ok(()), Ok(()), Err(Full::Queue)]);
        assert!(undo(&queue));
        assert_eq!(take(&queue, 2), Some("ua".into()));
        assert_eq!([ask(&queue), ask(&queue)], [Ok(()), Err(Full::Queue)]);
        assert_eq!(take(&queue, 9), Some("aua".into()));
        assert_eq!(take(&queue, 9), Some(String::new()));
    }

    #[test]
    fn a_closed_queue_ends_when_it_is_empty_and_not_before() {
        let queue = queue();
        ask(&queue).unwrap();
        queue.close();
        assert_eq!(ask(&queue), Err(Full::Closed));
        assert!(undo(&queue), "an undo is taken to the last");
        assert_eq!(take(&queue, 1), Some("a".into()));
        assert_eq!(take(&queue, 1), Some("u".into()));
        assert_eq!(take(&queue, 1), None);
        assert!(undo(&queue), "what was in flight is undone");
        assert!(!queue.finish());
        assert_eq!(take(&queue, 1), Some("u".into()));
        assert!(queue.finish());
        assert!(!undo(&queue));
    }

    #[test]
    fn a_wake_up_ends_one_wait() {
        let queue = queue();
        queue.wake_up();
        let mut batch = VecDeque::new();
        assert!(queue.drain(&mut batch, 1, None) && batch.is_empty());
    }

    #[test]
    fn who_abandons_a_queue_gets_what_waits() {
        let queue = queue();
        ask(&queue).unwrap();
        assert_eq!(queue.abandon().len(), 1);
        assert_eq!((ask(&queue), undo(&queue)), (Err(Full::Closed), false));
    }
}
