//! One request and its answer.

use crate::config::Config;

/// What is asked.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) config: &'a Config,
    pub(crate) method: Method,
    /// Below the beginning of the API, with its query.
    pub(crate) path: &'a str,
    /// JSON, or nothing.
    pub(crate) body: &'a str,
}

/// The methods that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
    Delete,
}

/// What was answered.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// A way to ask.
pub(crate) trait Http {
    /// Asks, or says why there is no answer.
    fn send(&mut self, request: &Request<'_>) -> Result<Response, String>;
}

/// The host's way.
#[derive(Debug)]
pub(crate) struct Host;

#[cfg(not(target_family = "wasm"))]
impl Http for Host {
    fn send(&mut self, _: &Request<'_>) -> Result<Response, String> {
        Err("there is no HTTP here".to_owned())
    }
}

#[cfg(target_family = "wasm")]
mod wasi {
    use super::{Host, Http, Method, Request, Response};
    use std::fmt::Debug;
    use wasip2::{
        http::{
            outgoing_handler,
            types::{
                Headers, IncomingResponse, Method as WasiMethod, OutgoingBody, OutgoingRequest,
                Scheme,
            },
        },
        io::streams::StreamError,
    };

    /// The most that is read of an answer: a page of a hundred objects has a
    /// tenth of it.
    const BODY_BYTES_MAX: usize = 1 << 20;
    /// What a stream takes at once.
    const CHUNK_BYTES: usize = 4096;

    fn text(error: impl Debug) -> String {
        format!("{error:?}")
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
        let token = request.config.token.header();
        let mut all = vec![
            ("authorization", token.as_str()),
            ("accept", "application/json"),
            ("user-agent", concat!("wipam-netbox/", env!("CARGO_PKG_VERSION"))),
            // Else it is sent in chunks, also where it is empty, and many a server of
            // NetBox takes none.
            ("content-length", &length),
        ];
        if request.method == Method::Post {
            all.push(("content-type", "application/json"));
        }
        for (name, value) in all {
            headers.append(name, value.as_bytes()).map_err(text)?;
        }
        let outgoing = OutgoingRequest::new(headers);
        let url = &request.config.url;
        let scheme = if url.is_https { Scheme::Https } else { Scheme::Http };
        outgoing.set_scheme(Some(&scheme)).map_err(|()| "bad scheme")?;
        outgoing.set_authority(Some(&url.authority)).map_err(|()| "bad authority")?;
        let path = format!("{}{}", url.path, request.path);
        outgoing.set_path_with_query(Some(&path)).map_err(|()| "bad path")?;
        let method = match request.method {
            Method::Get => WasiMethod::Get,
            Method::Post => WasiMethod::Post,
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
}
