//! A plugin as there are many, scripted: one request a connection.

use serde_json::{Value, json};
use std::{
    io::{self, BufRead as _, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixListener,
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
    thread,
};

/// What comes of one request.
pub(crate) enum Reply {
    Answer(u16, String),
    /// The connection ends.
    Nothing,
    /// It stays, and nothing comes.
    Silence,
}

type Script = Box<dyn FnMut(&str, &Value) -> Reply + Send>;

/// One plugin, on as many sockets as it is put on. It listens until the test's
/// process ends.
#[derive(Clone)]
pub(crate) struct Legacy(Arc<Mutex<State>>);

struct State {
    script: Script,
    /// Each method with its body.
    asked: Vec<(String, Value)>,
}

pub(crate) fn answer(body: Value) -> Reply {
    Reply::Answer(200, body.to_string())
}

/// Activates, needs nothing, and knows the pool 192.0.2.0/24 as `p`, out of
/// which it always grants .7.
pub(crate) fn usual(method: &str, _: &Value) -> Reply {
    answer(match method {
        "Plugin.Activate" => json!({"Implements": ["IpamDriver"]}),
        "IpamDriver.GetCapabilities" => json!({"RequiresMACAddress": false}),
        "IpamDriver.GetDefaultAddressSpaces" => {
            json!({"LocalDefaultAddressSpace": "L", "GlobalDefaultAddressSpace": "G"})
        }
        "IpamDriver.RequestPool" => json!({"PoolID": "p", "Pool": "192.0.2.0/24"}),
        "IpamDriver.RequestAddress" => json!({"Address": "192.0.2.7/24"}),
        _ => json!({}),
    })
}

impl Legacy {
    pub(crate) fn new(script: impl FnMut(&str, &Value) -> Reply + Send + 'static) -> Self {
        let script = Box::new(script);
        Self(Arc::new(Mutex::new(State { script, asked: Vec::new() })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// From now on it answers so.
    pub(crate) fn script(&self, script: impl FnMut(&str, &Value) -> Reply + Send + 'static) {
        self.state().script = Box::new(script);
    }

    /// The bodies of what was asked by this method.
    pub(crate) fn asked(&self, method: &str) -> Vec<Value> {
        let state = self.state();
        let of = state.asked.iter().filter(|(asked, _)| asked == method);
        of.map(|(_, body)| body.clone()).collect()
    }

    pub(crate) fn on_socket(&self, path: &Path) {
        let listener = UnixListener::bind(path).unwrap();
        let plugin = self.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                plugin.clone().serve(stream.try_clone().unwrap(), stream);
            }
        });
    }

    pub(crate) fn on_tcp(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let plugin = self.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                plugin.clone().serve(stream.try_clone().unwrap(), stream);
            }
        });
        address
    }

    fn serve(self, from: impl Read + Send + 'static, to: impl Write + Send + 'static) {
        thread::spawn(move || self.exchange(from, to));
    }

    fn exchange(self, from: impl Read, mut to: impl Write) -> io::Result<()> {
        let mut reader = BufReader::new(from);
        let (mut method, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let line = line.trim().to_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(bytes) = line.strip_prefix("content-length:") {
                length = bytes.trim().parse().unwrap();
            }
            assert!(!line.starts_with("content-type"), "Docker sends none");
            if method.is_empty() {
                method = line;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let Some(method) = method.split(' ').nth(1) else { return Ok(()) };
        let method = NAMES.iter().find(|name| name.to_lowercase() == method[1..]).unwrap();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        let reply = {
            let mut state = self.state();
            let reply = (state.script)(method, &body);
            state.asked.push(((*method).to_owned(), body));
            reply
        };
        match reply {
            Reply::Answer(status, body) => {
                write!(to, "HTTP/1.1 {status} So\r\ncontent-length: {}\r\n", body.len())?;
                write!(to, "connection: close\r\n\r\n{body}")
            }
            Reply::Nothing => Ok(()),
            Reply::Silence => loop {
                thread::park();
            },
        }
    }
}

const NAMES: [&str; 8] = [
    "Plugin.Activate",
    "IpamDriver.GetCapabilities",
    "IpamDriver.GetDefaultAddressSpaces",
    "IpamDriver.RequestPool",
    "IpamDriver.ReleasePool",
    "IpamDriver.RequestAddress",
    "IpamDriver.ReleaseAddress",
    "VolumeDriver.List",
];
