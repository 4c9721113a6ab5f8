//! The seven endpoints.
//!
//! In: a request. Out: its answer, after the driver's queue if it needs the
//! driver. Nothing here blocks, and only what was read completely and makes
//! sense reaches a driver.

use crate::{
    config::Config,
    delivery::{AnswerBody, Undelivered},
    line::Line,
    replies::Replies,
    wire,
};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Incoming},
    header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue},
};
use ipam_api::{
    Answer, Code, DriverHandle, Error, Failure, Kind, PoolChoice, PoolRequest, Reply,
    Request as Ask, Served,
};
use std::{future::poll_fn, sync::Arc, task::Poll};
use tokio::sync::{mpsc, oneshot};

/// Moby's `pkg/plugins/transport/mimetype.go`.
const MEDIA_TYPE: HeaderValue =
    HeaderValue::from_static("application/vnd.docker.plugins.v1.2+json");

/// How much of a body that is too long is read and thrown away, in bytes.
const DISCARD_MAX_BYTES: usize = 16 << 20;

/// What every connection of one socket serves.
pub(crate) struct Route {
    pub(crate) handle: Arc<dyn DriverHandle>,
    pub(crate) config: Arc<Config>,
    pub(crate) replies: Arc<Replies<Outcome>>,
    /// To [`submit`].
    pub(crate) asks: mpsc::UnboundedSender<(Ask, Reply)>,
}

/// Asks the driver, as a task of the thread that serves, until the last
/// connection is gone. It runs when every connection that was ready has been
/// served, so what they ask wakes the driver's thread once. The channel holds
/// at most one request for each connection.
pub(crate) async fn submit(
    handle: Arc<dyn DriverHandle>,
    mut asks: mpsc::UnboundedReceiver<(Ask, Reply)>,
) {
    let mut batch = Vec::new();
    while asks.recv_many(&mut batch, usize::MAX).await > 0 {
        handle.submit_all(&mut batch);
    }
}

/// An answer before it is HTTP.
pub(crate) struct Outcome {
    status: StatusCode,
    body: Bytes,
    undelivered: Option<Undelivered>,
}

impl Outcome {
    fn success(body: Vec<u8>) -> Self {
        Self { status: StatusCode::OK, body: body.into(), undelivered: None }
    }

    fn refusal(status: StatusCode, text: &str) -> Self {
        Self { status, body: wire::refused(text).into(), undelivered: None }
    }
}

impl From<Error> for Outcome {
    fn from(error: Error) -> Self {
        let status = StatusCode::from_u16(error.kind().http_status())
            .expect("every class has a status of HTTP");
        Self::refusal(status, &error.to_string())
    }
}

