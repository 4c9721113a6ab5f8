//! The operator's table.

use crate::{
    SPACE,
    made::{Made, Reference},
};
use ipam_driver::{Error, IpNet};
use ipam_http_driver::{self as http, Identity, Secret, Server, Url, read_table, refusal};
use serde::Deserialize;

/// What is asked of NetBox in whose name.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) identity: Identity,
    /// See [`Api::field`](crate::api::Api::field).
    pub(crate) field: Option<String>,
    /// Else it is the global table.
    pub(crate) vrf: Option<Vrf>,
    /// What automatic pools are cut from, in order.
    pub(crate) bases: Vec<Base>,
    /// The gateway of a pool is the address in it that has this.
    pub(crate) gateway: Option<(&'static str, String)>,
    pub(crate) made: Made,
}

/// A VRF by its number, or by its route distinguisher or name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Vrf {
    Id(u64),
    Named(String),
}

/// Prefixes that NetBox has, and the length of the pools to be cut from them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Base {
    pub(crate) within: Within,
    pub(crate) size: u8,
}

/// Which prefixes of NetBox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Within {
    /// This one.
    Prefix(IpNet),
    /// All that these filters find.
    Found(Vec<(String, String)>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Table {
    url: String,
    token: String,
    host: String,
    vrf: Option<Vrf>,
    identity_field: Option<String>,
    gateway_tag: Option<String>,
    gateway_role: Option<String>,
    #[serde(default)]
    made: Made,
    #[serde(default)]
    default_address_pools: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    base: Option<String>,
    role: Option<Reference>,
    tag: Option<String>,
    tenant: Option<Reference>,
    status: Option<String>,
    size: u8,
}

/// The configuration in a table; nothing if it is empty.
pub(crate) fn read(text: &str) -> Result<Option<(Server, Config)>, Error> {
    let Some(table) = read_table::<Table>(text)? else {
        return Ok(None);
    };
    if !table.identity_field.as_deref().is_none_or(is_field_name) {
        return Err(refusal(
            "identity-field: a field's name has 1 to 50 characters of A-Z a-z 0-9 _",
        ));
    }
    let bases = table.default_address_pools.iter().map(base).collect::<Result<_, _>>()?;
    let gateway = match (&table.gateway_tag, &table.gateway_role) {
        (None, None) => None,
        (Some(tag), None) => Some(("tag", tag.clone())),
        (None, Some(role)) => Some(("role", role.clone())),
        (Some(_), Some(_)) => return Err(refusal("gateway-tag and gateway-role are alternatives")),
    };
    let server = server(&table)?;
    let (identity, field) = (Identity::new(SPACE, table.host)?, table.identity_field);
    Ok(Some((server, Config { identity, field, vrf: table.vrf, bases, gateway, made: table.made })))
}

/// As NetBox has them; it is in the query of a filter.
fn is_field_name(name: &str) -> bool {
    let is_plain = |it: u8| it.is_ascii_alphanumeric() || it == b'_';
    (1..=50).contains(&name.len()) && name.bytes().all(is_plain)
}

fn server(table: &Table) -> Result<Server, Error> {
    let url = Url::read(&table.url, "https://netbox.example/api")?;
    let token = Secret::token(table.token.clone())?;
    // It has two kinds of tokens, and the newer one says that it is.
    let scheme = if table.token.starts_with("nbt_") { "Bearer" } else { "Token" };
    let authorization = Secret::new(format!("{scheme} {}", token.reveal()));
    let headers = vec![("authorization", authorization)];
    Ok(Server { name: "NetBox", words: "detail", url, headers })
}

fn base(entry: &Entry) -> Result<Base, Error> {
    let Entry { base, role, tag, tenant, status, size } = entry;
    let size = *size;
    let references = [("role", role), ("tenant", tenant)];
    let references = references.into_iter().filter_map(|(key, it)| Some(it.as_ref()?.filter(key)));
    let tag = tag.iter().map(|tag| ("tag".to_owned(), tag.clone()));
    let mut filters: Vec<_> = references.chain(tag).collect();
    let within = match base {
        Some(base) if filters.is_empty() && status.is_none() => {
            Within::Prefix(http::Base::new(base, size).map_err(refusal)?.net)
        }
        None if !filters.is_empty() => {
            // People's networks may have that role, too, and NetBox cuts pools out of those.
            let status = status.as_deref().unwrap_or("container");
            filters.push(("status".to_owned(), status.to_owned()));
            Within::Found(filters)
        }
        _ => {
            let text =
                "default-address-pools: a base, or the role, tag, tenant and status of bases";
            return Err(refusal(text));
        }
    };
    Ok(Base { within, size })
}

#[cfg(test)]
mod tests {
    use super::{Url, Vrf, Within, read};

    const FULL: &str = r#"{
        "url": "https://netbox.example/api/", "token": "0123abcd", "host": "node-1", "vrf": 7,
        "default-address-pools": [{"base": "10.64.0.0/16", "size": 24}]
    }"#;

    #[test]
    fn a_table_is_read_and_its_token_is_not_shown() {
        let (server, config) = read(FULL).unwrap().unwrap();
        let (authority, path) = ("netbox.example".to_owned(), "/api".to_owned());
        assert_eq!(server.url, Url { is_https: true, authority, path });
        assert_eq!((config.identity.host(), &config.vrf), ("node-1", &Some(Vrf::Id(7))));
        assert_eq!((config.bases.len(), config.bases[0].size), (1, 24));
        assert_eq!(server.headers[0].1.reveal(), "Token 0123abcd");
        assert!(!format!("{server:?}{config:?}").contains("0123abcd"));
        let (newer, _) = read(&FULL.replace("0123abcd", "nbt_a.b")).unwrap().unwrap();
        assert_eq!(newer.headers[0].1.reveal(), "Bearer nbt_a.b");
        assert!(read("{}").unwrap().is_none());
        let found = FULL.replace(r#""base": "10.64.0.0/16""#, r#""role": "docker", "tenant": 7"#);
        let (_, config) = read(&found.replace(r#""vrf": 7"#, r#""vrf": "blue""#)).unwrap().unwrap();
        let filters = [("role", "docker"), ("tenant_id", "7"), ("status", "container")];
        let filters = filters.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(config.bases[0].within, Within::Found(filters.into()));
        assert_eq!(config.vrf, Some(Vrf::Named("blue".to_owned())));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_without_the_token() {
        for (from, to, words) in [
            ("\"url\"", "\"uri\"", "unknown field `uri`"),
            ("\"host\": \"node-1\",", "", "missing field `host`"),
            ("https://", "ftp://", "url: it is not like"),
            ("https://netbox", "https://me@netbox", "url: it is not like"),
            ("netbox.example/api/", "", "url: it is not like"),
            ("example/api", "example/a pi", "url: it is not like"),
            ("0123abcd", "0123abcd\\r\\nx: y", "token: that is no token"),
            ("\"0123abcd\"", "[\"0123abcd\"]", "wrong type: expected a string"),
            ("node-1", "node 1", "host: a name has"),
            ("10.64.0.0/16", "10.64.0.0", "is not a prefix"),
            ("10.64.0.0/16", "010.64.0.0/16", "is not a prefix"),
            ("10.64.0.0/16", "::ffff:10.64.0.0/112", "is not a prefix"),
            ("10.64.0.0/16", "10.64.0.1/16", "no pools of length 24 in 10.64.0.1/16"),
            ("\"base\": \"10.64.0.0/16\", ", "", "a base, or the role"),
            ("\"base\": \"10.64.0.0/16\"", "\"status\": \"active\"", "a base, or the role"),
            ("\"size\": 24", "\"size\": 24, \"status\": \"active\"", "a base, or the role"),
            ("\"vrf\": 7", "\"gateway-tag\": \"a\", \"gateway-role\": \"b\"", "alternatives"),
            ("\"vrf\": 7", "\"identity-field\": \"a&b\"", "identity-field: "),
            ("\"vrf\": 7", "\"identity-field\": \"\"", "identity-field: "),
            ("24", "15", "no pools of length 15"),
            ("24", "33", "no pools of length 33"),
            ("{", "", "config: "),
        ] {
            assert!(FULL.contains(from), "{from}");
            let refused = read(&FULL.replacen(from, to, 1)).unwrap_err().text().to_owned();
            assert!(refused.contains(words), "{from} {to}: {refused}");
            assert!(!refused.contains("0123abcd"), "{refused}");
        }
    }
}
