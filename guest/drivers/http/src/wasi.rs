//! The host's HTTP: `wasi:http`.

use crate::{Host, Http, Method, Request, Response};
use std::fmt::Debug;
use wasip2::{
    http::{
        outgoing_handler,
        types::{
            Headers, IncomingResponse, Method as WasiMethod, OutgoingBody, OutgoingRequest, Scheme,
        },
    },
    io::streams::StreamError,
};

/// The most that is read of an answer.
const BODY_BYTES_MAX: usize = 1 << 20;
/// What a stream takes at once.
const CHUNK_BYTES: usize = 4096;

/// The name of an error: `ConnectionRefused`, as the client knows it.
fn text(error: impl Debug) -> String {
    let text = format!("{error:?}");
    text.strip_prefix("ErrorCode::").map_or_else(|| text.clone(), str::to_owned)
}

impl Http for Host {
    fn send(&mut self, request: &Request<'_>) -> Result<Response, String> {
        let outgoing = outgoing(request)?;
        let body = outgoing.body().map_err(|()| "no body")?;
        let future = outgoing_handler::handle(outgoing, None).map_err(text)?;
        {
            let stream = body.write().map_err(|()| "no stream")?;
            for chunk in request.body.as_bytes().chunks(CHUNK_BYTES) {
                match stream.blocking_write_and_flush(chunk) {
                    Ok(()) => {}
                    // The answer says why.
                    Err(StreamError::Closed) => break,
                    Err(error) => return Err(text(error)),
                }
            }
        }
        // It may have been cut off, and the answer says so.
        let _ = OutgoingBody::finish(body, None);
        future.subscribe().block();
        let answered = future.get().ok_or("no answer")?.map_err(|()| "no more answers")?;
        read(&answered.map_err(text)?)
    }
}

fn outgoing(request: &Request<'_>) -> Result<OutgoingRequest, String> {
    let headers = Headers::new();
    let length = request.body.len().to_string();
    let mut all = vec![
        ("accept", "application/json"),
        // Some say only in words what is wrong, and translate them.
        ("accept-language", "en"),
        ("user-agent", concat!("wipam/", env!("CARGO_PKG_VERSION"))),
        // Else it is sent in chunks, also where it is empty, and many a server takes none.
        ("content-length", &length),
    ];
    all.extend(request.server.headers.iter().map(|(name, value)| (*name, value.reveal())));
    if !request.body.is_empty() || request.method == Method::Post {
        all.push(("content-type", "application/json"));
    }
    for (name, value) in all {
        headers.append(name, value.as_bytes()).map_err(text)?;
    }
    let outgoing = OutgoingRequest::new(headers);
    let url = &request.server.url;
    let scheme = if url.is_https { Scheme::Https } else { Scheme::Http };
    outgoing.set_scheme(Some(&scheme)).map_err(|()| "bad scheme")?;
    outgoing.set_authority(Some(&url.authority)).map_err(|()| "bad authority")?;
    let path = format!("{}{}", url.path, request.path);
    outgoing.set_path_with_query(Some(&path)).map_err(|()| "bad path")?;
    let method = match request.method {
        Method::Get => WasiMethod::Get,
        Method::Post => WasiMethod::Post,
        Method::Patch => WasiMethod::Patch,
        Method::Delete => WasiMethod::Delete,
    };
    outgoing.set_method(&method).map_err(|()| "bad method")?;
    Ok(outgoing)
}

fn read(response: &IncomingResponse) -> Result<Response, String> {
    let status = response.status();
    let incoming = response.consume().map_err(|()| "no body")?;
    let stream = incoming.stream().map_err(|()| "no stream")?;
    let mut body = Vec::new();
    loop {
        match stream.blocking_read(CHUNK_BYTES as u64) {
            Ok(more) => body.extend(more),
            Err(StreamError::Closed) => return Ok(Response { status, body }),
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(error.to_debug_string());
            }
        }
        if body.len() > BODY_BYTES_MAX {
            return Err("the answer is too long".to_owned());
        }
    }
}
