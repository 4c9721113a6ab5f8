//! The operator's table.

use ipam_driver::{Code, Error, IpNet, parse_prefix};
use serde::Deserialize;
use std::fmt;

/// Which NetBox, under which name, and which prefixes it may take pools from.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) url: Url,
    pub(crate) token: Token,
    /// The name of this site in what is written there.
    pub(crate) host: String,
    /// The id of a VRF; else it is the global table.
    pub(crate) vrf: Option<u64>,
    /// What automatic pools are cut from, in order.
    pub(crate) bases: Vec<Base>,
}

/// A prefix that NetBox has, and the length of the pools to be cut from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Base {
    pub(crate) prefix: IpNet,
    pub(crate) size: u8,
}

/// Where the API begins, in the parts that a request has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) is_https: bool,
    pub(crate) authority: String,
    /// Without a slash at its end.
    pub(crate) path: String,
}

/// A text that is in no log and no error.
pub(crate) struct Token(String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Table {
    url: String,
    token: String,
    host: String,
    vrf: Option<u64>,
    #[serde(default)]
    default_address_pools: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    base: String,
    size: u8,
}

impl Token {
    /// The header that NetBox wants: it has two kinds of tokens, and the newer
    /// one says that it is.
    pub(crate) fn header(&self) -> String {
        let scheme = if self.0.starts_with("nbt_") { "Bearer" } else { "Token" };
        format!("{scheme} {}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// The configuration in a table; nothing if it is empty.
pub(crate) fn read(text: &str) -> Result<Option<Config>, Error> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(refusal)?;
    if value.as_object().is_some_and(serde_json::Map::is_empty) {
        return Ok(None);
    }
    // Its errors name keys and types, and quote no text but that of a key.
    let table: Table = serde_json::from_value(value).map_err(|error| match error.to_string() {
        text if text.contains("invalid type") => refusal("a key has a value of the wrong type"),
        text => refusal(text),
    })?;
    if !(1..=256).contains(&table.token.len())
        || !table.token.bytes().all(|it| it.is_ascii_graphic())
    {
        return Err(refusal("token: that is no token"));
    }
    let is_name = |it: char| it.is_ascii_alphanumeric() || "._-".contains(it);
    if !(1..=64).contains(&table.host.len()) || !table.host.chars().all(is_name) {
        return Err(refusal("host: a name has 1 to 64 characters of A-Z a-z 0-9 . _ -"));
    }
    let bases = table.default_address_pools.iter().map(base).collect::<Result<_, _>>()?;
    Ok(Some(Config {
        url: url(&table.url)?,
        token: Token(table.token),
        host: table.host,
        vrf: table.vrf,
        bases,
    }))
}

fn url(text: &str) -> Result<Url, Error> {
    let parts = || {
        let (is_https, rest) = match text.strip_prefix("https://") {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix("http://")?),
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let is_plain = |part: &str| {
            part.bytes().all(|it| it.is_ascii_graphic() && !b"@?#\"<>\\^`{|}".contains(&it))
        };
        (!authority.is_empty() && is_plain(authority) && is_plain(path)).then(|| Url {
            is_https,
            authority: authority.to_owned(),
            path: path.trim_end_matches('/').to_owned(),
        })
    };
    parts().ok_or_else(|| refusal("url: it is not like https://netbox.example/api"))
}

fn base(Entry { base, size }: &Entry) -> Result<Base, Error> {
    // NetBox has no IPv4-mapped prefixes.
    let is_mapped = |prefix: &IpNet| prefix.addr().to_canonical() != prefix.addr();
    let prefix = parse_prefix(base).filter(|prefix| !is_mapped(prefix)).ok_or_else(|| {
        refusal(format!("default-address-pools: base {base:?} is not a prefix like 10.0.0.0/8"))
    })?;
    if prefix != prefix.trunc() || !(prefix.prefix_len()..=prefix.max_prefix_len()).contains(size) {
        let text = format!("default-address-pools: no pools of length {size} in {prefix}");
        return Err(refusal(text));
    }
    Ok(Base { prefix, size: *size })
}

fn refusal(text: impl fmt::Display) -> Error {
    Error::new(Code::InvalidRequest, format!("config: {text}"))
}

#[cfg(test)]
mod tests {
    use super::{Url, read};

    const FULL: &str = r#"{
        "url": "https://netbox.example/api/", "token": "0123abcd", "host": "node-1", "vrf": 7,
        "default-address-pools": [{"base": "10.64.0.0/16", "size": 24}]
    }"#;

    #[test]
    fn a_table_is_read_and_its_token_is_not_shown() {
        let config = read(FULL).unwrap().unwrap();
        let (authority, path) = ("netbox.example".to_owned(), "/api".to_owned());
        assert_eq!(config.url, Url { is_https: true, authority, path });
        assert_eq!((config.host.as_str(), config.vrf), ("node-1", Some(7)));
        assert_eq!((config.bases.len(), config.bases[0].size), (1, 24));
        assert_eq!(config.token.header(), "Token 0123abcd");
        assert!(!format!("{config:?}").contains("0123abcd"));
        let newer = read(&FULL.replace("0123abcd", "nbt_a.b")).unwrap().unwrap();
        assert_eq!(newer.token.header(), "Bearer nbt_a.b");
        assert!(read("{}").unwrap().is_none());
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
            ("\"0123abcd\"", "[\"0123abcd\"]", "a value of the wrong type"),
            ("node-1", "node 1", "host: a name has"),
            ("10.64.0.0/16", "10.64.0.0", "is not a prefix"),
            ("10.64.0.0/16", "010.64.0.0/16", "is not a prefix"),
            ("10.64.0.0/16", "::ffff:10.64.0.0/112", "is not a prefix"),
            ("10.64.0.0/16", "10.64.0.1/16", "no pools of length 24 in 10.64.0.1/16"),
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
