//! One request and its response, over a connection of its own: whatever an
//! engine or a proxy before it does with idle connections does not affect the
//! next request.

use super::ErrorKind;
use ipam_api::text::bounded;
use ipam_http_client::{Connection, Error, Request, header::HOST};
use std::path::Path;

/// How much of a refusal the operator is shown, in bytes.
const MESSAGE_MAX_BYTES: usize = 500;

/// The body of the response to `GET path`, if its status is 200 and it has at
/// most `max_bytes`.
pub(super) async fn get(socket: &Path, path: &str, max_bytes: usize) -> Result<Vec<u8>, ErrorKind> {
    let request = Request::get(path)
        .header(HOST, "docker")
        .body(Vec::new())
        .map_err(|error| ErrorKind::Odd(error.to_string()))?;
    let mut connection = Connection::open(socket).await?;
    let response = connection.send(request, max_bytes).await?;
    let status = response.status().as_u16();
    let body = response.into_body();
    if status == 200 {
        return Ok(body);
    }
    let text = &body[..body.len().min(MESSAGE_MAX_BYTES)];
    let message = bounded(MESSAGE_MAX_BYTES, String::from_utf8_lossy(text).trim());
    Err(ErrorKind::Status { status, message })
}

impl From<Error> for ErrorKind {
    fn from(error: Error) -> Self {
        match error {
            Error::TooLarge { max_bytes } => Self::TooMany { max: max_bytes, what: "bytes" },
            error @ (Error::Connect(_) | Error::Http(_)) => Self::Exchange(error),
        }
    }
}
