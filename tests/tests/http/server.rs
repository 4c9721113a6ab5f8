//! A small HTTP server that writes down whatever it is asked.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// Answers until the test's process ends.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self::redirecting("/elsewhere".to_owned())
    }

    /// A server whose `/api/away` sends there.
    pub(crate) fn redirecting(away: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::default();
        let server = Self { address, asked };
        let (asked, away) = (server.asked.clone(), Arc::new(away));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (asked, away) = (asked.clone(), away.clone());
                // A client that goes away is part of what is tested.
                thread::spawn(move || serve(stream.unwrap(), &asked, &away));
            }
        });
        server
    }

    /// A server that writes down all that a connection brings, for as long as
    /// it brings any, and answers then, as if it had been one request.
    pub(crate) fn recording() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = Self { address, asked: Arc::default() };
        let asked = server.asked.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                record(stream.unwrap(), &asked);
            }
        });
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Each request so far: its first line, its host, and how long its body is.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn record(mut stream: TcpStream, asked: &Mutex<Vec<String>>) {
    let mut bytes = vec![0];
    // However busy the machine is, the first byte comes.
    let _ = stream.read_exact(&mut bytes);
    // Nobody who has more to say is silent for so long.
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let _ = stream.read_to_end(&mut bytes);
    asked.lock().unwrap().push(String::from_utf8(bytes).unwrap());
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
}

fn serve(stream: TcpStream, asked: &Mutex<Vec<String>>, away: &str) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    let header = |name: &str| {
        let of = |line: &String| Some(line.to_lowercase().strip_prefix(name)?.trim().to_owned());
        lines.iter().filter_map(of).collect::<Vec<_>>().join(" and ")
    };
    let request = lines.first().cloned().unwrap_or_default();
    asked.lock().unwrap().push(format!("{request} at {}", header("host:")));
    let mut length = 0;
    if header("transfer-encoding:") == "chunked" {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let chunk = u64::from_str_radix(line.trim(), 16).unwrap_or(0);
            length += chunk;
            io::copy(&mut reader.by_ref().take(chunk + 2), &mut io::sink())?;
            if chunk == 0 {
                break;
            }
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    answer(stream, &path, length, away)
}

fn answer(mut stream: impl Write, path: &str, length: u64, away: &str) -> io::Result<()> {
    let pause = || thread::sleep(Duration::from_millis(20));
    match path {
        "/api/away" => {
            write!(stream, "HTTP/1.1 302 Found\r\nlocation: {away}\r\ncontent-length: 0\r\n\r\n")
        }
        "/api/never" => loop {
            thread::park();
        },
        // A byte now and then, without end.
        "/api/drips" => {
            write!(stream, "HTTP/1.1 200 OK\r\n\r\n")?;
            loop {
                write!(stream, ".")?;
                pause();
            }
        }
        "/api/stops" => {
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")?;
            loop {
                thread::park();
            }
        }
        "/api/head" => {
            write!(stream, "HTTP/1.1 200 OK\r\n")?;
            loop {
                write!(stream, "x-more: {}\r\n", "and ".repeat(100))?;
            }
        }
        _ => {
            let body = match path.strip_prefix("/api/bytes/") {
                Some(bytes) => "x".repeat(bytes.parse().unwrap()),
                None => format!("took {length} bytes"),
            };
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        }
    }
}
