//! An answer: what it is before it is HTTP, and its HTTP response.

use crate::{
    connection_state::ConnectionState,
    delivery::{AnswerBody, Undelivered},
    wire,
};
use bytes::Bytes;
use hyper::{
    Response, StatusCode,
    header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue},
};
use ipam_api::{Answer, Code, DriverHandle, Error, Failure, Served};
use std::sync::Arc;

/// Moby's `pkg/plugins/transport/mimetype.go`.
const MEDIA_TYPE: HeaderValue =
    HeaderValue::from_static("application/vnd.docker.plugins.v1.2+json");

/// An answer before it is HTTP.
pub(crate) struct Outcome {
    status: StatusCode,
    body: Bytes,
    undelivered: Option<Undelivered>,
}

impl Outcome {
    pub(crate) fn success(body: Vec<u8>) -> Self {
        Self { status: StatusCode::OK, body: body.into(), undelivered: None }
    }

    pub(crate) fn refusal(status: StatusCode, text: &str) -> Self {
        Self { status, body: wire::refused(text).into(), undelivered: None }
    }

    /// From a driver's reply. What the request created is undone unless the
    /// outcome is delivered.
    pub(crate) fn of(handle: Arc<dyn DriverHandle>, reply: Result<Served, Failure>) -> Self {
        let Served { answer, receipt } = match reply {
            Ok(served) => served,
            Err(failure) => return failure.contract().into(),
        };
        let body = match &answer {
            Answer::Pool(grant) => wire::granted_pool(grant),
            Answer::Address(grant) => wire::granted_address(grant),
            Answer::Released => wire::released(),
            // No endpoint asks for it.
            Answer::Status(_) | Answer::Records(_) => {
                return Error::from(Code::IpamInternalError).into();
            }
        };
        let undelivered = receipt.map(|receipt| Undelivered::new(handle, receipt));
        Self { undelivered, ..Self::success(body) }
    }

    pub(crate) fn into_response(self, state: &Arc<ConnectionState>) -> Response<AnswerBody> {
        let Self { status, body, undelivered } = self;
        let mut response = Response::new(AnswerBody::new(body, undelivered, Arc::clone(state)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, MEDIA_TYPE);
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        // The answer to a HEAD request has no body that could show when it is
        // written, and a body that is too long is not read to its end.
        let ends =
            [StatusCode::METHOD_NOT_ALLOWED, StatusCode::PAYLOAD_TOO_LARGE].contains(&status);
        if ends || state.is_draining() {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl From<Error> for Outcome {
    fn from(error: Error) -> Self {
        let status = StatusCode::from_u16(error.kind().http_status())
            .expect("every class of error has an HTTP status");
        Self::refusal(status, &error.to_string())
    }
}
