//! Request bodies: read completely within a limit, or discarded.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use std::mem;

/// How much of a body that is too long is read and thrown away, in bytes.
const DISCARD_MAX_BYTES: usize = 16 << 20;

/// Reads the whole body. `None` when it is longer than `max_bytes`; the rest is
/// then not read.
pub(crate) async fn read(
    body: &mut Incoming,
    max_bytes: usize,
) -> Result<Option<Bytes>, hyper::Error> {
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
            parts.extend_from_slice(&mem::take(&mut whole));
            parts.extend_from_slice(&data);
        }
    }
    Ok(Some(if parts.is_empty() { whole } else { parts.into() }))
}

/// Reads the rest of a body that is too long, while its refusal is written. If
/// the connection were closed at once, a client that writes first and reads
/// afterwards would get a broken pipe and never the refusal.
pub(crate) async fn discard(mut body: Incoming) {
    let mut left_bytes = DISCARD_MAX_BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        match left_bytes.checked_sub(length) {
            Some(left) => left_bytes = left,
            None => return,
        }
    }
}
