//! The part of NetBox's REST API that is used.
//!
//! In: what to look for, create or delete. Out: objects whose id and prefix or
//! address were there and could be read, or a refusal. Nothing that NetBox says is
//! believed further than that: an answer that is not what its documentation says is
//! an internal error.

use crate::{
    config::Config,
    http::{Http, Method, Request, Response},
};
use ipam_driver::{Code, Error, IpNet, Kind, parse_prefix};
use serde_json::{Map, Value, json};

/// Objects on a page.
const PAGE: usize = 100;
/// Pages of one list. A call makes a limited number of requests.
const PAGES_MAX: usize = 20;
/// Bytes of NetBox's words that are passed on.
const WORDS_BYTES_MAX: usize = 300;

/// A NetBox, and a way to ask it.
#[derive(Debug)]
pub(crate) struct Api<H> {
    config: Config,
    http: H,
}

/// One of its objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) id: u64,
    /// Its prefix, or its address with the length that it has there.
    pub(crate) net: IpNet,
    pub(crate) description: String,
}

/// The two kinds of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    Prefixes,
    Addresses,
}

impl Of {
    fn path(self) -> &'static str {
        match self {
            Self::Prefixes => "/ipam/prefixes/",
            Self::Addresses => "/ipam/ip-addresses/",
        }
    }

    /// The key of an object's value, and the path to ask for objects.
    fn key(self) -> &'static str {
        match self {
            Self::Prefixes => "prefix",
            Self::Addresses => "address",
        }
    }
}

/// The answer to a request that fails when there is no room.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Made {
    Object(Object),
    /// There is no room: 409.
    Exhausted,
    /// The prefix to take it from does not exist: 404.
    NotFound,
}

impl<H: Http> Api<H> {
    pub(crate) fn new(config: Config, http: H) -> Self {
        Self { config, http }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// All objects of our VRF that every filter finds, the one with the lowest id first.
    pub(crate) fn list(&mut self, of: Of, filters: &[(&str, &str)]) -> Result<Vec<Object>, Error> {
        let mut query = String::new();
        for (name, value) in filters {
            query += &format!("{name}={}&", escaped(value));
        }
        let vrf = self.config.vrf.map_or_else(|| "null".to_owned(), |vrf| vrf.to_string());
        let mut found = Vec::new();
        for _ in 0..PAGES_MAX {
            // By offsets: what `next` says is made of what a proxy says. A page may be
            // shorter than was asked for.
            let offset = found.len();
            let path = format!("{}?{query}vrf_id={vrf}&limit={PAGE}&offset={offset}", of.path());
            let response = self.send(Method::Get, &path, "")?;
            let body = json_of(&response, 200)?;
            let results = body.get("results").and_then(Value::as_array);
            for result in results.ok_or_else(|| odd("a list has no results"))? {
                found.push(object(of, result)?);
            }
            if body.get("next").is_none_or(Value::is_null) {
                found.sort_by_key(|object| object.id);
                return Ok(found);
            }
            if found.len() == offset {
                return Err(odd("a page has no results, and another follows"));
            }
        }
        Err(odd(&format!("a list has more than {PAGES_MAX} pages")))
    }

    /// One object, if it is there.
    pub(crate) fn get(&mut self, of: Of, id: u64) -> Result<Option<Object>, Error> {
        let response = self.send(Method::Get, &format!("{}{id}/", of.path()), "")?;
        if response.status == 404 {
            return Ok(None);
        }
        object(of, &json_of(&response, 200)?).map(Some)
    }

    /// Makes exactly this object. Nothing if NetBox says that there is one already.
    pub(crate) fn create(
        &mut self,
        of: Of,
        net: IpNet,
        description: &str,
    ) -> Result<Option<Object>, Error> {
        let mut wish = wish(description);
        wish.insert(of.key().to_owned(), json!(net.to_string()));
        if let Some(vrf) = self.config.vrf {
            wish.insert("vrf".to_owned(), json!(vrf));
        }
        let response = self.send(Method::Post, of.path(), &Value::from(wish).to_string())?;
        // It has no code for that, only words: "Duplicate prefix found in …".
        if response.status == 400 && contains(&response.body, b"Duplicate ") {
            return Ok(None);
        }
        object(of, &json_of(&response, 201)?).map(Some)
    }

    /// Takes the next address of a prefix, or the next prefix of that length in it.
    pub(crate) fn available(
        &mut self,
        of: Of,
        parent: u64,
        length: Option<u8>,
        description: &str,
    ) -> Result<Made, Error> {
        let mut wish = wish(description);
        wish.extend(length.map(|length| ("prefix_length".to_owned(), json!(length))));
        let what = match of {
            Of::Prefixes => "available-prefixes",
            Of::Addresses => "available-ips",
        };
        let path = format!("/ipam/prefixes/{parent}/{what}/");
        let response = self.send(Method::Post, &path, &Value::from(wish).to_string())?;
        match response.status {
            409 => Ok(Made::Exhausted),
            404 => Ok(Made::NotFound),
            _ => {
                let body = json_of(&response, 201)?;
                // A list where one was sent; some versions always answer one.
                let one = body.as_array().map_or(Some(&body), |list| list.first());
                object(of, one.ok_or_else(|| odd("nothing was made"))?).map(Made::Object)
            }
        }
    }

    /// Deletes an object, which may be gone already.
    pub(crate) fn delete(&mut self, of: Of, id: u64) -> Result<(), Error> {
        let response = self.send(Method::Delete, &format!("{}{id}/", of.path()), "")?;
        match response.status {
            204 | 404 => Ok(()),
            _ => Err(refusal(&response)),
        }
    }

    fn send(&mut self, method: Method, path: &str, body: &str) -> Result<Response, Error> {
        let request = Request { config: &self.config, method, path, body };
        self.http.send(&request).map_err(|reason| {
            let text = format!("NetBox does not answer: {}", cut(&reason));
            Error::other(Kind::Unavailable, text)
        })
    }
}

/// What every object of ours has.
fn wish(description: &str) -> Map<String, Value> {
    let pairs = [("description", description), ("status", "active")];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), json!(value))).collect()
}