/// Serves one request.
pub(crate) async fn answer(
    route: Arc<Route>,
    line: Arc<Line>,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, hyper::Error> {
    // A pipelined one was read together with the one before it.
    line.received();
    let (head, mut body) = request.into_parts();
    let outcome = match whole(&mut body, route.config.limits.body_max_bytes).await? {
        None => {
            tokio::spawn(discard(body));
            Outcome::refusal(StatusCode::PAYLOAD_TOO_LARGE, "request body too large")
        }
        Some(_) if head.method != Method::POST => {
            Outcome::refusal(StatusCode::METHOD_NOT_ALLOWED, "every endpoint is a POST")
        }
        Some(body) => dispatch(&route, &line, head.uri.path(), &body).await,
    };
    let Outcome { status, body, undelivered } = outcome;
    let mut response = Response::new(AnswerBody::new(body, undelivered, Arc::clone(&line)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, MEDIA_TYPE);
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    }
    // The answer to a HEAD has no body that could tell when it is written.
    let is_unfit =
        [StatusCode::METHOD_NOT_ALLOWED, StatusCode::PAYLOAD_TOO_LARGE].contains(&status);
    if line.is_draining() || is_unfit {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// The whole body, or nothing when it is longer than `max_bytes`; then the
/// rest is not read.
async fn whole(body: &mut Incoming, max_bytes: usize) -> Result<Option<Bytes>, hyper::Error> {
    if body.is_end_stream() {
        return Ok(Some(Bytes::new()));
    }
    if body.size_hint().lower() > max_bytes as u64 {
        return Ok(None);
    }
    let mut whole = Bytes::new();
    let mut parts = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if whole.len() + parts.len() + data.len() > max_bytes {
            return Ok(None);
        }
        // A request of Docker's comes in one piece and is not copied.
        if whole.is_empty() && parts.is_empty() {
            whole = data;
            if body.is_end_stream() {
                break;
            }
        } else {
            parts.extend_from_slice(&std::mem::take(&mut whole));
            parts.extend_from_slice(&data);
        }
    }
    Ok(Some(if parts.is_empty() { whole } else { parts.into() }))
}

/// Reads the rest of a body that is too long, while its refusal is written.
/// If the connection were closed at once, a client that writes first and reads
/// afterwards would see a broken pipe and never the refusal.
async fn discard(mut body: Incoming) {
    let mut left_bytes = DISCARD_MAX_BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        match left_bytes.checked_sub(length) {
            Some(left) => left_bytes = left,
            None => return,
        }
    }
}

async fn dispatch(route: &Arc<Route>, line: &Line, path: &str, body: &[u8]) -> Outcome {
    let handle = &route.handle;
    let request = match path {
        // Answered here, whatever the driver is doing: a daemon that starts
        // waits for this one.
        "/Plugin.Activate" => return Outcome::success(wire::activated()),
        "/IpamDriver.GetCapabilities" => {
            // Managed plugins are never activated, so a session begins here.
            handle.begin_session();
            let mut capability = handle.capability();
            capability.requires_mac_address |= route.config.mac_addresses;
            return Outcome::success(wire::capabilities(capability));
        }
        "/IpamDriver.GetDefaultAddressSpaces" => {
            return Outcome::success(wire::address_spaces(handle.address_spaces()));
        }
        "/IpamDriver.RequestPool" => wire::read_request_pool(body).map(|mut request| {
            exclude(route, &mut request);
            Ask::Pool(request)
        }),
        "/IpamDriver.ReleasePool" => wire::read_release_pool(body).map(Ask::ReleasePool),
        "/IpamDriver.RequestAddress" => wire::read_request_address(body).map(Ask::Address),
        "/IpamDriver.ReleaseAddress" => wire::read_release_address(body)
            .map(|(pool, address)| Ask::ReleaseAddress(pool, address)),
        _ => return Outcome::refusal(StatusCode::NOT_FOUND, "no such endpoint"),
    };
    match request {
        Ok(request) => ask(route, line, request).await,
        Err(error) => error.into(),
    }
}

/// Fills in what Docker knows and does not send.
fn exclude(route: &Route, request: &mut PoolRequest) {
    let automatic = !matches!(request.pool, PoolChoice::Exact(_));
    if automatic && request.address_space == route.handle.address_spaces().local {
        request.exclude = (route.config.exclude)();
        request.exclude.sort_unstable();
        request.exclude.dedup();
    }
}

/// Asks the driver. The answer is made where the reply comes from; when nobody
/// waits for it any more it is dropped there, and undone.
async fn ask(route: &Arc<Route>, line: &Line, request: Ask) -> Outcome {
    let (waiting, mut receiver) = oneshot::channel();
    let (handle, replies) = (Arc::clone(&route.handle), Arc::clone(&route.replies));
    let reply = move |reply| replies.arrive(waiting, outcome(handle, reply));
    line.ask();
    // Were the task gone, the reply would be dropped and the answer be that.
    let _ = route.asks.send((request, Box::new(reply)));
    poll_fn(|cx| match std::pin::Pin::new(&mut receiver).poll(cx) {
        Poll::Ready(Ok(outcome)) => Poll::Ready(outcome),
        // The service dropped the request unanswered.
        Poll::Ready(Err(_)) => Poll::Ready(Error::from(Code::IpamInternalError).into()),
        Poll::Pending if line.gave_up() => {
            let text = "the driver did not answer in time";
            Poll::Ready(Error::other(Kind::Unavailable, text).into())
        }
        Poll::Pending => Poll::Pending,
    })
    .await
}

fn outcome(handle: Arc<dyn DriverHandle>, reply: Result<Served, Failure>) -> Outcome {
    match reply {
        Ok(Served { answer, receipt }) => {
            let body = match &answer {
                Answer::Pool(grant) => wire::granted_pool(grant),
                Answer::Address(grant) => wire::granted_address(grant),
                Answer::Released => wire::released(),
                // No endpoint asks for it.
                Answer::Status(_) => return Error::from(Code::IpamInternalError).into(),
            };
            let undelivered = receipt.map(|receipt| Undelivered::new(handle, receipt));
            Outcome { undelivered, ..Outcome::success(body) }
        }
        Err(failure) => failure.contract().into(),
    }
}
