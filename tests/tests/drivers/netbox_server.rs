//! A small NetBox: as much of its REST API as its documentation and its serializers say
//! of prefixes and addresses, in memory. Pages are short, so that lists have several.

use ipnet::IpNet;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
    thread,
};

pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef01234567";
/// Objects on a page, at most.
const PAGE: usize = 2;

/// What it does instead of answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Answers that status, and no JSON.
    Status(u16),
    /// Answers what is no JSON.
    Garbage,
    /// Answers never.
    Hang,
    /// Ends the connection.
    Close,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    /// By id.
    pub(crate) prefixes: BTreeMap<u64, (IpNet, String)>,
    pub(crate) addresses: BTreeMap<u64, (IpNet, String)>,
    last_id: u64,
    pub(crate) fault: Option<Fault>,
    /// First lines of requests.
    pub(crate) asked: Vec<String>,
}

pub(crate) struct NetBox {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl NetBox {
    /// One that has these prefixes.
    pub(crate) fn new(prefixes: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let netbox = Self { address, state: Arc::default() };
        for prefix in prefixes {
            let id = netbox.state().id();
            netbox.state().prefixes.insert(id, (prefix.parse().unwrap(), String::new()));
        }
        let state = netbox.state.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let state = state.clone();
                // A client that goes away is part of what is tested.
                thread::spawn(move || serve(stream.unwrap(), &state));
            }
        });
        netbox
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Somebody else writes an address down.
    pub(crate) fn add(&self, address: &str) {
        let mut state = self.state();
        let id = state.id();
        state.addresses.insert(id, (address.parse().unwrap(), "a printer".to_owned()));
    }

    /// Each address and what is said of it, in order of their making.
    pub(crate) fn addresses(&self) -> Vec<(String, String)> {
        let state = self.state();
        state.addresses.values().map(|(net, text)| (net.to_string(), text.clone())).collect()
    }

    /// Each prefix that has a description.
    pub(crate) fn described(&self) -> Vec<(String, String)> {
        let state = self.state();
        let described = state.prefixes.values().filter(|(_, text)| !text.is_empty());
        described.map(|(net, text)| (net.to_string(), text.clone())).collect()
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    let header = |name: &str| {
        let of = |line: &String| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        };
        lines.iter().find_map(of)
    };
    let first = lines.first().cloned().unwrap_or_default();
    let length = header("content-length").and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let fault = {
        let mut state = state.lock().unwrap();
        state.asked.push(first.clone());
        state.fault
    };
    let (status, text) = match fault {
        Some(Fault::Hang) => loop {
            thread::park();
        },
        Some(Fault::Close) => return Ok(()),
        Some(Fault::Status(status)) => (status, "<html>".to_owned()),
        Some(Fault::Garbage) => (if first.starts_with("POST") { 201 } else { 200 }, "{".to_owned()),
        None if header("authorization") != Some(format!("Token {TOKEN}")) => {
            (403, json!({"detail": "Invalid token"}).to_string())
        }
        None if first.starts_with("POST") && length.is_none() => (411, String::new()),
        None => {
            let words: Vec<&str> = first.split(' ').collect();
            let (path, query) = words[1].split_once('?').unwrap_or((words[1], ""));
            let body = serde_json::from_slice(&body).unwrap_or_default();
            let answered = state.lock().unwrap().answer(words[0], path, query, &body);
            (answered.0, if answered.0 == 204 { String::new() } else { answered.1.to_string() })
        }
    };
    let length = text.len();
    write!(&stream, "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n\r\n{text}")
}

/// A query's names and values.
fn pairs(query: &str) -> BTreeMap<String, String> {
    let plain = |text: &str| {
        ["%2F", "%3A", "%20", "%3D"]
            .iter()
            .zip(["/", ":", " ", "="])
            .fold(text.to_owned(), |text, (code, plain)| text.replace(code, plain))
    };
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), plain(value))).collect()
}

