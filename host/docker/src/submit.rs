//! The way to a driver's queue, and the wait for its reply.

use crate::{connection_state::ConnectionState, outcome::Outcome, routes::Route};
use ipam_api::{Code, DriverHandle, Error, Kind, Reply, Request};
use std::{
    future::{Future as _, poll_fn},
    pin::Pin,
    sync::Arc,
    task::Poll,
};
use tokio::sync::{mpsc, oneshot};

/// A request, and what to call with its reply.
pub(crate) type Submission = (Request, Reply);

/// Submits requests to the driver, as a task of the thread that serves, until
/// the last connection has ended.
///
/// The task runs when every connection that was ready has been served, so their
/// requests wake the driver's thread once. The channel holds at most one request
/// for each connection.
pub(crate) async fn in_batches(
    handle: Arc<dyn DriverHandle>,
    mut submissions: mpsc::UnboundedReceiver<Submission>,
) {
    let mut batch = Vec::new();
    while submissions.recv_many(&mut batch, usize::MAX).await > 0 {
        handle.submit_all(&mut batch);
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
    // If the task has ended, the reply is dropped and the receiver sees that.
    let _ = route.submissions.send((request, Box::new(reply)));
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
