//! A plain, blocking client: it writes what Docker writes to a socket, and reads
//! what comes back.
//!
//! It is not `ipam-http-client`, because tests replay recorded request lines and
//! headers as they are, because benchmarks must not measure an event loop of
//! their own, and because hyper's server is not to be tested by hyper's client
//! alone.

use serde_json::{Value, json};
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

/// How long a test waits for bytes before it says that none came.
const PATIENCE: Duration = Duration::from_secs(60);

/// One connection to a plugin's socket.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
}

/// An answer: its status, and its body as JSON (`null` if it is not).
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: Value,
}

impl Client {
    /// Connects to a socket.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn connect(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Posts `body` the way Docker 28 does: no Content-Type.
    ///
    /// # Errors
    /// When the connection ends before the answer does.
    pub fn post(&mut self, path: &str, body: &str) -> io::Result<Response> {
        let headers = [
            ("Host", "plugin.moby.localhost"),
            ("User-Agent", "Go-http-client/1.1"),
            ("Accept", "application/vnd.docker.plugins.v1.2+json"),
        ];
        self.send(&format!("POST {path} HTTP/1.1"), &headers, body.as_bytes())?;
        self.receive()
    }

    /// One call of Docker's that is answered: its status and its body.
    ///
    /// # Panics
    /// When the connection ends before the answer does.
    pub fn ask(&mut self, call: &str, body: &Value) -> (u16, Value) {
        let answer = self.post(&format!("/IpamDriver.{call}"), &body.to_string());
        let Response { status, body } = answer.expect("it answers");
        (status, body)
    }

    /// Takes a pool, by its prefix or any, and returns its id.
    ///
    /// # Panics
    /// When it is refused.
    #[track_caller]
    pub fn pool(&mut self, space: &str, prefix: &str) -> String {
        let body = json!({"AddressSpace": space, "Pool": prefix});
        let (status, body) = self.ask("RequestPool", &body);
        assert_eq!(status, 200, "{body}");
        body["PoolID"].as_str().expect("a pool has an id").to_owned()
    }

    /// Takes this address of a pool, or any. Returns it without its length.
    ///
    /// # Errors
    /// The status of a refusal.
    pub fn lease(&mut self, pool_id: &str, address: &str, options: &Value) -> Result<String, u16> {
        let body = json!({"PoolID": pool_id, "Address": address, "Options": options});
        let (status, body) = self.ask("RequestAddress", &body);
        match body["Address"].as_str().and_then(|text| text.split_once('/')) {
            Some((address, _)) => Ok(address.to_owned()),
            None => Err(status),
        }
    }

    /// Sends a request with its very line, headers and body; a Content-Length
    /// is added.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send(&mut self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<()> {
        let mut request = format!("{line}\r\n");
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        request += &format!("Content-Length: {}\r\n\r\n", body.len());
        let mut bytes = request.into_bytes();
        bytes.extend(body);
        self.stream.get_mut().write_all(&bytes)
    }

    /// Reads one answer.
    ///
    /// # Errors
    /// When the connection ends before the answer does, or it is none.
    pub fn receive(&mut self) -> io::Result<Response> {
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| invalid(&line))?;
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().map_err(|_| invalid(value))?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(Response { status, body: serde_json::from_slice(&body).unwrap_or_default() })
    }
}
