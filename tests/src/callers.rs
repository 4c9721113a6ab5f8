//! Many callers at once, each on a connection of its own, none of which waits
//! for another: what it takes to keep a daemon busy, at little cost.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    task::JoinSet,
};

/// No answer of these callers is longer, head and all.
const ANSWER_BYTES_MAX: usize = 4096;

/// What every caller does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Takes addresses and keeps them.
    Grants,
    /// Takes an address and gives it back: two calls.
    Pairs,
    /// Takes any pool and gives it back: two calls.
    Pools,
}

/// Callers on some sockets.
#[derive(Debug, Clone)]
pub struct Callers {
    /// Each has the pool.
    pub sockets: Vec<PathBuf>,
    /// The pool's id; of no use for [`Work::Pools`].
    pub pool_id: String,
    /// On each socket.
    pub connections: usize,
    /// What they do.
    pub work: Work,
}

impl Callers {
    /// Has them call until `calls` of them were answered, and tells how long
    /// that took, connecting aside.
    ///
    /// # Errors
    /// When a connection fails, or a call is refused.
    pub fn call(&self, calls: usize) -> io::Result<Duration> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        runtime.block_on(async {
            let mut streams = Vec::new();
            for _ in 0..self.connections {
                for socket in &self.sockets {
                    streams.push(UnixStream::connect(socket).await?);
                }
            }
            let left = Arc::new(AtomicUsize::new(calls));
            let begin = Instant::now();
            let mut callers = JoinSet::new();
            for stream in streams {
                let caller = Caller { stream, pool_id: self.pool_id.clone(), work: self.work };
                callers.spawn(caller.run(Arc::clone(&left)));
            }
            while let Some(ended) = callers.join_next().await {
                ended.map_err(io::Error::other)??;
            }
            Ok(begin.elapsed())
        })
    }
}

struct Caller {
    stream: UnixStream,
    pool_id: String,
    work: Work,
}

impl Caller {
    async fn run(mut self, left: Arc<AtomicUsize>) -> io::Result<()> {
        let mut answer = [0; ANSWER_BYTES_MAX];
        let ask = match self.work {
            Work::Pools => request("RequestPool", r#"{"AddressSpace":"LocalDefault"}"#),
            Work::Grants | Work::Pairs => {
                request("RequestAddress", &format!(r#"{{"PoolID":"{}"}}"#, self.pool_id))
            }
        };
        let take = |calls: usize| {
            let less = |left: usize| left.checked_sub(calls);
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
        };
        let each = if self.work == Work::Grants { 1 } else { 2 };
        while take(each) {
            let body = exchange(&mut self.stream, &ask, &mut answer).await?;
            let value = body.split('"').nth(3).unwrap_or_default();
            let release = match self.work {
                Work::Grants => continue,
                Work::Pairs => {
                    let address = value.split('/').next().unwrap_or_default();
                    let body = format!(r#"{{"PoolID":"{}","Address":"{address}"}}"#, self.pool_id);
                    request("ReleaseAddress", &body)
                }
                Work::Pools => request("ReleasePool", &format!(r#"{{"PoolID":"{value}"}}"#)),
            };
            exchange(&mut self.stream, &release, &mut answer).await?;
        }
        Ok(())
    }
}

fn request(call: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST /IpamDriver.{call} HTTP/1.1\r\nHost: w\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// Sends a request and returns the body of its answer.
async fn exchange<'a>(
    stream: &mut UnixStream,
    request: &[u8],
    answer: &'a mut [u8],
) -> io::Result<&'a str> {
    stream.write_all(request).await?;
    let mut length = 0;
    let (head, end) = loop {
        let read = stream.read(&mut answer[length..]).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        length += read;
        if let Some(ends) = ends(&answer[..length])
            && ends.1 <= length
        {
            break ends;
        }
    };
    let text = std::str::from_utf8(&answer[..end]).map_err(io::Error::other)?;
    if !text.starts_with("HTTP/1.1 200") {
        return Err(io::Error::other(text.to_owned()));
    }
    Ok(&text[head..])
}

/// Where the head of an answer ends, and where all of it does.
fn ends(answer: &[u8]) -> Option<(usize, usize)> {
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&answer[..head]).ok()?;
    let mut lines = text.lines().filter_map(|line| line.split_once(": "));
    let (_, length) = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?;
    Some((head, head + length.parse::<usize>().ok()?))
}

/// Asks the daemon behind a socket for a pool, by its prefix.
///
/// # Errors
/// When it is refused.
pub fn request_pool(socket: &Path, prefix: &str) -> io::Result<String> {
    let mut client = crate::http::Client::connect(socket)?;
    let body = format!(r#"{{"AddressSpace":"LocalDefault","Pool":"{prefix}"}}"#);
    let answer = client.post("/IpamDriver.RequestPool", &body)?;
    match answer.body["PoolID"].as_str() {
        Some(pool_id) => Ok(pool_id.to_owned()),
        None => Err(io::Error::other(format!("{answer:?}"))),
    }
}
