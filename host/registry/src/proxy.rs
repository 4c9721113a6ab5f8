//! Through which proxy a host is reached, as the environment says, in the form that
//! [curl] and [Go], and so Docker, read it.
//!
//! [curl]: https://curl.se/docs/manpage.html#ENVIRONMENT
//! [Go]: https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config

use crate::{
    bounds::PROXY_HEAD_BYTES_MAX, credentials::basic_value, error::Error, reference::is_registry,
    url::Origin,
};
use http::HeaderValue;
use ipnet::IpNet;
use std::{env, io, net::IpAddr};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// What `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` say, or the same in lower case.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proxies {
    https: Option<Result<Proxy, &'static str>>,
    http: Option<Result<Proxy, &'static str>>,
    exceptions: Vec<String>,
}

/// An HTTP proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proxy {
    at: Origin,
    /// Marked as a secret, so that nobody prints it.
    pub(crate) authorization: Option<HeaderValue>,
}

impl Proxies {
    pub(crate) fn of_environment() -> Self {
        Self::new(|name| env::var(name).ok())
    }

    pub(crate) fn new(variable: impl Fn(&str) -> Option<String>) -> Self {
        let of = |name: &str| {
            let set = |name: &str| variable(name).filter(|text| !text.trim().is_empty());
            set(name).or_else(|| set(&name.to_ascii_lowercase()))
        };
        let exceptions = of("NO_PROXY").unwrap_or_default().to_ascii_lowercase();
        let proxy = |name| of(name).map(|text| Proxy::parse(text.trim()));
        Self {
            https: proxy("HTTPS_PROXY"),
            http: proxy("HTTP_PROXY"),
            exceptions: exceptions.split(',').map(|it| it.trim().to_owned()).collect(),
        }
    }

    /// What is between us and a host, if anything is. Nothing is before this machine
    /// itself.
    pub(crate) fn before(&self, origin: &Origin) -> Result<Option<&Proxy>, Error> {
        let (name, proxy) = match origin.is_plain {
            true => ("HTTP_PROXY", &self.http),
            false => ("HTTPS_PROXY", &self.https),
        };
        let Some(proxy) = proxy.as_ref().filter(|_| !self.is_exception(origin)) else {
            return Ok(None);
        };
        // What the variable has is not repeated: a password may be in it.
        let proxy = proxy.as_ref();
        let proxy =
            proxy.map_err(|why| Error::Proxy { proxy: name.to_owned(), why: (*why).into() });
        proxy.map(Some)
    }

    fn is_exception(&self, origin: &Origin) -> bool {
        let host = origin.host.trim_matches(['[', ']']);
        let address: Option<IpAddr> = host.parse().ok();
        if host == "localhost" || address.is_some_and(|it| it.is_loopback()) {
            return true;
        }
        let is_it = |one: &String| {
            if one == "*" {
                return true;
            }
            if let Ok(network) = one.parse::<IpNet>() {
                return address.is_some_and(|it| network.contains(&it));
            }
            let (name, port) = match one.rsplit_once(':') {
                Some((name, port)) if !name.contains(':') || name.ends_with(']') => {
                    (name, port.parse().ok())
                }
                _ => (&**one, Some(origin.port)),
            };
            let name = name.trim_matches(['[', ']']).trim_start_matches('*');
            let is_below = |name: &str| host.strip_suffix(name).is_some_and(|it| it.ends_with('.'));
            let is_named = match (address, name.strip_prefix('.')) {
                (Some(address), _) => name.parse() == Ok(address),
                (None, Some(domain)) => is_below(domain),
                (None, None) => !name.is_empty() && (host == name || is_below(name)),
            };
            is_named && port == Some(origin.port)
        };
        self.exceptions.iter().any(is_it)
    }
}

impl Proxy {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some(_) => return Err("only a proxy at http://HOST:PORT is used"),
            None => text,
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user, authority) = match rest.rsplit_once('@') {
            Some((user, authority)) => (Some(user), authority),
            None => (None, rest),
        };
        if !is_registry(authority) {
            return Err("it is not http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT");
        }
        let authorization = user.map(|user| {
            let (user, password) = user.split_once(':').unwrap_or((user, ""));
            let (user, password) = unescaped(user).zip(unescaped(password))?;
            let mut value = HeaderValue::from_str(&basic_value(&user, &password)).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        let authorization = match authorization {
            Some(None) => return Err("its user or password is not escaped as in a URL"),
            Some(value) => value,
            None => None,
        };
        Ok(Self { at: Origin::of_authority(authority, 80, true), authorization })
    }

    /// Without user and password.
    pub(crate) fn in_words(&self) -> String {
        format!("the proxy {}", self.at.authority())
    }

    pub(crate) fn refused(&self) -> Error {
        let why = "it wants a user and a password, or others".to_owned();
        Error::Proxy { proxy: self.at.authority(), why }
    }

    pub(crate) async fn connect(&self) -> io::Result<TcpStream> {
        self.at.connect().await
    }

    /// Asks for a connection to a host, over which TLS is spoken. The proxy sees no
    /// more of it than its name.
    pub(crate) async fn tunnel(&self, stream: &mut TcpStream, to: &Origin) -> Result<(), Error> {
        let unreachable = |why: String| Error::Unreachable {
            host: to.authority(),
            why: format!("{}: {why}", self.in_words()),
        };
        let host = format!("{}:{}", to.host, to.port);
        let mut ask = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n").into_bytes();
        if let Some(value) = &self.authorization {
            ask.extend([b"Proxy-Authorization: ", value.as_bytes(), b"\r\n"].concat());
        }
        ask.extend(b"\r\n");
        let exchange = async {
            stream.write_all(&ask).await?;
            let mut head = Vec::new();
            // One by one: what comes behind the head is the host's.
            while !head.ends_with(b"\r\n\r\n") && head.len() < PROXY_HEAD_BYTES_MAX {
                head.push(stream.read_u8().await?);
            }
            Ok(head)
        };
        let head = exchange.await.map_err(|error: io::Error| unreachable(error.to_string()))?;
        if !head.ends_with(b"\r\n\r\n") {
            let what = format!("the answer of {}", self.in_words());
            return Err(Error::TooLarge { what, most: PROXY_HEAD_BYTES_MAX });
        }
        match status(&head) {
            Some(200..=299) => Ok(()),
            Some(407) => Err(self.refused()),
            Some(status) => Err(unreachable(format!("it answered {status}"))),
            None => Err(unreachable("it does not speak HTTP".to_owned())),
        }
    }
}

