//! Asks by HTTP what the options of a request for a pool say, and answers what
//! came back as the pool's data. It does not follow redirects unless told to,
//! and then it goes wherever it is sent.

use ipam_driver::{Capability, Error, PoolGrant, PoolRequest, Registration};
use ipam_programs::{Bent, Honest};
use std::collections::BTreeMap;
use wasip2::{
    clocks::monotonic_clock,
    http::{
        outgoing_handler,
        types::{
            FutureIncomingResponse, Headers, IncomingResponse, Method, OutgoingBody,
            OutgoingRequest, RequestOptions, Scheme,
        },
    },
    io::{poll, streams::StreamError},
};

type Options = BTreeMap<String, String>;

#[derive(Debug, Default)]
struct Program(Honest);

ipam_programs::export!(Program);

impl Bent for Program {
    const NAME: &'static str = "http";

    fn new(_: &str) -> Self {
        Self::default()
    }

    fn honest(&mut self) -> &mut Honest {
        &mut self.0
    }

    /// What it knows is elsewhere.
    fn registrations() -> Vec<Registration> {
        vec![Registration { name: Self::NAME.to_owned(), capability: Capability::NOTHING }]
    }

    fn request_pool(&mut self, request: PoolRequest) -> Result<PoolGrant, Error> {
        let mut grant = self.0.request_pool(&request)?;
        let mut outcome = Ok(());
        for _ in 0..number(&request.options, "times").unwrap_or(1) {
            grant.data.clear();
            outcome = ask(&request.options, &mut grant.data);
        }
        if let Err(error) = outcome {
            grant.data.insert("error".to_owned(), error);
        }
        Ok(grant)
    }
}

fn number(options: &Options, key: &str) -> Option<u64> {
    options.get(key)?.parse().ok()
}

fn text(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}

fn ask(options: &Options, data: &mut Options) -> Result<(), String> {
    let mut url = options.get("url").ok_or("asks nobody")?.clone();
    loop {
        let response = send(options, &url)?;
        data.insert("status".to_owned(), response.status().to_string());
        let location = response.headers().get("location").pop();
        match location {
            Some(location) if options.contains_key("follow") => {
                url = String::from_utf8(location).map_err(text)?;
            }
            _ => return read(&response, data),
        }
    }
}

/// Splits it where no parser would have to think: whatever is in an authority
/// or a path stays there.
fn request(options: &Options, url: &str) -> Result<OutgoingRequest, String> {
    let headers = Headers::new();
    if let Some(host) = options.get("host") {
        headers.append("host", host.as_bytes()).map_err(text)?;
    }
    for line in options.get("headers").map_or("", String::as_str).lines() {
        let (name, value) = line.split_once(": ").ok_or("no header")?;
        headers.append(name, value.as_bytes()).map_err(text)?;
    }
    let request = OutgoingRequest::new(headers);
    let (scheme, rest) = url.split_once("://").ok_or("no URL")?;
    let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    request.set_scheme(Some(&scheme)).map_err(|()| "bad scheme")?;
    request.set_authority(Some(authority)).map_err(|()| "bad authority")?;
    request.set_path_with_query(Some(path)).map_err(|()| "bad path")?;
    if let Some(method) = options.get("method") {
        request.set_method(&Method::Other(method.clone())).map_err(|()| "bad method")?;
    }
    Ok(request)
}

fn send(options: &Options, url: &str) -> Result<IncomingResponse, String> {
    let request = request(options, url)?;
    let times = RequestOptions::new();
    let wish = number(options, "between-bytes").map(|wish| wish * 1_000_000);
    times.set_between_bytes_timeout(wish).map_err(|()| "no such time")?;
    let chunks = match (options.get("text"), number(options, "body")) {
        (Some(text), _) => vec![text.as_bytes()],
        (None, Some(bytes)) => vec![&[b'x'; 4096][..]; usize::try_from(bytes / 4096).unwrap_or(0)],
        (None, None) => Vec::new(),
    };
    if !options.contains_key("text") && !options.contains_key("body") {
        return wait(options, &outgoing_handler::handle(request, Some(times)).map_err(text)?);
    }
    let body = request.body().map_err(|()| "no body")?;
    let future = match options.get("unsent") {
        Some(_) => Err(request),
        None => Ok(outgoing_handler::handle(request, Some(times)).map_err(text)?),
    };
    let stream = body.write().map_err(|()| "no stream")?;
    for chunk in chunks {
        match stream.blocking_write_and_flush(chunk) {
            Ok(()) => {}
            // The answer says why.
            Err(StreamError::Closed) => break,
            Err(error) => return Err(text(error)),
        }
    }
    drop(stream);
    // It may have been cut off.
    let finished = OutgoingBody::finish(body, None);
    let future = future.map_err(|_| "never sent")?;
    wait(options, &future).and_then(|response| finished.map(|()| response).map_err(text))
}

/// Waits for the answer, or so many milliseconds.
fn wait(options: &Options, future: &FutureIncomingResponse) -> Result<IncomingResponse, String> {
    let answered = future.subscribe();
    match number(options, "patience") {
        Some(patience) => {
            let before = monotonic_clock::now();
            let over = monotonic_clock::subscribe_duration(patience * 1_000_000);
            if poll::poll(&[&answered, &over]) == [1] {
                let waited = (monotonic_clock::now() - before) / 1_000_000;
                return Err(format!("no patience after {waited} ms"));
            }
        }
        None => answered.block(),
    }
    let response = future.get().ok_or("no answer")?.map_err(|()| "no more answers")?;
    response.map_err(text)
}

fn read(response: &IncomingResponse, data: &mut Options) -> Result<(), String> {
    let body = response.consume().map_err(|()| "no body")?;
    let stream = body.stream().map_err(|()| "no stream")?;
    let (mut bytes, mut begin) = (0, Vec::new());
    let outcome = loop {
        match stream.blocking_read(64 << 10) {
            Ok(more) => {
                bytes += more.len();
                begin.extend(more.into_iter().take(1024_usize.saturating_sub(begin.len())));
            }
            Err(StreamError::Closed) => break Ok(()),
            Err(StreamError::LastOperationFailed(error)) => break Err(error.to_debug_string()),
        }
    };
    data.insert("bytes".to_owned(), bytes.to_string());
    data.insert("body".to_owned(), String::from_utf8_lossy(&begin).into_owned());
    outcome
}
