//! What waits for one driver.

use crate::{Limits, lock, worker::Worker};
use ipam_api::{Receipt, Reply, Request};
use ipam_ledger::Audit;
use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

/// A request and where its answer goes.
pub(crate) struct Job {
    pub(crate) request: Request,
    pub(crate) asker: Asker,
    pub(crate) reply: Reply,
}

/// Who asked, when, and in which session.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asker {
    /// When it was asked, and through which server.
    pub(crate) cause: Audit,
    /// How often an engine had asked what the driver needs.
    pub(crate) session: u64,
}

/// Looks at what a driver's thread knows, and says so when that is durable.
/// What is not durable in the end is dropped unsaid.
pub(crate) type Look = Box<dyn FnOnce(&mut Worker) -> Box<dyn FnOnce() + Send> + Send>;

/// What a driver's thread does next.
pub(crate) enum Mail {
    Ask(Job),
    Undo(Receipt),
    Look(Look),
    /// Work on the driver itself, between two requests.
    Do(Box<dyn FnOnce(&mut Worker) + Send>),
}

/// Why a request was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// As many as are allowed wait already.
    Queue,
    /// The driver is no more in service.
    Closed,
}

/// The bounded queue of one driver: many put, its thread takes.
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    changed: Condvar,
    asks_max: usize,
    /// How many wait for the thread who must not wait for a rebuild.
    wanted: AtomicUsize,
}

/// Why work on a driver's thread was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotDone {
    /// The thread is gone.
    Gone,
    /// It did not come to it in time, and never will.
    Late,
}

#[derive(Default)]
struct Inner {
    mail: VecDeque<Mail>,
    asks: usize,
    is_closed: bool,
    /// The thread is gone: nobody will take what comes now.
    is_deserted: bool,
    /// Something other than mail wants the thread's attention.
    is_nudged: bool,
    /// The thread sleeps. Waking one that does not would cost a system call.
    is_waiting: bool,
}

