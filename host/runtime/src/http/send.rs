//! One request: a connection of its own, the answer's head, and then its body.

use super::target::has_body;
use crate::{grants::Origin, tls};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    body::{Body, Frame, Incoming, SizeHint},
    client::conn::http1,
};
use std::{
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs as _},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
    time::{Sleep, sleep_until, timeout_at},
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};
use wasmtime_wasi::runtime::spawn;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, io::TokioIo};

/// The least that hyper takes for a head.
const HEAD_BYTES: usize = 8 << 10;

/// What a guest does not say: how a message ends, what becomes of its
/// connection, what whoever is in between shall do, and which other path some
/// servers (IIS, Zend) shall take it for. `content-length` is read, and written
/// anew.
const OURS: [HeaderName; 16] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("keep-alive"),
    header::MAX_FORWARDS,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-rewrite-url"),
];

/// What a request is sent with.
pub(super) struct Sending {
    pub(super) origin: Origin,
    pub(super) times: Times,
    pub(super) connections: Arc<Semaphore>,
    pub(super) body_bytes: usize,
    pub(super) head_bytes: usize,
}

/// How long one may take.
pub(super) struct Times {
    /// When all of it is over.
    ends: Instant,
    /// When the connection is closed: later, so that who waits hears why.
    closes: Instant,
    connected: Instant,
    /// From the connection on, as the guest wishes.
    first_byte: Option<Duration>,
    between_bytes: Option<Duration>,
}

impl Times {
    /// What the guest wishes, within what is left.
    pub(super) fn new(ends: Instant, closes: Instant, wishes: RequestOptions) -> Self {
        Self {
            ends,
            closes,
            connected: by(ends, wishes.connect_timeout),
            first_byte: wishes.first_byte_timeout,
            between_bytes: wishes.between_bytes_timeout,
        }
    }
}

/// So long from now, or at the end.
fn by(ends: Instant, time: Option<Duration>) -> Instant {
    let at = time.and_then(|time| Instant::now().checked_add(time));
    at.map_or(ends, |at| at.min(ends))
}

