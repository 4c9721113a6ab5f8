//! The part of NetBox's REST API that is used.
//!
//! In: what to look for, create or delete. Out: objects whose id and prefix or
//! address were there and could be read, or a refusal. Nothing that NetBox says is
//! believed further than that: an answer that is not what its documentation says is
//! an internal error.

use crate::config::Config;
use ipam_driver::{Code, Error, IpNet, parse_prefix};
use ipam_http_driver::{Client, Http, Page, Server, escaped};
use serde_json::{Map, Value, json};

/// Objects on a page.
const PAGE: usize = 100;

/// A NetBox, and a way to ask it.
#[derive(Debug)]
pub(crate) struct Api<H> {
    config: Config,
    client: Client<H>,
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
    pub(crate) fn new((server, config): (Server, Config), http: H) -> Self {
        Self { config, client: Client::new(server, http) }
    }

    /// An answer that is not what the documentation says.
    pub(crate) fn odd(&self, text: &str) -> Error {
        self.client.odd(text)
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
        let page = |client: &mut Client<H>, offset| {
            // By offsets: what `next` says is made of what a proxy says. A page may be
            // shorter than was asked for.
            let path = format!("{}?{query}vrf_id={vrf}&limit={PAGE}&offset={offset}", of.path());
            let response = client.get(&path)?;
            let body = client.json(&response, 200)?;
            let results = body.get("results").and_then(Value::as_array);
            let results = results.ok_or_else(|| client.odd("a list has no results"))?;
            let items = results.iter().map(|result| object(client, of, result));
            let items = items.collect::<Result<Vec<_>, _>>()?;
            let has_next = body.get("next").is_some_and(|next| !next.is_null());
            Ok(Page { items, has_next })
        };
        let mut found = self.client.read_pages(page)?;
        found.sort_by_key(|object| object.id);
        Ok(found)
    }

    /// One object, if it is there.
    pub(crate) fn get(&mut self, of: Of, id: u64) -> Result<Option<Object>, Error> {
        let response = self.client.get(&format!("{}{id}/", of.path()))?;
        if response.status == 404 {
            return Ok(None);
        }
        let body = self.client.json(&response, 200)?;
        object(&self.client, of, &body).map(Some)
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
        let response = self.client.post(of.path(), &Value::from(wish))?;
        // It has no code for that, only words: "Duplicate prefix found in …".
        if response.status == 400 && contains(&response.body, b"Duplicate ") {
            return Ok(None);
        }
        let body = self.client.json(&response, 201)?;
        object(&self.client, of, &body).map(Some)
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
        let response = self.client.post(&path, &Value::from(wish))?;
        match response.status {
            409 => Ok(Made::Exhausted),
            404 => Ok(Made::NotFound),
            _ => {
                let body = self.client.json(&response, 201)?;
                // A list where one was sent; some versions always answer one.
                let one = body.as_array().map_or(Some(&body), |list| list.first());
                let one = one.ok_or_else(|| self.odd("nothing was made"))?;
                object(&self.client, of, one).map(Made::Object)
            }
        }
    }

    /// Deletes an object, which may be gone already.
    pub(crate) fn delete(&mut self, of: Of, id: u64) -> Result<(), Error> {
        let response = self.client.delete(&format!("{}{id}/", of.path()), None)?;
        match response.status {
            204 | 404 => Ok(()),
            _ => Err(self.client.refusal(&response)),
        }
    }
}

/// What every object of ours has.
fn wish(description: &str) -> Map<String, Value> {
    let pairs = [("description", description), ("status", "active")];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), json!(value))).collect()
}

fn object<H: Http>(client: &Client<H>, of: Of, value: &Value) -> Result<Object, Error> {
    let read = || {
        let net = parse_prefix(value.get(of.key())?.as_str()?)?;
        let description = value.get("description").and_then(Value::as_str).unwrap_or_default();
        let description = description.to_owned();
        Some(Object { id: value.get("id")?.as_u64()?, net, description })
    };
    read().ok_or_else(|| client.odd(&format!("that has no id and {}", of.key())))
}

/// NetBox has no such pool.
pub(crate) fn gone(pool_id: &str) -> Error {
    Error::new(Code::PoolNotFound, format!("NetBox has no pool {pool_id}"))
}

fn contains(body: &[u8], words: &[u8]) -> bool {
    body.windows(words.len()).any(|window| window == words)
}