impl State {
    fn id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn answer(&mut self, method: &str, path: &str, query: &str, body: &Value) -> (u16, Value) {
        let missing = (404, json!({"detail": "No Prefix matches the given query."}));
        let parts: Vec<&str> = path.split('/').collect();
        let (key, id, what) = match parts[..] {
            ["", "api", "ipam", "prefixes", ""] => ("prefix", None, ""),
            ["", "api", "ipam", "ip-addresses", ""] => ("address", None, ""),
            ["", "api", "ipam", "prefixes", id, ""] => ("prefix", Some(id), ""),
            ["", "api", "ipam", "ip-addresses", id, ""] => ("address", Some(id), ""),
            ["", "api", "ipam", "prefixes", id, what, ""] => ("prefix", Some(id), what),
            _ => return missing,
        };
        let id: Option<u64> = id.and_then(|id| id.parse().ok());
        let objects = if key == "prefix" { &mut self.prefixes } else { &mut self.addresses };
        let text = body["description"].as_str().unwrap_or_default().to_owned();
        match (method, id, what) {
            ("GET", None, _) => (200, list(objects, key, &pairs(query))),
            ("GET", Some(id), "") => match objects.get(&id) {
                Some(found) => (200, object(id, key, found)),
                None => missing,
            },
            ("DELETE", Some(id), "") => match objects.remove(&id) {
                Some(_) => (204, Value::Null),
                None => missing,
            },
            ("POST", None, _) => {
                let net: IpNet = body[key].as_str().unwrap_or_default().parse().unwrap();
                let is_same = |other: &IpNet| match key {
                    "prefix" => *other == net,
                    _ => other.addr() == net.addr(),
                };
                if objects.values().any(|(other, _)| is_same(other)) {
                    return (
                        400,
                        json!({key: [format!("Duplicate {key} found in global table: {net}")]}),
                    );
                }
                self.make(key, net, text)
            }
            ("POST", Some(id), "available-ips") => match self.prefixes.get(&id).cloned() {
                Some((prefix, _)) => match self.free_address(prefix) {
                    Some(address) => self.make(
                        "address",
                        IpNet::new(address, prefix.prefix_len()).unwrap(),
                        text,
                    ),
                    None => (409, json!({"detail": "An insufficient number of IP addresses"})),
                },
                None => missing,
            },
            ("POST", Some(id), "available-prefixes") => {
                let length = u8::try_from(body["prefix_length"].as_u64().unwrap()).unwrap();
                match self.prefixes.get(&id).cloned() {
                    Some((prefix, _)) => match self.free_prefix(prefix, length) {
                        Some(free) => self.make("prefix", free, text),
                        None => (409, json!({"detail": "Insufficient space is available"})),
                    },
                    None => missing,
                }
            }
            _ => (405, json!({"detail": format!("Method \"{method}\" not allowed.")})),
        }
    }

    fn make(&mut self, key: &str, net: IpNet, text: String) -> (u16, Value) {
        let id = self.id();
        let objects = if key == "prefix" { &mut self.prefixes } else { &mut self.addresses };
        objects.insert(id, (net, text));
        (201, object(id, key, &objects[&id]))
    }

    fn free_address(&self, prefix: IpNet) -> Option<IpAddr> {
        let taken =
            |address: &IpAddr| self.addresses.values().any(|(net, _)| net.addr() == *address);
        prefix.hosts().find(|address| !taken(address))
    }

    fn free_prefix(&self, parent: IpNet, length: u8) -> Option<IpNet> {
        let overlap = |a: &IpNet, b: &IpNet| a.contains(b) || b.contains(a);
        let children: Vec<IpNet> = self
            .prefixes
            .values()
            .map(|(net, _)| *net)
            .filter(|net| parent.contains(net) && *net != parent)
            .collect();
        // From child to child, since a /48 has more prefixes than there is time.
        let mut at = parent.network();
        loop {
            let free = IpNet::new(at, length).ok().filter(|free| parent.contains(free))?;
            let Some(child) = children.iter().find(|child| overlap(child, &free)) else {
                return Some(free);
            };
            let last =
                if child.prefix_len() < length { child.broadcast() } else { free.broadcast() };
            at = match last {
                IpAddr::V4(last) => IpAddr::V4(last.to_bits().checked_add(1)?.into()),
                IpAddr::V6(last) => IpAddr::V6(last.to_bits().checked_add(1)?.into()),
            };
        }
    }
}

fn object(id: u64, key: &str, (net, text): &(IpNet, String)) -> Value {
    json!({
        "id": id, "family": {"value": 4, "label": "IPv4"}, key: net.to_string(), "vrf": null,
        "status": {"value": "active", "label": "Active"}, "description": text, "tags": [],
    })
}

fn list(
    objects: &BTreeMap<u64, (IpNet, String)>,
    key: &str,
    query: &BTreeMap<String, String>,
) -> Value {
    let is_found = |(net, text): &(IpNet, String)| {
        query.iter().all(|(name, value)| match name.as_str() {
            "prefix" => net.to_string() == *value,
            "parent" => value.parse::<IpNet>().unwrap().contains(&net.addr()),
            "contains" => net.contains(&value.parse::<IpNet>().unwrap()),
            "within" => {
                let parent: IpNet = value.parse().unwrap();
                parent.contains(net) && parent != *net
            }
            "address" => net.addr().to_string() == *value,
            "description__isw" => text.to_lowercase().starts_with(&value.to_lowercase()),
            "vrf_id" => value == "null",
            "limit" | "offset" => true,
            _ => panic!("it has no filter {name}"),
        })
    };
    let found: Vec<Value> = objects
        .iter()
        .filter(|(_, found)| is_found(found))
        .map(|(id, found)| object(*id, key, found))
        .collect();
    let offset: usize = query["offset"].parse().unwrap();
    let end = (offset + PAGE).min(found.len());
    let next = (end < found.len()).then(|| format!("http://netbox/api/?offset={end}"));
    json!({"count": found.len(), "next": next, "previous": null, "results": found[offset.min(end)..end]})
}
