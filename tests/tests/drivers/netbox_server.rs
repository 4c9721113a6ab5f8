//! A small NetBox: of its REST API what the driver asks, in memory, as a real NetBox 4.6.8
//! was seen to answer it. Pages are short, so that lists have several.

mod lists;
mod objects;

use crate::server::{self, Asked};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{Arc, Barrier, Mutex, MutexGuard},
    thread,
    time::Duration,
};

pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef01234567";
/// Objects on a page at most, unless a test says otherwise: `MAX_PAGE_SIZE`.
const PAGE_MAX: usize = 2;

/// What it does instead of answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Answers that status, and no JSON.
    Status(u16),
    /// Answers what is no JSON.
    Garbage,
    /// Answers more than is read.
    Long,
    /// Answers never.
    Hang,
    /// Ends the connection.
    Close,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    /// A page has no more, whatever is asked for.
    pub(crate) page_max: usize,
    /// By id.
    pub(crate) prefixes: BTreeMap<u64, Value>,
    pub(crate) addresses: BTreeMap<u64, Value>,
    pub(crate) ranges: BTreeMap<u64, Value>,
    pub(crate) vrfs: BTreeMap<u64, Value>,
    last_id: u64,
    /// The same may be there twice, as where unique enforcement is off. Also what hosts
    /// make at the same moment.
    pub(crate) allows_duplicates: bool,
    /// The token's user makes and deletes only what has this tenant, and changes nothing.
    pub(crate) tenant: Option<String>,
    /// It does not view anything else either.
    pub(crate) hides_others: bool,
    pub(crate) fault: Option<Fault>,
    /// Where those wait for each other that make a prefix.
    pub(crate) meeting: Option<Arc<Barrier>>,
    /// How long it takes to make or delete something.
    pub(crate) write_time: Duration,
    /// Requests that begin so are never answered, nor done.
    pub(crate) hangs_at: Option<&'static str>,
    /// First lines of requests.
    pub(crate) asked: Vec<String>,
    /// How many each request deleted that deletes several.
    pub(crate) deleted_at_once: Vec<usize>,
}

pub(crate) struct NetBox {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl NetBox {
    /// One that has these prefixes.
    pub(crate) fn new(prefixes: &[&str]) -> Self {
        let state = Arc::<Mutex<State>>::default();
        let netbox = Self { address: server::listen(state.clone(), serve), state };
        netbox.state().page_max = PAGE_MAX;
        for prefix in prefixes {
            netbox.prefix(json!({"prefix": prefix}));
        }
        netbox
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Somebody else makes a prefix. Returns its id.
    pub(crate) fn prefix(&self, fields: Value) -> u64 {
        self.state().insert("prefix", fields)
    }

    /// Somebody else writes an address down.
    pub(crate) fn add(&self, address: &str) -> u64 {
        self.address(json!({"address": address, "description": "a printer"}))
    }

    pub(crate) fn address(&self, fields: Value) -> u64 {
        self.state().insert("address", fields)
    }

    pub(crate) fn range(&self, fields: Value) -> u64 {
        self.state().insert("start_address", fields)
    }

    /// Each address and what is said of it, in order of their making.
    pub(crate) fn addresses(&self) -> Vec<(String, String)> {
        self.state().addresses.values().map(|object| said(object, "address")).collect()
    }

    /// Each prefix that has a description.
    pub(crate) fn described(&self) -> Vec<(String, String)> {
        let state = self.state();
        let all = state.prefixes.values().map(|object| said(object, "prefix"));
        all.filter(|(_, text)| !text.is_empty()).collect()
    }
}

fn said(object: &Value, key: &str) -> (String, String) {
    let text = |key: &str| object[key].as_str().unwrap_or_default().to_owned();
    (text(key), text("description"))
}

fn serve(stream: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let asked = Asked::read(&stream)?;
    let first = &asked.first;
    let (fault, meeting, write_time) = {
        let mut state = state.lock().unwrap();
        state.asked.push(first.clone());
        let hangs = state.hangs_at.is_some_and(|at| first.starts_with(at));
        let fault = if hangs { Some(Fault::Hang) } else { state.fault };
        (fault, state.meeting.clone(), state.write_time)
    };
    if first.starts_with("POST /api/ipam/prefixes/ ")
        && let Some(meeting) = meeting
    {
        meeting.wait();
    }
    let (status, text) = match fault {
        Some(Fault::Hang) => loop {
            thread::park();
        },
        Some(Fault::Close) => return Ok(()),
        Some(Fault::Status(status)) => (status, "<html>".to_owned()),
        Some(Fault::Long) => (200, " ".repeat(1 << 20) + "{}"),
        Some(Fault::Garbage) => (if first.starts_with("POST") { 201 } else { 200 }, "{".to_owned()),
        None if asked.header("authorization") != Some(&*format!("Token {TOKEN}")) => {
            (403, json!({"detail": "Invalid v1 token"}).to_string())
        }
        None if first.starts_with("POST") && asked.length.is_none() => (411, String::new()),
        None => {
            let (method, path, query) = asked.target();
            let body = serde_json::from_slice(&asked.body).unwrap_or_default();
            let answered = state.lock().unwrap().answer(method, path, query, &body);
            if method != "GET" {
                // It is done, and the answer is on its way.
                thread::sleep(write_time);
            }
            let mut text = answered.1.to_string();
            if asked.header("accept-language") != Some("en") {
                // Its administrator's language.
                text = text.replace("Duplicate prefix found in", "Doppeltes Prefix gefunden in");
                text = text.replace("Duplicate IP address found", "Doppelte IP-Adresse gefunden");
            }
            (answered.0, if answered.0 == 204 { String::new() } else { text })
        }
    };
    let length = text.len();
    write!(&stream, "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n\r\n{text}")
}

/// A query's names and values.
fn pairs(query: &str) -> BTreeMap<String, String> {
    let plain = |text: &str| {
        ["%2F", "%3A", "%20", "%3D", "%2C"]
            .iter()
            .zip(["/", ":", " ", "=", ","])
            .fold(text.to_owned(), |text, (code, plain)| text.replace(code, plain))
    };
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), plain(value))).collect()
}
