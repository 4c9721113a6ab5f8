//! The listener: small, bounded, and nobody's way to anything but numbers.

use crate::text::{CONTENT_TYPE, text};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use ipam_service::Service;
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};

/// What scrapers may cost. Each limit is finite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; more wait.
    pub connections_max: usize,
    /// How long the head of a request may take to arrive.
    pub head_timeout: Duration,
    /// How long a connection may last.
    pub connection_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 16,
            head_timeout: Duration::from_secs(10),
            connection_timeout: Duration::from_secs(600),
        }
    }
}

/// How long to wait when the system cannot accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `GET /metrics` until it is dropped.
pub async fn listen(listener: TcpListener, service: Arc<Service>, limits: Limits) -> Infallible {
    let slots = Arc::new(Semaphore::new(limits.connections_max.max(1)));
    loop {
        let slot = Arc::clone(&slots).acquire_owned().await.ok();
        match listener.accept().await {
            Ok((stream, _)) => {
                let (service, limits) = (service.clone(), limits.clone());
                tokio::spawn(async move {
                    serve(stream, service, &limits).await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a scrape");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, service: Arc<Service>, limits: &Limits) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(answer(&request, service).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .serve_connection(TokioIo::new(stream), answer);
    if let Ok(Err(error)) = timeout(limits.connection_timeout, connection).await {
        tracing::debug!(%error, "a scrape failed");
    }
}

async fn answer(request: &Request<Incoming>, service: Arc<Service>) -> Response<Full<Bytes>> {
    let (status, kind, body) = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/metrics") => match written(service).await {
            Some(text) => (StatusCode::OK, CONTENT_TYPE, text),
            None => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "text/plain",
                "cannot write the metrics\n".to_owned(),
            ),
        },
        (_, "/metrics") => {
            (StatusCode::METHOD_NOT_ALLOWED, "text/plain", "only GET is served\n".to_owned())
        }
        _ => (StatusCode::NOT_FOUND, "text/plain", "metrics are at /metrics\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Written on another thread: of a thousand drivers it takes a while, and
/// whoever runs this may serve Docker's sockets, too.
async fn written(service: Arc<Service>) -> Option<String> {
    tokio::task::spawn_blocking(move || text(&service)).await.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use super::{Limits, listen};
    use ipam_ledger::MemoryStore;
    use ipam_service::Service;
    use std::{sync::Arc, time::Duration};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
        time::timeout,
    };

    async fn serve(limits: Limits) -> std::net::SocketAddr {
        let store = Box::new(MemoryStore::default());
        let service = Service::new(store, ipam_service::Limits::default()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(listen(listener, Arc::new(service), limits));
        address
    }

    async fn scrape(stream: &mut TcpStream) -> String {
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut bytes = [0; 1024];
        let read = stream.read(&mut bytes).await.unwrap();
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    }

    #[tokio::test]
    async fn who_says_nothing_or_stays_too_long_is_let_go() {
        let short = Duration::from_millis(50);
        for limits in [
            Limits { head_timeout: short, ..Limits::default() },
            Limits { connection_timeout: short, ..Limits::default() },
        ] {
            let mut stream = TcpStream::connect(serve(limits).await).await.unwrap();
            let mut rest = Vec::new();
            let ended = timeout(Duration::from_secs(60), stream.read_to_end(&mut rest)).await;
            assert!(ended.is_ok(), "it is served for ever");
        }
    }

    #[tokio::test]
    async fn one_connection_too_many_waits_for_another_to_end() {
        let limits = Limits { connections_max: 1, ..Limits::default() };
        let address = serve(limits).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        assert!(scrape(&mut first).await.starts_with("HTTP/1.1 200"));
        let mut second = TcpStream::connect(address).await.unwrap();
        let early = timeout(Duration::from_millis(100), scrape(&mut second)).await;
        assert!(early.is_err(), "two at a time");
        drop(first);
        let mut bytes = [0; 12];
        second.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"HTTP/1.1 200");
    }
}
