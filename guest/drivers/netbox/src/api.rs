//! The part of NetBox's REST API that is used.
//!
//! In: what to look for, make or delete. Out: objects whose id and prefix or address
//! were there and could be read, or a refusal. Nothing that NetBox says is believed
//! further than that: an answer that is not what its documentation says is an internal
//! error. A filter that NetBox does not know finds everything, without a word; so what
//! is found is looked at again by who asked.

use crate::system::System;
use ipam_driver::{Error, IpNet, parse_prefix};
use ipam_http_driver::{Client, Http, Object, Of, Page, Response, Server, SystemOfRecord, escaped};
use serde_json::{Map, Value, json};

/// Objects on a page: as many as NetBox gives.
const PAGE: usize = 1000;
/// Objects that are deleted with one request: NetBox takes 30 ms for each.
const DELETED_AT_ONCE: usize = 100;

/// The filter that finds descriptions by their beginning.
pub(crate) const DESCRIPTION_FILTER: &str = "description__isw";

/// A NetBox, and a way to ask it.
#[derive(Debug)]
pub(crate) struct Api<H> {
    pub(crate) client: Client<H>,
    /// The VRF whose objects are asked for.
    pub(crate) vrf: Option<u64>,
    /// The custom field whose text says whose an object is; else the description begins
    /// with it.
    pub(crate) field: Option<String>,
}

/// The key of an object's value.
fn key(of: Of) -> &'static str {
    match of {
        Of::Pools => "prefix",
        Of::Addresses => "address",
    }
}

/// The answer to a request that fails when there is no room.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Object(Object),
    /// There is no room: 409.
    Exhausted,
    /// What to take it from does not exist: 404.
    NotFound,
}

impl<H: Http> Api<H> {
    pub(crate) fn new(server: Server, http: H, field: Option<String>) -> Self {
        Self { client: Client::new(server, http), vrf: None, field }
    }

    /// The filter that finds objects by whose they are.
    pub(crate) fn identity_filter(&self) -> String {
        let by = self.field.as_ref().map(|field| format!("cf_{field}"));
        by.unwrap_or_else(|| DESCRIPTION_FILTER.to_owned())
    }

    /// All objects of our VRF that every filter finds, the one with the lowest id first.
    pub(crate) fn list(&mut self, of: Of, filters: &[(&str, &str)]) -> Result<Vec<Object>, Error> {
        let path = self.path(of, filters);
        let field = self.field.clone();
        let mut found = self.pages(&path, |value| object(field.as_deref(), of, value))?;
        found.sort_by_key(|object| object.id);
        Ok(found)
    }

    /// One page of such a list, from `offset` on.
    pub(crate) fn page(
        &mut self,
        of: Of,
        filters: &[(&str, &str)],
        limit: usize,
        offset: usize,
    ) -> Result<Page<Object>, Error> {
        let path = format!("{}{}", self.path(of, filters), tail(self.vrf, limit, offset));
        let field = self.field.clone();
        read_page(&mut self.client, &path, &|value| object(field.as_deref(), of, value))
    }

    /// The path of a list, but for which page. In the order of their ids no object is
    /// missed between two pages while others are made. Only what is read: a page with all
    /// fields is ten times as long.
    fn path(&self, of: Of, filters: &[(&str, &str)]) -> String {
        let custom = if self.field.is_some() { ",custom_fields" } else { "" };
        let fields = format!("id,{},description,status{custom}", key(of));
        format!("{}?{}ordering=id&fields={fields}&", System::<H>::path(of), query(filters))
    }

    /// The ids of what these filters find elsewhere in NetBox, in its order.
    pub(crate) fn ids(&mut self, path: &str, filters: &[(&str, &str)]) -> Result<Vec<u64>, Error> {
        self.pages(&format!("{path}?{}", query(filters)), |value| value.get("id")?.as_u64())
    }

    /// The ids of active IP ranges that lie in a prefix.
    pub(crate) fn ranges(&mut self, prefix: IpNet) -> Result<Vec<u64>, Error> {
        let filters = [("parent", &*prefix.to_string()), ("status", "active")];
        self.ids("/ipam/ip-ranges/", &filters)
    }

    fn pages<T>(
        &mut self,
        path: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        // Custom fields may be long.
        let (vrf, limit) = (self.vrf, if self.field.is_some() { PAGE / 4 } else { PAGE });
        let what = path.split('?').next().unwrap_or(path);
        self.client.read_pages(what, |client, offset| {
            // By offsets: what `next` says is made of what a proxy says. A page may be
            // shorter than was asked for.
            read_page(client, &format!("{path}{}", tail(vrf, limit, offset)), &read)
        })
    }

    /// One object, if it is there.
    pub(crate) fn get(&mut self, of: Of, id: u64) -> Result<Option<Object>, Error> {
        let response = self.client.get(&format!("{}{id}/", System::<H>::path(of)))?;
        if self.client.is_gone(&response)? {
            return Ok(None);
        }
        let body = self.client.json(&response, 200)?;
        self.read(of, &body).map(Some)
    }

