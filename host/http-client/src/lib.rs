//! An HTTP/1 client for Docker Engines and plugins on unix sockets, and over any
//! stream.
//!
//! In: a request, and the largest body that its response may have.
//! Out: the whole response, or why there is none.
//!
//! It sends nothing twice and follows no redirect.
//! It has no deadline: wrap a call in [`tokio::time::timeout`], and drop the
//! connection when that is over.
//! It needs a tokio runtime with I/O around it.
//!
//! ```no_run
//! # async fn version() -> Result<(), Box<dyn std::error::Error>> {
//! use ipam_http_client::{Connection, Request, header::HOST};
//!
//! let mut engine = Connection::open("/run/docker.sock".as_ref()).await?;
//! let request = Request::get("/version").header(HOST, "docker").body(Vec::new())?;
//! let response = engine.send(request, 64 << 10).await?;
//! println!("{} {}", response.status(), String::from_utf8_lossy(response.body()));
//! # Ok(())
//! # }
//! ```

#[cfg(test)]
mod tests;

pub use hyper::{Request, Response, header};

use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::{Body as _, Bytes},
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use std::{io, path::Path};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::UnixStream,
    task::JoinSet,
};

/// The longest status line with all header fields, in bytes. Engines and
/// plugins send less than 1 KiB.
const HEAD_MAX_BYTES: usize = 16 << 10;
/// The media type of Docker's plugin protocol (moby,
/// `pkg/plugins/transport/mimetype.go`).
const PLUGIN_MEDIA_TYPE: &str = "application/vnd.docker.plugins.v1.2+json";
/// What Docker calls the host behind a plugin's socket.
pub const PLUGIN_HOST: &str = "plugin.moby.localhost";

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The socket is not there, or nobody listens on it.
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    /// The connection broke, or what came is not HTTP.
    #[error("the exchange failed")]
    Http(#[from] hyper::Error),
    /// The response has a larger body than the caller allows.
    #[error("more than {max_bytes} bytes")]
    TooLarge {
        /// The limit.
        max_bytes: usize,
    },
}

/// A connection. Dropped, it is closed.
#[derive(Debug)]
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// The task that reads and writes. It ends with this set.
    _task: JoinSet<()>,
}

impl Connection {
    /// Connects to a unix socket.
    ///
    /// # Errors
    /// [`Error::Connect`] when nobody listens there.
    pub async fn open(socket: &Path) -> Result<Self, Error> {
        Self::over(UnixStream::connect(socket).await.map_err(Error::Connect)?).await
    }

    /// Speaks HTTP over a stream that is connected already.
    ///
    /// # Errors
    /// [`Error::Http`].
    pub async fn over(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Result<Self, Error> {
        let mut builder = http1::Builder::new();
        builder.max_buf_size(HEAD_MAX_BYTES);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
        let mut task = JoinSet::new();
        // Whoever waits for a response is told the error, too.
        task.spawn(async { drop(connection.await) });
        Ok(Self { sender, _task: task })
    }

    /// Whether another request may be sent. The other side may have closed the
    /// connection and this side not have noticed.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Sends a request, and reads the whole response.
    ///
    /// # Errors
    /// [`Error::Http`], and [`Error::TooLarge`] when the body has more than
    /// `body_max_bytes`. The connection is of no use after either.
    pub async fn send(
        &mut self,
        request: Request<Vec<u8>>,
        body_max_bytes: usize,
    ) -> Result<Response<Vec<u8>>, Error> {
        self.send_watched(request, body_max_bytes, &mut |_| ()).await
    }

    /// [`Connection::send`], and `watch` is told how many bytes of the body there
    /// are whenever more have come.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub async fn send_watched(
        &mut self,
        request: Request<Vec<u8>>,
        body_max_bytes: usize,
        watch: &mut (dyn FnMut(usize) + Send),
    ) -> Result<Response<Vec<u8>>, Error> {
        let too_large = Error::TooLarge { max_bytes: body_max_bytes };
        self.sender.ready().await?;
        let response = self.sender.send_request(request.map(|body| Full::new(body.into()))).await?;
        let (head, mut body) = response.into_parts();
        if body.size_hint().lower() > body_max_bytes as u64 {
            return Err(too_large);
        }
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            if bytes.len() + data.len() > body_max_bytes {
                return Err(too_large);
            }
            bytes.extend_from_slice(&data);
            watch(bytes.len());
        }
        Ok(Response::from_parts(head, bytes))
    }
}

/// A call of a plugin, such as `IpamDriver.RequestPool`, with the header fields
/// that Docker sends.
///
/// # Errors
/// When `method`, `host` or `user_agent` has what HTTP does not allow there.
pub fn plugin_call(
    method: &str,
    host: &str,
    user_agent: &str,
    body: Vec<u8>,
) -> Result<Request<Vec<u8>>, hyper::http::Error> {
    Request::post(format!("/{method}"))
        .header(header::HOST, host)
        .header(header::USER_AGENT, user_agent)
        .header(header::ACCEPT, PLUGIN_MEDIA_TYPE)
        .body(body)
}
