//! One connection: hyper, an alarm, and the order to stop.

use crate::{
    config::Limits,
    delivery::Observed,
    line::{Alarm, Line},
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

/// Whether a socket serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It does.
    Serving,
    /// What is running may end; nothing begins.
    Draining,
    /// Nothing may go on.
    Over,
}

/// Serves a connection until either side ends it. Whatever is not delivered by
/// then is undone.
pub(crate) async fn serve(
    stream: UnixStream,
    route: Arc<Route>,
    mut stage: watch::Receiver<Stage>,
) {
    let line = Arc::new(Line::new());
    let limits = &route.config.limits;
    let service = service_fn({
        let (route, line) = (Arc::clone(&route), Arc::clone(&line));
        move |request| routes::answer(Arc::clone(&route), Arc::clone(&line), request)
    });
    let io = TokioIo::new(Observed::new(stream, Arc::clone(&line)));
    let mut connection = pin!(
        http1::Builder::new()
            // A client that closed its writing half still reads; one that is
            // gone is noticed when the answer is written.
            .half_close(true)
            // Our own alarm bounds the head too, and knows idle from slow.
            .header_read_timeout(None)
            .max_buf_size(limits.head_max_bytes.max(Limits::HEAD_MIN_BYTES))
            .serve_connection(io, service)
    );
    let mut clock = pin!(sleep_until(line.deadline(limits)));
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
                (Ok(()), Stage::Draining) => line.drain(),
                // An unregistered driver's socket: nobody will say `Over`.
                (Err(_), Stage::Draining) => is_ordered = false,
                (Err(_), Stage::Serving) | (_, Stage::Over) => return,
            },
            alarm = poll_fn(|cx| ring(&line, limits, clock.as_mut(), cx)) => match alarm {
                Alarm::Sleep(_) | Alarm::Poll => {}
                Alarm::Close => {
                    tracing::debug!(driver = %route.handle.name(), "connection timed out");
                    return;
                }
            }
        }
    }
}

/// Ready when the alarm rang and something must be done about it.
///
/// The clock is set forward only when it rings and backward whenever the
/// deadline comes nearer, so a busy connection hardly ever touches the timer.
fn ring(
    line: &Line,
    limits: &Limits,
    mut clock: Pin<&mut Sleep>,
    cx: &mut Context<'_>,
) -> Poll<Alarm> {
    let deadline: Instant = line.deadline(limits);
    if deadline < clock.deadline() {
        clock.as_mut().reset(deadline);
    }
    while clock.as_mut().poll(cx).is_ready() {
        match line.alarm(limits) {
            Alarm::Sleep(deadline) => clock.as_mut().reset(deadline),
            alarm @ (Alarm::Poll | Alarm::Close) => return Poll::Ready(alarm),
        }
    }
    Poll::Pending
}