impl Queue {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            inner: Mutex::default(),
            changed: Condvar::new(),
            asks_max: limits.queue_max,
            wanted: AtomicUsize::new(0),
        }
    }

    /// Puts requests, as many as there is room for; the rest stays in `jobs`,
    /// and why is said.
    pub(crate) fn ask(&self, jobs: &mut VecDeque<Job>) -> Result<(), Full> {
        let mut inner = lock(&self.inner);
        let room = if inner.is_closed { 0 } else { self.asks_max.saturating_sub(inner.asks) };
        let taken = jobs.len().min(room);
        inner.asks += taken;
        inner.mail.extend(jobs.drain(..taken).map(Mail::Ask));
        let full = if inner.is_closed { Full::Closed } else { Full::Queue };
        self.wake(inner);
        if jobs.is_empty() { Ok(()) } else { Err(full) }
    }

    /// Puts an undo, even when the queue is full or closed: each stands for a
    /// request that was answered, so that there cannot be many. Whether
    /// somebody will take it.
    pub(crate) fn undo(&self, receipt: Receipt) -> bool {
        self.put(Mail::Undo(receipt))
    }

    /// Puts what is no request: it is bounded by who puts it, and taken even
    /// from a queue that is full or closed. Whether somebody will take it.
    pub(crate) fn put(&self, mail: Mail) -> bool {
        let mut inner = lock(&self.inner);
        if inner.is_deserted {
            return false;
        }
        inner.mail.push_back(mail);
        self.wake(inner);
        true
    }

    /// Runs work on the driver's thread, between two requests, and waits for
    /// what it returns. Who waits is not left in doubt: what did not begin in
    /// time never will, and what began is waited for.
    pub(crate) fn on_thread<T: Send + 'static>(
        &self,
        patience: Duration,
        work: impl FnOnce(&mut Worker) -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        let is_claimed = Arc::new(AtomicBool::new(false));
        let claim = is_claimed.clone();
        let done = self.soon(move |worker| {
            let is_ours = !claim.swap(true, Ordering::AcqRel);
            is_ours.then(|| work(worker))
        });
        match done.recv_timeout(patience) {
            Err(mpsc::RecvTimeoutError::Timeout) if !is_claimed.swap(true, Ordering::AcqRel) => {
                return Err(NotDone::Late);
            }
            Err(mpsc::RecvTimeoutError::Timeout) => done.recv().ok(),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Ok(done) => Some(done),
        }
        .flatten()
        .ok_or(NotDone::Gone)
    }

    /// [`Queue::on_thread`] for an upgrade: a rebuild gives way to it.
    pub(crate) fn on_thread_now<T: Send + 'static>(
        &self,
        patience: Duration,
        work: impl FnOnce(&mut Worker) -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        self.wanted.fetch_add(1, Ordering::AcqRel);
        let done = self.on_thread(patience, work);
        self.wanted.fetch_sub(1, Ordering::AcqRel);
        done
    }

    /// Whether somebody waits for the thread who must not wait for a rebuild.
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Acquire) > 0
    }

    /// Runs work on the driver's thread when it comes to it.
    pub(crate) fn soon<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Worker) -> T + Send + 'static,
    ) -> mpsc::Receiver<T> {
        let (sender, receiver) = mpsc::sync_channel(1);
        // Perhaps nobody waits any more.
        let work = move |worker: &mut Worker| drop(sender.send(work(worker)));
        self.put(Mail::Do(Box::new(work)));
        receiver
    }

    /// Wakes the thread for something that is no mail.
    pub(crate) fn nudge(&self) {
        let mut inner = lock(&self.inner);
        inner.is_nudged = true;
        self.wake(inner);
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.inner).mail.is_empty()
    }

    /// No more requests. Those that wait will be taken.
    pub(crate) fn close(&self) {
        let mut inner = lock(&self.inner);
        inner.is_closed = true;
        self.wake(inner);
    }

    /// Waits for mail, a nudge or the end of `pause`, and moves at most `max`
    /// of what waits to `batch`, which is empty. False when it is closed and
    /// empty; more may come until [`Queue::leave`].
    pub(crate) fn take(
        &self,
        batch: &mut VecDeque<Mail>,
        max: usize,
        pause: Option<Duration>,
    ) -> bool {
        let mut inner = lock(&self.inner);
        inner.is_waiting = true;
        let sleeps =
            |inner: &mut Inner| inner.mail.is_empty() && !inner.is_closed && !inner.is_nudged;
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
        inner.is_nudged = false;
        let taken = inner.mail.len().min(max);
        batch.extend(inner.mail.drain(..taken));
        let asks = batch.iter().filter(|mail| matches!(mail, Mail::Ask(_))).count();
        inner.asks -= asks;
        !(inner.is_closed && batch.is_empty())
    }

    /// The thread wants to end. Whether it may: nothing waits, and nothing is
    /// taken from here on.
    pub(crate) fn leave(&self) -> bool {
        let mut inner = lock(&self.inner);
        inner.is_deserted = inner.is_closed && inner.mail.is_empty();
        inner.is_deserted
    }

    /// The thread is gone: what waits, and whatever comes, is given back.
    pub(crate) fn desert(&self) -> Vec<Mail> {
        let mut inner = lock(&self.inner);
        inner.is_closed = true;
        inner.is_deserted = true;
        inner.mail.drain(..).collect()
    }

    fn wake(&self, inner: MutexGuard<'_, Inner>) {
        let is_waiting = inner.is_waiting;
        drop(inner);
        if is_waiting {
            self.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Asker, Full, Job, Limits, Mail, Queue};
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
            asker: Asker::default(),
            reply: Box::new(|_| {}),
        };
        queue.ask(&mut VecDeque::from([job]))
    }

    fn undo(queue: &Queue) -> bool {
        queue.undo(Receipt { pool_id: id(), address: None, generation: 1 })
    }

    /// What one look takes: `a` for a request, `u` for an undo; or nothing at
    /// the end.
    fn take(queue: &Queue, max: usize) -> Option<String> {
        let mut batch = VecDeque::new();
        let goes_on = queue.take(&mut batch, max, Some(Duration::ZERO));
        let letters = batch.iter().map(|mail| if matches!(mail, Mail::Ask(_)) { 'a' } else { 'u' });
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
        assert!(!queue.leave());
        assert_eq!(take(&queue, 1), Some("u".into()));
        assert!(queue.leave());
        assert!(!undo(&queue));
    }

    #[test]
    fn a_nudge_ends_one_wait() {
        let queue = queue();
        queue.nudge();
        let mut batch = VecDeque::new();
        assert!(queue.take(&mut batch, 1, None) && batch.is_empty());
    }

    #[test]
    fn who_deserts_a_queue_gets_what_waits() {
        let queue = queue();
        ask(&queue).unwrap();
        assert_eq!(queue.desert().len(), 1);
        assert_eq!((ask(&queue), undo(&queue)), (Err(Full::Closed), false));
    }
}
