//! Calls of a plugin, byte for byte as Docker's engine sends them: a plugin
//! that takes more than that must not pass. One connection is kept, and one
//! call is made at a time.

use ipam_api::Failure;
use ipam_http_client::{Connection, PLUGIN_HOST, plugin_call};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    runtime::{Builder, Runtime},
    time::timeout,
};

/// The largest body that is read, in bytes.
const BODY_MAX_BYTES: usize = 1 << 20;
/// Docker's, which is Go's.
const USER_AGENT: &str = "Go-http-client/1.1";

pub(super) struct Client {
    socket: PathBuf,
    call_time: Duration,
    runtime: Runtime,
    /// None after a call that failed.
    connection: Option<Connection>,
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

    /// Makes a call, with a body or without, and reads the status and the body
    /// of the response.
    pub(super) fn ask(
        &mut self,
        method: &str,
        asked: Option<&impl Serialize>,
    ) -> Result<(u16, Vec<u8>), Failure> {
        let Self { socket, call_time, runtime, connection } = self;
        let mut body = Vec::new();
        if let Some(asked) = asked {
            serde_json::to_writer(&mut body, asked).map_err(|error| failed(method, &error))?;
            body.push(b'\n');
        }
        let exchange = exchange(socket, connection, method, body);
        runtime.block_on(async { timeout(*call_time, exchange).await }).unwrap_or_else(|_| {
            Err(Failure::broken(format_args!("{method}: took more than {call_time:?}")))
        })
    }
}

async fn exchange(
    socket: &Path,
    kept: &mut Option<Connection>,
    method: &str,
    body: Vec<u8>,
) -> Result<(u16, Vec<u8>), Failure> {
    let request = plugin_call(method, PLUGIN_HOST, USER_AGENT, body);
    let request = request.map_err(|error| failed(method, &error))?;
    let failed = |error: ipam_http_client::Error| failed(method, &error);
    let mut connection = match kept.take().filter(Connection::is_open) {
        Some(connection) => connection,
        None => Connection::open(socket).await.map_err(failed)?,
    };
    let response = connection.send(request, BODY_MAX_BYTES).await.map_err(failed)?;
    *kept = Some(connection);
    Ok((response.status().as_u16(), response.into_body()))
}
