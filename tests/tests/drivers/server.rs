//! What the tests' systems of record have in common: HTTP/1.1, one request for each
//! connection.

use std::{
    io::{self, BufRead as _, BufReader, Read as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// Serves each connection on a thread of its own until the test's process ends.
pub(crate) fn listen<S: Send + 'static>(
    state: Arc<Mutex<S>>,
    serve: fn(TcpStream, &Mutex<S>) -> io::Result<()>,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let state = state.clone();
            // A client that goes away is part of what is tested.
            thread::spawn(move || serve(stream.unwrap(), &state));
        }
    });
    address
}

/// What a client sent.
pub(crate) struct Asked {
    /// The first line.
    pub(crate) first: String,
    headers: Vec<String>,
    /// What the client says that the body has.
    pub(crate) length: Option<usize>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn read(stream: &TcpStream) -> io::Result<Self> {
        let mut reader = BufReader::new(stream);
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
                break;
            }
            headers.push(line.trim().to_owned());
        }
        let first = if headers.is_empty() { String::new() } else { headers.remove(0) };
        let mut asked = Self { first, headers, length: None, body: Vec::new() };
        asked.length = asked.header("content-length").and_then(|length| length.parse().ok());
        asked.body = vec![0; asked.length.unwrap_or(0)];
        reader.read_exact(&mut asked.body)?;
        Ok(asked)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut pairs = self.headers.iter().filter_map(|line| line.split_once(':'));
        pairs.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The method, the path, and the query without its mark.
    pub(crate) fn target(&self) -> (&str, &str, &str) {
        let mut words = self.first.split(' ');
        let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        (method, path, query)
    }
}
