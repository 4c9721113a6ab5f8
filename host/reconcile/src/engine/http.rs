//! One question, one answer, over a connection of its own: whatever an engine
//! or a proxy before it does with idle connections, the next question does
//! not suffer.

use super::ErrorKind;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, StatusCode, body::Bytes, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use ipam_api::text::bounded;
use std::{path::Path, pin::pin};
use tokio::net::UnixStream;

/// How much of a refusal the operator is shown, in bytes.
const MESSAGE_MAX_BYTES: usize = 500;

/// The body of the answer to `GET path`, if its status is 200 and it has at
/// most `max_bytes`.
pub(super) async fn get(socket: &Path, path: &str, max_bytes: usize) -> Result<Vec<u8>, ErrorKind> {
    let stream = UnixStream::connect(socket).await.map_err(ErrorKind::Connect)?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(ErrorKind::Http)?;
    let request = Request::get(path)
        .header(HOST, "docker")
        .body(Empty::<Bytes>::new())
        .map_err(|error| ErrorKind::Odd(error.to_string()))?;
    let mut exchange = pin!(async {
        let answer = sender.send_request(request).await.map_err(ErrorKind::Http)?;
        let status = answer.status();
        let mut body = answer.into_body();
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(ErrorKind::Http)?.into_data() else { continue };
            if bytes.len() + data.len() > max_bytes {
                return Err(ErrorKind::TooMany { max: max_bytes, what: "bytes" });
            }
            bytes.extend_from_slice(&data);
        }
        match status {
            StatusCode::OK => Ok(bytes),
            status => {
                let text = &bytes[..bytes.len().min(MESSAGE_MAX_BYTES)];
                let message = bounded(MESSAGE_MAX_BYTES, String::from_utf8_lossy(text).trim());
                Err(ErrorKind::Status { status: status.as_u16(), message })
            }
        }
    });
    tokio::select! {
        biased;
        answer = exchange.as_mut() => answer,
        // What it had received is still to be read; if that was not all, the
        // exchange knows.
        _ = connection => exchange.await,
    }
}
