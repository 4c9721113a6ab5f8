//! Replies, on their way from the service's threads to the thread that serves.
//!
//! Waking a task of another thread costs a system call each time. The service
//! replies in batches, so a batch is brought over with one wake-up, and its
//! replies are handed out where waking is free.

use std::{
    future::poll_fn,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};
use tokio::sync::oneshot;

/// A queue of replies that have arrived, each with who waits for it.
pub(crate) struct Replies<T> {
    queue: Mutex<Queue<T>>,
}

struct Queue<T> {
    arrived: Vec<Arrived<T>>,
    /// Set while the task sleeps.
    waker: Option<Waker>,
    /// Whether there is a task.
    is_open: bool,
}

struct Arrived<T> {
    waiting: oneshot::Sender<T>,
    reply: T,
}

impl<T> Replies<T> {
    pub(crate) fn new() -> Self {
        let queue = Queue { arrived: Vec::new(), waker: None, is_open: true };
        Self { queue: Mutex::new(queue) }
    }

    /// Brings `reply` to who waits for it; drops it when nobody does.
    pub(crate) fn arrive(&self, waiting: oneshot::Sender<T>, reply: T) {
        let mut queue = self.queue();
        if !queue.is_open {
            drop(queue);
            return;
        }
        queue.arrived.push(Arrived { waiting, reply });
        let waker = queue.waker.take();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Nobody waits any more: what has arrived, and whatever arrives, is dropped.
    pub(crate) fn close(&self) {
        drop(Closing(self));
    }

    /// Hands out replies, as a task of the thread that serves, until dropped.
    pub(crate) async fn hand_out(self: Arc<Self>) {
        let _closing = Closing(&self);
        let mut batch = Vec::new();
        loop {
            poll_fn(|cx| {
                let mut queue = self.queue();
                if queue.arrived.is_empty() {
                    queue.waker = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                mem::swap(&mut batch, &mut queue.arrived);
                Poll::Ready(())
            })
            .await;
            for Arrived { waiting, reply } in batch.drain(..) {
                // Nobody waits any more: the reply is dropped.
                let _ = waiting.send(reply);
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue<T>> {
        // Each change is a single assignment or push.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops what has arrived and what still will.
struct Closing<'a, T>(&'a Replies<T>);

impl<T> Drop for Closing<'_, T> {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        queue.is_open = false;
        let arrived = mem::take(&mut queue.arrived);
        drop(queue);
        drop(arrived);
    }
}