/// The status in the first line of an answer.
fn status(head: &[u8]) -> Option<u16> {
    let head = std::str::from_utf8(head).ok()?;
    let (version, rest) = head.lines().next()?.split_once(' ')?;
    let status = rest.split(' ').next()?;
    if version.starts_with("HTTP/1.") && status.len() == 3 { status.parse().ok() } else { None }
}

/// A part of a URL as it was meant: `%40` is `@`.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((plain, escaped)) = rest.split_once('%') {
        bytes.extend(plain.as_bytes());
        let digits = escaped.get(..2).filter(|it| it.bytes().all(|it| it.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &escaped[2..];
    }
    bytes.extend(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::Proxies;
    use crate::url::Origin;

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        let of = |name: &str| variables.iter().find(|(one, _)| *one == name);
        Proxies::new(|name| of(name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn who_is_excepted_is_reached_directly() {
        for (exceptions, host, is_excepted) in [
            ("", "ghcr.io", false),
            ("*", "ghcr.io", true),
            ("ghcr.io", "ghcr.io", true),
            ("GHCR.IO", "ghcr.io:8443", true),
            ("ghcr.io:443", "ghcr.io", true),
            ("ghcr.io:443", "ghcr.io:8443", false),
            ("a.example, ghcr.io", "ghcr.io", true),
            ("example", "registry.example", true),
            ("example", "anexample", false),
            (".example", "registry.example", true),
            ("*.example", "registry.example", true),
            (".example", "example", false),
            ("10.0.0.0/8", "10.1.2.3:5000", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("10.1.2.3", "10.1.2.3:5000", true),
            ("10.1.2.3:5000", "10.1.2.3:5000", true),
            ("10.1.2.3:5000", "10.1.2.3", false),
            ("1.2.3", "0.1.2.3", false),
            ("2001:db8::1", "[2001:db8::1]:5000", true),
            ("[2001:db8::1]:5000", "[2001:db8::1]:5000", true),
            ("2001:db8::/32", "[2001:db8::1]", true),
            ("", "localhost:5000", true),
            ("", "127.0.0.1:5000", true),
            ("", "[::1]:5000", true),
        ] {
            let all = proxies(&[("https_proxy", "proxy.example:3128"), ("no_proxy", exceptions)]);
            let origin = Origin::of_registry(host, false);
            let is_direct = all.before(&origin).unwrap().is_none();
            assert_eq!(is_direct, is_excepted, "{exceptions}: {host}");
            assert!(all.before(&Origin::of_registry(host, true)).unwrap().is_none());
        }
    }

    #[test]
    fn a_proxy_has_a_host_and_perhaps_a_user() {
        let of = |text| proxies(&[("HTTP_PROXY", text), ("http_proxy", "other.example")]);
        let registry = Origin::of_registry("registry.example", true);
        for (text, at, authorization) in [
            ("proxy.example:3128", "proxy.example:3128", None),
            ("HTTP://proxy.example/", "proxy.example", None),
            ("http://[2001:db8::1]:3128", "[2001:db8::1]:3128", None),
            ("http://me:s%40cret@proxy.example", "proxy.example", Some("Basic bWU6c0BjcmV0")),
            ("http://me@proxy.example", "proxy.example", Some("Basic bWU6")),
            ("", "other.example", None),
        ] {
            let all = of(text);
            let proxy = all.before(&registry).unwrap().unwrap();
            assert_eq!(proxy.in_words(), format!("the proxy {at}"));
            let shown = proxy.authorization.as_ref().map(|it| it.to_str().unwrap());
            assert_eq!(shown, authorization, "{text}");
            assert!(!format!("{all:?}").contains("Basic"), "{all:?}");
        }
        for (text, words) in [
            ("socks5://me:secret@proxy.example", "only a proxy at http://"),
            ("https://me:secret@proxy.example", "only a proxy at http://"),
            ("http://me:secret@", "it is not http://HOST:PORT"),
            ("http://me:secret@a b", "it is not http://HOST:PORT"),
            ("http://me:secret%4@proxy.example", "is not escaped"),
            ("http://me:secret%+4@proxy.example", "is not escaped"),
            ("http://me:secret%é@proxy.example", "is not escaped"),
        ] {
            let refused = of(text).before(&registry).unwrap_err().to_string();
            assert!(refused.contains("HTTP_PROXY") && refused.contains(words), "{text}: {refused}");
            assert!(!refused.contains("secret"), "{refused}");
        }
    }
}
