//! The way to a driver's queue, and the wait for its reply.

use crate::{connection_state::ConnectionState, outcome::Outcome, routes::Route};
use ipam_api::{Code, DriverHandle, Error, Kind, Reply, Request};
use std::{
    future::{Future as _, poll_fn},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
};
use tokio::sync::oneshot;

/// A request, and what to call with its reply.
type Submission = (Request, Reply);

/// So many requests are handed over at once, while the rest is still being read:
/// with many connections the driver's thread need not wait for all of them.
const BURST: usize = 32;

/// What waits to be handed over to the driver of a socket: at most one request
/// for each of its connections.
pub(crate) struct Submissions {
    handle: Arc<dyn DriverHandle>,
    waiting: Mutex<Vec<Submission>>,
}

impl Submissions {
    pub(crate) fn new(handle: Arc<dyn DriverHandle>) -> Arc<Self> {
        Arc::new(Self { handle, waiting: Mutex::default() })
    }

    /// Hands a request over, together with those of all connections that are
    /// ready: they wake the driver's thread once.
    fn push(self: &Arc<Self>, submission: Submission) {
        let mut waiting = self.waiting();
        waiting.push(submission);
        match waiting.len() {
            // A new task runs after those that are ready.
            1 => drop(tokio::spawn(Arc::clone(self).hand_over())),
            length if length >= BURST => self.handle.submit_all(&mut waiting),
            _ => {}
        }
    }

    async fn hand_over(self: Arc<Self>) {
        self.handle.submit_all(&mut self.waiting());
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Submission>> {
        // A panic leaves nothing half done: each change is one push or drain.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Submits one request and waits for its outcome, or until the connection's
/// alarm says that the driver is too slow.
///
/// The outcome is made where the reply comes from. When nobody waits for it any
/// more, it is dropped there, and what the request created is undone.
pub(crate) async fn one(route: &Route, state: &ConnectionState, request: Request) -> Outcome {
    let (waiting, mut receiver) = oneshot::channel();
    let (handle, replies) = (Arc::clone(&route.handle), Arc::clone(&route.replies));
    let reply = move |reply| replies.push(waiting, Outcome::of(handle, reply));
    state.submitted();
    route.submissions.push((request, Box::new(reply)));
    poll_fn(|cx| match Pin::new(&mut receiver).poll(cx) {
        Poll::Ready(Ok(outcome)) => Poll::Ready(outcome),
        // The service dropped the request without an answer.
        Poll::Ready(Err(_)) => Poll::Ready(Error::from(Code::IpamInternalError).into()),
        Poll::Pending if state.gave_up() => {
            let text = "the driver did not answer in time";
            Poll::Ready(Error::other(Kind::Unavailable, text).into())
        }
        Poll::Pending => Poll::Pending,
    })
    .await
}
