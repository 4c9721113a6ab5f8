//! One call of a plugin: a connection of its own, a request, the whole answer.

use super::find::Target;
use crate::bindings::plugins::PluginAnswer;
use ipam_api::with_causes;
use ipam_http_client::{Connection, PLUGIN_HOST, plugin_call};
use std::{io, process, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::{Instant, sleep, timeout_at},
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

/// Who asks, as plugins see it.
const USER_AGENT: &str = concat!("wipam/", env!("CARGO_PKG_VERSION"));
/// How long until a plugin that is not there is looked at again, at first.
const PAUSE: Duration = Duration::from_millis(50);

/// Why there is no answer. For the operator.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    /// Whoever listens is this very program, and would wait for itself.
    #[error("the socket is our own")]
    Ourselves,
    #[error("invalid request: {0}")]
    Request(#[from] http::Error),
    #[error("{}", with_causes(.0))]
    Exchange(#[from] ipam_http_client::Error),
    #[error("no answer in time")]
    Late,
}

/// One call, and what it may take.
pub(super) struct Call<'a> {
    pub(super) target: &'a Target,
    /// Such as `IpamDriver.RequestPool`.
    pub(super) method: &'a str,
    pub(super) body: Vec<u8>,
    /// The longest answer, in bytes.
    pub(super) body_bytes: usize,
    pub(super) ends: Instant,
    /// Whether to wait for a plugin that is not there: it may be about to come
    /// back. What was sent is never sent again, since it may have been taken.
    pub(super) waits: bool,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Call<'_> {
    pub(super) async fn make(self) -> Result<PluginAnswer, NoAnswer> {
        let ends = self.ends;
        timeout_at(ends, self.exchange()).await.map_err(|_| NoAnswer::Late)?
    }

    async fn exchange(self) -> Result<PluginAnswer, NoAnswer> {
        let host = match self.target {
            Target::Unix(_) => PLUGIN_HOST.to_owned(),
            Target::Tcp { host, port, .. } => format!("{host}:{port}"),
        };
        // Closed when this call ends.
        let mut connection = Connection::over(self.stream().await?).await?;
        let request = plugin_call(self.method, &host, USER_AGENT, self.body)?;
        let response = connection.send(request, self.body_bytes).await?;
        Ok(PluginAnswer { status: response.status().as_u16(), body: response.into_body() })
    }

    async fn stream(&self) -> Result<Box<dyn Stream>, NoAnswer> {
        let mut pause = PAUSE;
        loop {
            match connect(self.target).await {
                Err(NoAnswer::Connect(error)) if self.waits && is_absent(&error) => {}
                done => return done,
            }
            sleep(pause).await;
            pause *= 2;
        }
    }
}

/// Whether nobody listens there now.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
}

async fn connect(target: &Target) -> Result<Box<dyn Stream>, NoAnswer> {
    match target {
        Target::Unix(path) => {
            let stream = UnixStream::connect(path).await.map_err(NoAnswer::Connect)?;
            let peer = stream.peer_cred().map_err(NoAnswer::Connect)?.pid();
            let is_ours =
                peer.is_some_and(|pid| u32::try_from(pid).is_ok_and(|pid| pid == process::id()));
            if is_ours { Err(NoAnswer::Ourselves) } else { Ok(Box::new(stream)) }
        }
        Target::Tcp { host, port, tls } => {
            let bare = host.trim_matches(['[', ']']);
            let stream = TcpStream::connect((bare, *port)).await.map_err(NoAnswer::Connect)?;
            let Some(tls) = tls else { return Ok(Box::new(stream)) };
            let name = ServerName::try_from(bare.to_owned())
                .map_err(|error| NoAnswer::Connect(io::Error::other(error)))?;
            let stream = TlsConnector::from(tls.clone()).connect(name, stream).await;
            Ok(Box::new(stream.map_err(NoAnswer::Connect)?))
        }
    }
}
