//! One connection: hyper serves it, an alarm bounds its waits, and the server
//! tells it to stop.

use crate::{
    config::Limits,
    connection_state::{Alarm, ConnectionState},
    delivery::TrackedStream,
    routes::{self, Route},
};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};
use tokio::{
    net::UnixStream,
    sync::watch,
    time::{Instant, Sleep, sleep_until},
};

/// What a socket's connections may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It serves.
    Serving,
    /// Running requests may end; no new one begins.
    Draining,
    /// Every connection is closed now.
    Over,
}

/// Serves a connection until either side ends it. An answer that is not
/// delivered by then is undone.
pub(crate) async fn serve(
    stream: UnixStream,
    route: Arc<Route>,
    mut stage: watch::Receiver<Stage>,
) {
    let state = Arc::new(ConnectionState::new());
    let limits = &route.config.limits;
    let service = service_fn({
        let (route, state) = (Arc::clone(&route), Arc::clone(&state));
        move |request| routes::answer(Arc::clone(&route), Arc::clone(&state), request)
    });
    let io = TokioIo::new(TrackedStream::new(stream, Arc::clone(&state)));
    let mut connection = pin!(
        http1::Builder::new()
            // A client that closed its writing half still reads. A client that
            // is gone is noticed when its answer is written.
            .half_close(true)
            // Our own alarm bounds the head, too, and tells idle from slow.
            .header_read_timeout(None)
            .max_buf_size(limits.head_max_bytes.max(Limits::HEAD_MIN_BYTES))
            .serve_connection(io, service)
    );
    let mut clock = pin!(sleep_until(state.deadline(limits)));
    stage.mark_changed();
    let mut is_ordered = true;
    loop {
        tokio::select! {
            biased;
            end = connection.as_mut() => {
                if let Err(error) = end {
                    tracing::debug!(driver = %route.handle.name(), %error, "connection failed");
                }
                return;
            }
            order = stage.changed(), if is_ordered => match (order, *stage.borrow_and_update()) {
                (Ok(()), Stage::Serving) => {}
                (Ok(()), Stage::Draining) => state.drain(),
                // The driver was unregistered: nobody will send `Over`.
                (Err(_), Stage::Draining) => is_ordered = false,
                (Err(_), Stage::Serving) | (_, Stage::Over) => return,
            },
            alarm = poll_fn(|cx| ring(&state, limits, clock.as_mut(), cx)) => match alarm {
                Alarm::Sleep(_) | Alarm::Poll => {}
                Alarm::Close => {
                    tracing::debug!(driver = %route.handle.name(), "connection timed out");
                    return;
                }
            }
        }
    }
}

/// Ready when the alarm rang and something is to be done.
///
/// The timer is set later only when it fires, and earlier whenever the deadline
/// comes nearer, so a busy connection hardly ever sets it.
fn ring(
    state: &ConnectionState,
    limits: &Limits,
    mut clock: Pin<&mut Sleep>,
    cx: &mut Context<'_>,
) -> Poll<Alarm> {
    let deadline: Instant = state.deadline(limits);
    if deadline < clock.deadline() {
        clock.as_mut().reset(deadline);
    }
    while clock.as_mut().poll(cx).is_ready() {
        match state.alarm(limits) {
            Alarm::Sleep(deadline) => clock.as_mut().reset(deadline),
            alarm @ (Alarm::Poll | Alarm::Close) => return Poll::Ready(alarm),
        }
    }
    Poll::Pending
}