/// The body of an answer of that status.
fn json_of(response: &Response, status: u16) -> Result<Value, Error> {
    if response.status != status {
        return Err(refusal(response));
    }
    serde_json::from_slice(&response.body).map_err(|_| odd("that is no JSON"))
}

fn object(of: Of, value: &Value) -> Result<Object, Error> {
    let read = || {
        let net = parse_prefix(value.get(of.key())?.as_str()?)?;
        let description = value.get("description").and_then(Value::as_str).unwrap_or_default();
        let description = description.to_owned();
        Some(Object { id: value.get("id")?.as_u64()?, net, description })
    };
    read().ok_or_else(|| odd(&format!("that has no id and {}", of.key())))
}

/// The error of an answer that is no success, with NetBox's text if it has one.
fn refusal(response: &Response) -> Error {
    let status = response.status;
    let kind = match status {
        401 | 403 => Kind::Forbidden,
        400 | 409 => Kind::BadRequest,
        404 => Kind::NotFound,
        429 | 500.. => Kind::Unavailable,
        _ => Kind::Internal,
    };
    let value: Option<Value> = serde_json::from_slice(&response.body).ok();
    let detail = value.as_ref().map(|value| match value.get("detail").and_then(Value::as_str) {
        Some(detail) => detail.to_owned(),
        None => value.to_string(),
    });
    match detail {
        Some(detail) => Error::other(kind, format!("NetBox answers {status}: {}", cut(&detail))),
        None => Error::other(kind, format!("NetBox answers {status}")),
    }
}

/// An answer that is not what the documentation says.
pub(crate) fn odd(text: &str) -> Error {
    Error::other(Kind::Internal, format!("NetBox's answer is not understood: {text}"))
}

/// NetBox has no such pool.
pub(crate) fn gone(pool_id: &str) -> Error {
    Error::new(Code::PoolNotFound, format!("NetBox has no pool {pool_id}"))
}

/// As a value in a query.
fn escaped(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(WORDS_BYTES_MAX)]
}

fn contains(body: &[u8], words: &[u8]) -> bool {
    body.windows(words.len()).any(|window| window == words)
}
