//! Replies, on their way from the service's threads to the thread that serves.
//!
//! To wake a task of another thread costs a system call. The service replies in
//! batches, so one wake-up brings a whole batch, and each reply is then sent to
//! its handler on the thread where waking is free.

use std::{
    future::poll_fn,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};
use tokio::sync::oneshot;

/// A queue of replies, each with the handler that waits for it.
pub(crate) struct Replies<T> {
    queue: Mutex<Queue<T>>,
}

struct Queue<T> {
    pending: Vec<Pending<T>>,
    /// Set while the dispatching task sleeps.
    waker: Option<Waker>,
    /// Whether there is a task that dispatches.
    is_open: bool,
}

struct Pending<T> {
    waiting: oneshot::Sender<T>,
    reply: T,
}

impl<T> Replies<T> {
    pub(crate) fn new() -> Self {
        let queue = Queue { pending: Vec::new(), waker: None, is_open: true };
        Self { queue: Mutex::new(queue) }
    }

    /// Queues `reply` for its handler. Once closed, drops it.
    pub(crate) fn push(&self, waiting: oneshot::Sender<T>, reply: T) {
        let mut queue = self.queue();
        if !queue.is_open {
            drop(queue);
            return;
        }
        queue.pending.push(Pending { waiting, reply });
        let waker = queue.waker.take();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Drops what is queued and whatever is pushed from now on: nobody waits for
    /// it any more.
    pub(crate) fn close(&self) {
        drop(Closing(self));
    }

    /// Sends replies to their handlers, as a task of the thread that serves,
    /// until dropped.
    pub(crate) async fn dispatch(self: Arc<Self>) {
        let _closing = Closing(&self);
        let mut batch = Vec::new();
        loop {
            poll_fn(|cx| {
                let mut queue = self.queue();
                if queue.pending.is_empty() {
                    queue.waker = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                mem::swap(&mut batch, &mut queue.pending);
                Poll::Ready(())
            })
            .await;
            for Pending { waiting, reply } in batch.drain(..) {
                // If the handler is gone, the reply is dropped.
                let _ = waiting.send(reply);
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue<T>> {
        // A panic leaves nothing half done: each change is one assignment or push.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes the queue when dropped, so also when the task is aborted.
struct Closing<'a, T>(&'a Replies<T>);

impl<T> Drop for Closing<'_, T> {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        queue.is_open = false;
        let pending = mem::take(&mut queue.pending);
        drop(queue);
        drop(pending);
    }
}
