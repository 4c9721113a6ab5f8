//! Who is asked.

use crate::refusal;
use ipam_driver::Error;
use std::fmt;

/// A system of record.
#[derive(Debug)]
pub struct Server {
    /// What errors call it.
    pub name: &'static str,
    /// The key of its own words in the JSON object of an error's answer.
    pub words: &'static str,
    /// Where its API begins.
    pub url: Url,
    /// What each request has, such as a token.
    pub headers: Vec<(&'static str, Secret)>,
}

/// Where an API begins, in the parts that a request has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Whether by TLS.
    pub is_https: bool,
    /// The host, and a port if one is given.
    pub authority: String,
    /// Without a slash at its end.
    pub path: String,
}

impl Url {
    /// Reads the `url` of a table.
    ///
    /// # Errors
    /// `InvalidRequest` for what is not like the example.
    pub fn read(text: &str, example: &str) -> Result<Self, Error> {
        Self::parse(text).ok_or_else(|| refusal(format!("url: it is not like {example}")))
    }

    /// Reads `http://` or `https://` with a host and perhaps a path, and nothing else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (is_https, rest) = match text.strip_prefix("https://") {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix("http://")?),
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let is_plain = |part: &str| {
            part.bytes().all(|it| it.is_ascii_graphic() && !b"@?#\"<>\\^`{|}".contains(&it))
        };
        (!authority.is_empty() && is_plain(authority) && is_plain(path)).then(|| Self {
            is_https,
            authority: authority.to_owned(),
            path: path.trim_end_matches('/').to_owned(),
        })
    }
}

/// A text that is in no log and no error.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text secret.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Reads the `token` of a table, which is a part of a header.
    ///
    /// # Errors
    /// `InvalidRequest` for what is none.
    pub fn token(text: String) -> Result<Self, Error> {
        let is_token =
            (1..=256).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_graphic());
        if is_token { Ok(Self(text)) } else { Err(refusal("token: that is no token")) }
    }

    /// The text itself, for the request that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
