//! Where a request goes.

use crate::{bounds::SHOWN_BYTES, error::Error, reference::is_registry};
use http::Uri;
use ipam_api::text::bounded;
use std::io;
use tokio::net::TcpStream;

/// A host to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// An IPv6 address has brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Without TLS.
    pub(crate) is_plain: bool,
}

/// A path on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) origin: Origin,
    pub(crate) path: String,
}

/// Docker's own registry has another host than its name.
const DOCKER: &str = "docker.io";
const DOCKER_HOST: &str = "registry-1.docker.io";

impl Origin {
    /// The host of a registry that a reference names.
    pub(crate) fn of_registry(registry: &str, is_plain: bool) -> Self {
        let registry = if registry == DOCKER { DOCKER_HOST } else { registry };
        let port = if is_plain { 80 } else { 443 };
        Self::of_authority(registry, port, is_plain)
    }

    pub(crate) fn of_authority(authority: &str, default: u16, is_plain: bool) -> Self {
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().unwrap_or(default)),
            _ => (authority, default),
        };
        Self { host: host.to_ascii_lowercase(), port, is_plain }
    }

    pub(crate) async fn connect(&self) -> io::Result<TcpStream> {
        TcpStream::connect((self.host.trim_matches(['[', ']']), self.port)).await
    }

    /// As the `Host` field has it.
    pub(crate) fn authority(&self) -> String {
        match (self.port, self.is_plain) {
            (443, false) | (80, true) => self.host.clone(),
            (port, _) => format!("{}:{port}", self.host),
        }
    }
}

impl Url {
    /// An absolute URL: `https`, or `http` if that is allowed.
    pub(crate) fn parse(
        text: &str,
        is_plain_allowed: impl Fn(&str) -> bool,
    ) -> Result<Self, Error> {
        let no = |why| Error::Redirect { to: bounded(SHOWN_BYTES, text), why };
        let uri: Uri = text.parse().map_err(|_| no("it is no URL"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(no("it is no absolute URL"));
        };
        let authority = authority.as_str();
        if !is_registry(authority) {
            return Err(no("its host is no host"));
        }
        let origin = match scheme {
            "https" => Origin::of_authority(authority, 443, false),
            "http" if is_plain_allowed(authority) => Origin::of_authority(authority, 80, true),
            "http" => return Err(no("only https is followed, but for a registry in plain-http")),
            _ => return Err(no("it is neither https nor http")),
        };
        let path = uri.path_and_query().map_or("/", |it| it.as_str()).to_owned();
        Ok(Self { origin, path })
    }

    /// Where a `Location` leads from here.
    pub(crate) fn join(
        &self,
        location: &str,
        is_plain_allowed: impl Fn(&str) -> bool,
    ) -> Result<Self, Error> {
        if location.starts_with('/') && !location.starts_with("//") {
            let is_path = location.parse::<Uri>().is_ok();
            let no = || Error::Redirect { to: bounded(SHOWN_BYTES, location), why: "it is no URL" };
            return if is_path {
                Ok(Self { origin: self.origin.clone(), path: location.to_owned() })
            } else {
                Err(no())
            };
        }
        Self::parse(location, is_plain_allowed)
    }
}

/// What RFC 3986 does not reserve stays; all else is escaped.
pub(crate) fn escaped(text: &str) -> String {
    let one = |byte: u8| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::{Origin, Url, escaped};

    #[test]
    fn a_redirect_leads_to_https_or_to_what_was_declared() {
        let here = Url { origin: Origin::of_registry("a:5000", true), path: "/v2/".to_owned() };
        let join = |to| here.join(to, |authority| authority == "a:5000");
        for (to, want) in [
            ("/x?y=z", Some(("a:5000", "/x?y=z"))),
            ("https://cdn.example/x", Some(("cdn.example", "/x"))),
            ("https://cdn.example:8443", Some(("cdn.example:8443", "/"))),
            ("http://a:5000/x", Some(("a:5000", "/x"))),
            ("http://cdn.example/x", None),
            ("//cdn.example/x", None),
            ("x", None),
            ("ftp://cdn.example/x", None),
            ("https://me:secret@cdn.example/x", None),
            ("https:///x", None),
            (&format!("https://{}", "a".repeat(256)), None),
            ("/\n", None),
            ("", None),
        ] {
            let got = join(to).ok();
            let got = got.as_ref().map(|url| (url.origin.authority(), url.path.clone()));
            let want = want.map(|(authority, path)| (authority.to_owned(), path.to_owned()));
            assert_eq!(got, want, "{to:?}");
        }
    }

    #[test]
    fn dockers_registry_has_another_host() {
        assert_eq!(Origin::of_registry("docker.io", false).authority(), "registry-1.docker.io");
        assert_eq!(Origin::of_registry("[::1]:5000", true).authority(), "[::1]:5000");
    }

    #[test]
    fn what_is_reserved_is_escaped() {
        assert_eq!(escaped("repository:a/b:pull ä"), "repository%3Aa%2Fb%3Apull%20%C3%A4");
    }
}