/// The rest of the connection's work, while the body is read.
type Rest = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl Sending {
    pub(super) async fn send(
        self,
        request: Request<WasiBody>,
    ) -> Result<(Response<WasiBody>, Rest), Error> {
        let request = self.addressed(request)?;
        let connected = timeout_at(self.times.connected.into(), self.connect()).await;
        let (stream, permit) = connected.map_err(|_| Error::ConnectionTimeout)??;
        if !self.origin.is_https {
            return self.exchange(stream, permit, request).await;
        }
        let host = self.origin.host.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).map_err(|_| Error::HttpRequestUriInvalid)?;
        let shaken = TlsConnector::from(tls::MACHINE.clone()).connect(name, stream);
        let shaken = timeout_at(self.times.connected.into(), shaken).await;
        let stream = shaken.map_err(|_| Error::ConnectionTimeout)?.map_err(Error::Tls)?;
        self.exchange(stream, permit, request).await
    }

    /// The permit lasts as long as the look-up of the name, which cannot be
    /// ended, or else as the connection.
    async fn connect(&self) -> Result<(TcpStream, OwnedSemaphorePermit), Error> {
        let permit = self.connections.clone().acquire_owned().await;
        let permit = permit.map_err(|_| Error::ConnectionLimitReached)?;
        let (host, port) = (self.origin.host.clone(), self.origin.port);
        let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
        let (found, permit) = match address {
            Some(address) => (Ok(vec![SocketAddr::new(address, port)]), permit),
            None => {
                let look_up = move || ((host.as_str(), port).to_socket_addrs(), permit);
                let (found, permit) = spawn_blocking(look_up)
                    .await
                    .map_err(|error| Error::InternalError(Some(error.to_string())))?;
                (found.map(Iterator::collect), permit)
            }
        };
        let found: io::Result<Vec<SocketAddr>> = found;
        let found = found
            .map_err(|error| Error::DnsError { rcode: Some(error.to_string()), info_code: None })?;
        Ok((TcpStream::connect(&*found).await.map_err(Error::Connect)?, permit))
    }

    async fn exchange<S>(
        self,
        stream: S,
        permit: OwnedSemaphorePermit,
        request: Request<Bounded<WasiBody>>,
    ) -> Result<(Response<WasiBody>, Rest), Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Times { ends, closes, first_byte, between_bytes, .. } = self.times;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(self.head_bytes.max(HEAD_BYTES));
        let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
        let connection = spawn(async move {
            let _permit = permit;
            // What went wrong, the body tells.
            let _ = timeout_at(closes.into(), connection).await;
        });
        let response = timeout_at(by(ends, first_byte).into(), sender.send_request(request)).await;
        let response = response.map_err(|_| Error::ConnectionReadTimeout)??;
        let body = |body: Incoming| {
            let pause = Pause { ends, between_bytes, over: Box::pin(sleep_until(ends.into())) };
            Bounded {
                body,
                left: self.body_bytes,
                too_large: || Error::HttpResponseBodySize(None),
                pause: Some(pause.again()),
            }
            .boxed_unsync()
        };
        let rest = async move {
            connection.await;
            Ok(())
        };
        Ok((response.map(body), Box::new(rest)))
    }

    /// What goes over the wire: the path alone, the host that was granted, and
    /// a body that ends, if the method has one. The connection ends with the
    /// answer, so that what a server did not read is not its next request.
    fn addressed(&self, request: Request<WasiBody>) -> Result<Request<Bounded<WasiBody>>, Error> {
        let (mut head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        head.uri = Uri::try_from(path).map_err(|_| Error::HttpRequestUriInvalid)?;
        let length = framed(&head.method, &head.headers)?;
        for name in OURS {
            head.headers.remove(name);
        }
        let host = HeaderValue::try_from(self.origin.authority());
        head.headers.insert(header::HOST, host.map_err(|_| Error::HttpRequestUriInvalid)?);
        head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        let is_framed = length.is_some_and(|length| length > 0);
        let may_be_chunked = head.method != Method::DELETE;
        let body = if has_body(&head.method) && (is_framed || length.is_none() && may_be_chunked) {
            body
        } else {
            // Whoever writes to it is told that it is closed.
            Empty::new().map_err(|never| match never {}).boxed_unsync()
        };
        if let Some(length) = length.filter(|_| has_body(&head.method)) {
            head.headers.insert(header::CONTENT_LENGTH, length.into());
        }
        let body = Bounded {
            body,
            left: self.body_bytes,
            too_large: || Error::HttpRequestBodySize(None),
            pause: None,
        };
        Ok(Request::from_parts(head, body))
    }
}

/// How long the body is, by the guest's words: said once, or each time the
/// same, in digits alone; 0 by a method that has none.
fn framed(method: &Method, headers: &HeaderMap) -> Result<Option<u64>, Error> {
    let mut length = None;
    for value in headers.get_all(header::CONTENT_LENGTH) {
        let value = value.as_bytes();
        let digits = str::from_utf8(value).ok().filter(|_| value.iter().all(u8::is_ascii_digit));
        let read: u64 = digits.and_then(|it| it.parse().ok()).ok_or(Error::HttpRequestDenied)?;
        if length.is_some_and(|length| length != read) || read > 0 && !has_body(method) {
            return Err(Error::HttpRequestDenied);
        }
        length = Some(read);
    }
    Ok(length)
}

/// A body of so many bytes at most.
struct Bounded<B> {
    body: B,
    left: usize,
    too_large: fn() -> Error,
    /// How long the next piece may take.
    pause: Option<Pause>,
}

struct Pause {
    ends: Instant,
    between_bytes: Option<Duration>,
    over: Pin<Box<Sleep>>,
}

impl Pause {
    fn again(mut self) -> Self {
        self.restart();
        self
    }

    fn restart(&mut self) {
        let at = by(self.ends, self.between_bytes);
        self.over.as_mut().reset(at.into());
    }
}

impl<B> Body for Bounded<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Error>,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let Poll::Ready(next) = Pin::new(&mut this.body).poll_frame(context) else {
            let Some(pause) = &mut this.pause else { return Poll::Pending };
            ready!(pause.over.as_mut().poll(context));
            return Poll::Ready(Some(Err(Error::ConnectionReadTimeout)));
        };
        let Some(frame) = next else { return Poll::Ready(None) };
        let frame = frame.map_err(Into::into).and_then(|frame| {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            this.left = this.left.checked_sub(bytes).ok_or_else(this.too_large)?;
            if let Some(pause) = &mut this.pause {
                pause.restart();
            }
            Ok(frame)
        });
        Poll::Ready(Some(frame))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
