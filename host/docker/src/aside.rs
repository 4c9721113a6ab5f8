//! Who waits for the disk when a request comes alone.
//!
//! Such a request can share a sync with nobody, and to wake the committer's
//! thread and be woken by it takes as long as the sync. So the thread that
//! serves does it all: it leaves the runtime between two polls, asks, waits for
//! the disk and comes back, and no other thread is woken. Should the disk take
//! long, an understudy drives the runtime meanwhile.

use crate::{
    replies::Replies,
    routes::{Lone, Outcome},
};
use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};
use tokio::runtime::Runtime;

/// For how long a disk may keep the sockets waiting.
const PATIENCE: Duration = Duration::from_millis(20);

/// The one request that may wait for the disk on the thread that serves.
#[derive(Default)]
pub(crate) struct Aside {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Default)]
struct Inner {
    /// Of whoever takes what is offered; nothing if nobody does.
    taker: Option<Waker>,
    offered: Option<Lone>,
    /// Whether another one came since that was offered.
    has_company: bool,
    /// Since when the thread that serves waits for the disk.
    since: Option<Instant>,
    /// Of the understudy while it drives.
    understudy: Option<Waker>,
    /// Whether the thread that serves has waited since the understudy looked.
    is_used: bool,
    /// Whether the understudy looks only when it is told to.
    is_asleep: bool,
    is_over: bool,
}

/// Why the runtime was left.
enum Left<T> {
    Done(T),
    For(Lone),
}

impl Aside {
    /// Takes a request if none is there and somebody will see to it.
    pub(crate) fn offer(&self, lone: Lone) -> Option<Lone> {
        let mut inner = self.inner();
        inner.has_company = inner.offered.is_some();
        if inner.taker.is_none() || inner.offered.is_some() || inner.since.is_some() {
            return Some(lone);
        }
        inner.offered = Some(lone);
        if let Some(taker) = &inner.taker {
            taker.wake_by_ref();
        }
        None
    }

    /// Runs a future to its end, and what is offered meanwhile.
    pub(crate) fn drive<T>(
        &self,
        replies: &Replies<Outcome>,
        runtime: &Runtime,
        future: impl Future<Output = T>,
    ) -> T {
        let mut future = pin!(future);
        thread::scope(|scope| {
            let understudy = thread::Builder::new().name("ipam-understudy".into());
            let understudy = understudy.spawn_scoped(scope, || self.stand_by(replies, runtime));
            if let Err(error) = understudy {
                tracing::warn!(%error, "no thread to stand by: every commit is handed over");
                return runtime.block_on(future);
            }
            let _over = Over(self);
            loop {
                let left = runtime.block_on(poll_fn(|cx| {
                    replies.resume();
                    if let Poll::Ready(done) = future.as_mut().poll(cx) {
                        return Poll::Ready(Left::Done(done));
                    }
                    self.take(replies, cx).map(Left::For)
                }));
                match left {
                    Left::Done(done) => return done,
                    Left::For(lone) => self.wait(replies, lone),
                }
            }
        })
    }

    /// What is offered. The connections that were ready with it have been served
    /// by then: if it is not the only one, it goes with the others.
    fn take(&self, replies: &Replies<Outcome>, cx: &Context<'_>) -> Poll<Lone> {
        let mut inner = self.inner();
        if inner.taker.as_ref().is_none_or(|taker| !taker.will_wake(cx.waker())) {
            inner.taker = Some(cx.waker().clone());
        }
        let Some(lone) = inner.offered.take() else { return Poll::Pending };
        if inner.has_company || !replies.is_lone() {
            drop(inner);
            lone.queue();
            return Poll::Pending;
        }
        inner.since = Some(Instant::now());
        inner.is_used = true;
        if inner.is_asleep {
            self.changed.notify_one();
        }
        Poll::Ready(lone)
    }

    /// Outside of the runtime: waits for the disk.
    fn wait(&self, replies: &Replies<Outcome>, lone: Lone) {
        replies.pause();
        // As in a task: a request that panics is answered as dropped, and no
        // other one suffers.
        if catch_unwind(AssertUnwindSafe(|| lone.wait())).is_err() {
            tracing::error!("a request panicked");
        }
        let mut inner = self.inner();
        inner.since = None;
        if let Some(understudy) = inner.understudy.take() {
            understudy.wake();
        }
    }

    /// Drives the runtime while the thread that serves waits for too long.
    fn stand_by(&self, replies: &Replies<Outcome>, runtime: &Runtime) {
        let mut inner = self.inner();
        while !inner.is_over {
            if let Some(since) = inner.since.filter(|since| since.elapsed() >= PATIENCE) {
                drop(inner);
                // No news on a disk that turns.
                tracing::debug!("a commit takes longer than {PATIENCE:?}");
                runtime.block_on(poll_fn(|cx| {
                    replies.resume();
                    let mut inner = self.inner();
                    let is_back = inner.since != Some(since);
                    inner.understudy = (!is_back).then(|| cx.waker().clone());
                    if is_back { Poll::Ready(()) } else { Poll::Pending }
                }));
                inner = self.inner();
            } else if inner.since.is_some() || inner.is_used {
                inner.is_used = false;
                let waited = self.changed.wait_timeout(inner, PATIENCE);
                inner = waited.unwrap_or_else(PoisonError::into_inner).0;
            } else {
                inner.is_asleep = true;
                inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
                inner.is_asleep = false;
            }
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Each change is a single assignment.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody takes what is offered any more, and nobody need stand by.
struct Over<'a>(&'a Aside);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        let mut inner = self.0.inner();
        inner.is_over = true;
        inner.taker = None;
        let offered = inner.offered.take();
        drop(inner);
        if let Some(lone) = offered {
            lone.queue();
        }
        self.0.changed.notify_all();
    }
}
