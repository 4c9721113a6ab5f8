//! HTTP over a unix socket, byte for byte as Docker's engine speaks it: a
//! plugin that takes more than that must not pass. One connection that is
//! kept, one question at a time, everything bounded.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Request,
    client::conn::http1::{self, SendRequest},
    header::{ACCEPT, HOST, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use ipam_api::Failure;
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    net::UnixStream,
    runtime::{Builder, Runtime},
    time::timeout,
};

/// The largest body that is read, in bytes.
const BODY_MAX_BYTES: usize = 1 << 20;
/// What Docker says that it reads. It never says what it sends.
const ACCEPTED: &str = "application/vnd.docker.plugins.v1.2+json";

pub(super) struct Client {
    socket: PathBuf,
    call_time: Duration,
    runtime: Runtime,
    /// Gone after an answer that ended it.
    connection: Option<SendRequest<Full<Bytes>>>,
}

fn failed(what: &str, why: &dyn std::error::Error) -> Failure {
    Failure::broken(format_args!("{what}: {}", ipam_api::with_causes(why)))
}

impl Client {
    pub(super) fn new(socket: &Path, call_time: Duration) -> Result<Self, Failure> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| failed("no runtime", &error))?;
        Ok(Self { socket: socket.to_owned(), call_time, runtime, connection: None })
    }

    /// Asks, with a body or without, and reads the status and the body of the
    /// answer.
    pub(super) fn ask(
        &mut self,
        method: &str,
        asked: Option<&impl Serialize>,
    ) -> Result<(u16, Bytes), Failure> {
        let Self { socket, call_time, runtime, connection } = self;
        let mut body = Vec::new();
        if let Some(asked) = asked {
            serde_json::to_writer(&mut body, asked).map_err(|error| failed(method, &error))?;
            body.push(b'\n');
        }
        let exchange = exchange(socket, connection, method, body.into());
        match runtime.block_on(async { timeout(*call_time, exchange).await }) {
            Ok(answer) => answer,
            Err(_) => {
                self.connection = None;
                Err(Failure::broken(format_args!("{method}: took more than {:?}", self.call_time)))
            }
        }
    }
}

async fn exchange(
    socket: &Path,
    connection: &mut Option<SendRequest<Full<Bytes>>>,
    method: &str,
    body: Bytes,
) -> Result<(u16, Bytes), Failure> {
    let is_kept = connection.as_ref().is_some_and(|kept| !kept.is_closed());
    let mut sender = match connection.take() {
        Some(kept) if is_kept => kept,
        _ => {
            let stream =
                UnixStream::connect(socket).await.map_err(|error| failed(method, &error))?;
            let (sender, driver) = http1::handshake(TokioIo::new(stream))
                .await
                .map_err(|error| failed(method, &error))?;
            tokio::spawn(driver);
            sender
        }
    };
    sender.ready().await.map_err(|error| failed(method, &error))?;
    let request = Request::post(format!("/{method}"))
        .header(HOST, "plugin.moby.localhost")
        .header(USER_AGENT, "Go-http-client/1.1")
        .header(ACCEPT, ACCEPTED)
        .body(Full::new(body))
        .map_err(|error| failed(method, &error))?;
    let answer = sender.send_request(request).await.map_err(|error| failed(method, &error))?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), BODY_MAX_BYTES).collect().await;
    let body = body.map_err(|error| failed(method, &*error))?.to_bytes();
    *connection = Some(sender);
    Ok((status, body))
}