    /// Makes exactly this object. Nothing if NetBox says that it cannot be there twice, or
    /// not within a range that it counts as used up.
    pub(crate) fn create(
        &mut self,
        of: Of,
        net: IpNet,
        mut fields: Map<String, Value>,
    ) -> Result<Option<Object>, Error> {
        fields.insert(key(of).to_owned(), json!(net.to_string()));
        if let Some(vrf) = self.vrf {
            fields.insert("vrf".to_owned(), json!(vrf));
        }
        let response = self.client.post(System::<H>::path(of), &Value::from(fields))?;
        // It has no code for that, only words.
        let says = |words: &str| contains(&response, words);
        if response.status == 400 && (says("Duplicate ") || says(" inside range ")) {
            return Ok(None);
        }
        let body = self.client.json(&response, 201)?;
        self.read(of, &body).map(Some)
    }

    /// Takes the next address of a prefix or of an IP range, or the next prefix in one:
    /// `of` what, from `parent`, a path.
    pub(crate) fn available(
        &mut self,
        of: Of,
        parent: &str,
        fields: Map<String, Value>,
    ) -> Result<Taken, Error> {
        let what = match of {
            Of::Pools => "available-prefixes",
            Of::Addresses => "available-ips",
        };
        let response = self.client.post(&format!("{parent}{what}/"), &Value::from(fields))?;
        match response.status {
            409 => Ok(Taken::Exhausted),
            _ if self.client.is_gone(&response)? => Ok(Taken::NotFound),
            _ => {
                let body = self.client.json(&response, 201)?;
                // A list where one was sent; some versions always answer one.
                let one = body.as_array().map_or(Some(&body), |list| list.first());
                let one = one.ok_or_else(|| self.client.odd("nothing was made"))?;
                self.read(of, one).map(Taken::Object)
            }
        }
    }

    /// Deletes an object. False if it was not there.
    pub(crate) fn delete(&mut self, of: Of, id: u64) -> Result<bool, Error> {
        let response = self.client.delete(&format!("{}{id}/", System::<H>::path(of)), None)?;
        match response.status {
            204 => Ok(true),
            _ if self.client.is_gone(&response)? => Ok(false),
            _ => Err(self.client.refusal(&response)),
        }
    }

    /// Deletes addresses, a hundred with one request. NetBox leaves out, without a word,
    /// what is not there or not ours to delete: look again.
    pub(crate) fn delete_all(&mut self, ids: &[u64]) -> Result<(), Error> {
        for ids in ids.chunks(DELETED_AT_ONCE) {
            let body: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
            let response =
                self.client.delete(System::<H>::path(Of::Addresses), Some(&Value::from(body)))?;
            if response.status != 204 {
                return Err(self.client.refusal(&response));
            }
        }
        Ok(())
    }

    fn read(&self, of: Of, value: &Value) -> Result<Object, Error> {
        let odd = || self.client.odd(&format!("that has no id and {}", key(of)));
        object(self.field.as_deref(), of, value).ok_or_else(odd)
    }
}

/// The end of each list's query.
fn tail(vrf: Option<u64>, limit: usize, offset: usize) -> String {
    let vrf = vrf.map_or_else(|| "null".to_owned(), |vrf| vrf.to_string());
    format!("vrf_id={vrf}&limit={limit}&offset={offset}")
}

fn query(filters: &[(&str, &str)]) -> String {
    filters.iter().map(|(name, value)| format!("{name}={}&", escaped(value))).collect()
}

fn read_page<H: Http, T>(
    client: &mut Client<H>,
    path: &str,
    read: &impl Fn(&Value) -> Option<T>,
) -> Result<Page<T>, Error> {
    let response = client.get(path)?;
    let body = client.json(&response, 200)?;
    let results = body.get("results").and_then(Value::as_array);
    let results = results.ok_or_else(|| client.odd("a list has no results"))?;
    let items = results.iter().map(read).collect::<Option<Vec<_>>>();
    let items = items.ok_or_else(|| client.odd("a list has what has no id, prefix or address"))?;
    let has_next = body.get("next").is_some_and(|next| !next.is_null());
    Ok(Page { items, has_next })
}

fn object(field: Option<&str>, of: Of, value: &Value) -> Option<Object> {
    let net = parse_prefix(value.get(key(of))?.as_str()?)?;
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let status = value.get("status");
    let status = status.map(|status| status.get("value").unwrap_or(status));
    Some(Object {
        id: value.get("id")?.as_u64()?,
        net,
        description: text(value.get("description")).unwrap_or_default(),
        identity: text(field.and_then(|field| value.get("custom_fields")?.get(field))),
        status: text(status).unwrap_or_default(),
    })
}

fn contains(response: &Response, words: &str) -> bool {
    response.body.windows(words.len()).any(|window| window == words.as_bytes())
}
