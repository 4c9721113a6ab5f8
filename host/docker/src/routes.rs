//! The endpoints, each a POST:
//!
//! | path | answered by |
//! |---|---|
//! | `/Plugin.Activate` | this module |
//! | `/IpamDriver.GetCapabilities` | this module; a session begins |
//! | `/IpamDriver.GetDefaultAddressSpaces` | this module |
//! | `/IpamDriver.RequestPool` | the driver |
//! | `/IpamDriver.ReleasePool` | the driver |
//! | `/IpamDriver.RequestAddress` | the driver |
//! | `/IpamDriver.ReleaseAddress` | the driver |
//!
//! In: an HTTP request. Out: its response.
//! Nothing here blocks. A driver gets only requests that were read completely
//! and are valid.

use crate::{
    body,
    config::Config,
    connection_state::ConnectionState,
    delivery::AnswerBody,
    outcome::Outcome,
    replies::Replies,
    submit::{self, Submissions},
    wire,
};
use hyper::{Method, Request, Response, StatusCode, body::Incoming};
use ipam_api::{DriverHandle, PoolChoice, PoolRequest, Request as DriverRequest};
use std::sync::Arc;

/// What every connection of one socket uses.
pub(crate) struct Route {
    pub(crate) handle: Arc<dyn DriverHandle>,
    pub(crate) config: Arc<Config>,
    pub(crate) replies: Arc<Replies<Outcome>>,
    pub(crate) submissions: Arc<Submissions>,
}

/// Serves one request.
pub(crate) async fn answer(
    route: Arc<Route>,
    state: Arc<ConnectionState>,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, hyper::Error> {
    // A pipelined request was read together with the one before it.
    state.received();
    let (head, mut body) = request.into_parts();
    let outcome = match body::read(&mut body, route.config.limits.body_max_bytes).await? {
        None => {
            tokio::spawn(body::discard(body));
            Outcome::refusal(StatusCode::PAYLOAD_TOO_LARGE, "request body too large")
        }
        Some(_) if head.method != Method::POST => {
            Outcome::refusal(StatusCode::METHOD_NOT_ALLOWED, "every endpoint is a POST")
        }
        Some(body) => dispatch(&route, &state, head.uri.path(), &body).await,
    };
    Ok(outcome.into_response(&state))
}

async fn dispatch(route: &Route, state: &ConnectionState, path: &str, body: &[u8]) -> Outcome {
    let handle = &route.handle;
    let request = match path {
        // Answered without the driver: an engine that starts waits for this.
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
            DriverRequest::Pool(request)
        }),
        "/IpamDriver.ReleasePool" => wire::read_release_pool(body).map(DriverRequest::ReleasePool),
        "/IpamDriver.RequestAddress" => {
            wire::read_request_address(body).map(DriverRequest::Address)
        }
        "/IpamDriver.ReleaseAddress" => wire::read_release_address(body)
            .map(|(pool, address)| DriverRequest::ReleaseAddress(pool, address)),
        _ => return Outcome::refusal(StatusCode::NOT_FOUND, "no such endpoint"),
    };
    match request {
        Ok(request) => submit::one(route, state, request).await,
        Err(error) => error.into(),
    }
}

/// Adds what an automatic pool must not overlap: Docker knows it and does not
/// send it.
fn exclude(route: &Route, request: &mut PoolRequest) {
    let is_automatic = !matches!(request.pool, PoolChoice::Exact(_));
    if is_automatic && request.address_space == route.handle.address_spaces().local {
        request.exclude = (route.config.exclude)();
        request.exclude.sort_unstable();
        request.exclude.dedup();
    }
}
