//! What an operator grants one driver beyond what every driver gets.

use crate::inspect::GrantKind;
use ipam_api::{DriverName, names};
use std::{
    collections::BTreeSet,
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    path::PathBuf,
    str::FromStr,
};

/// What an operator grants one driver beyond what every driver gets: nothing,
/// unless it is written down.
///
/// A component that imports what it was not granted is not loaded:
/// [`LoadError::UngrantedImports`](crate::LoadError::UngrantedImports).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// What it may ask by HTTP, with any method but CONNECT. Redirects are not
    /// followed: it sees them, and what it then asks is judged again. A name is
    /// granted as a name: which address it stands for is what this machine
    /// resolves it to, be it inside or out.
    pub http: Vec<UrlPrefix>,
    /// Durable state of its own: what it writes while it is asked, or told of
    /// a release, is handed over by `Driver::take_writes`.
    pub store: Option<StoreLimits>,
    /// The legacy plugins that it may call.
    pub plugins: PluginGrant,
    /// Random numbers that nobody foresees, instead of those that are the same
    /// for everybody. The same requests then need not get the same answers.
    pub random_real: bool,
}

impl Grants {
    pub(crate) fn has(&self, kind: GrantKind) -> bool {
        match kind {
            GrantKind::Http => !self.http.is_empty(),
            GrantKind::Store => self.store.is_some(),
            GrantKind::Plugins => !self.plugins.names.is_empty(),
        }
    }
}

/// How much a driver may store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreLimits {
    /// Bytes of all keys and values.
    pub bytes_max: usize,
    /// Keys.
    pub keys_max: usize,
}

/// Which legacy plugins a driver may call, and where they are looked for: as
/// Docker's engine does, by its documentation of the plugin API, "Plugin
/// discovery".
///
/// A socket that nobody listens on, and one that is this process's own, are
/// passed over, while Docker's engine takes what it finds first. A `.json`
/// cannot switch off that TLS knows whom it speaks to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginGrant {
    /// Which.
    pub names: BTreeSet<DriverName>,
    /// Of what they implement, the types whose methods it may call: a plugin
    /// may be Docker's network or volume driver, too.
    pub types: BTreeSet<String>,
    /// Directories of `NAME.sock` and `NAME/NAME.sock`.
    pub sockets: Vec<PathBuf>,
    /// Directories of `NAME.spec` and `NAME.json`, and the same in `NAME/`.
    pub specs: Vec<PathBuf>,
}

impl Default for PluginGrant {
    /// None; as IPAM drivers, where Docker's engine looks.
    fn default() -> Self {
        Self {
            names: BTreeSet::new(),
            types: [names::PLUGIN_ENDPOINT_TYPE.to_owned()].into(),
            sockets: vec!["/run/docker/plugins".into()],
            specs: vec!["/etc/docker/plugins".into(), "/usr/lib/docker/plugins".into()],
        }
    }
}

/// The beginning of URLs that are granted: scheme, host, port and the first
/// segments of the path.
///
/// ```
/// use ipam_runtime::UrlPrefix;
///
/// let granted: UrlPrefix = "https://netbox.example:8443/api".parse()?;
/// assert_eq!(granted.to_string(), "https://netbox.example:8443/api/");
/// assert!("https://me@netbox.example/".parse::<UrlPrefix>().is_err());
/// # Ok::<(), ipam_runtime::InvalidUrlPrefix>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlPrefix {
    pub(crate) origin: Origin,
    /// Begins and ends with a slash.
    pub(crate) path: String,
}

/// Whom a URL asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) is_https: bool,
    /// In lower case, with the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// Not the beginning of a URL that could be granted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not http:// or https://, a host, perhaps a port, and a path")]
pub struct InvalidUrlPrefix(String);

impl FromStr for UrlPrefix {
    type Err = InvalidUrlPrefix;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| InvalidUrlPrefix(text.to_owned()))
    }
}

/// What could be read in two ways is no prefix: user names, escapes, dots.
fn parse(text: &str) -> Option<UrlPrefix> {
    let (scheme, rest) = text.split_once("://")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let origin = Origin::parse(scheme, authority)?;
    let path = path.strip_suffix('/').unwrap_or(path);
    let is_segment = |segment: &str| {
        !matches!(segment, "" | "." | "..") && is_plain(segment, &['.', '-', '_', '~'])
    };
    let is_path = path.is_empty() || path.split('/').all(is_segment);
    is_path.then(|| UrlPrefix {
        origin,
        path: if path.is_empty() { "/".to_owned() } else { format!("/{path}/") },
    })
}

fn is_plain(text: &str, more: &[char]) -> bool {
    text.chars().all(|letter| letter.is_ascii_alphanumeric() || more.contains(&letter))
}

/// Whether it is a name, or an IPv4 address as it is read everywhere. Whatever
/// ends in a number and is none, such as `010.0.0.1`, `10.1` and `0x7f.1`, is an
/// address to the system's look-up, and not the one that was meant.
pub(crate) fn is_host(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_number = match last.strip_prefix("0x").or_else(|| last.strip_prefix("0X")) {
        Some(digits) => digits.bytes().all(|digit| digit.is_ascii_hexdigit()),
        None => last.bytes().all(|digit| digit.is_ascii_digit()),
    };
    is_plain(host, &['.', '-']) && (!is_number || host.parse::<Ipv4Addr>().is_ok())
}

impl Origin {
    /// Reads both ends with the same eyes: what is granted and what is asked.
    pub(crate) fn parse(scheme: &str, authority: &str) -> Option<Self> {
        let is_https = match scheme {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let port = match port {
            // `parse` would take a sign.
            Some(port) if port.bytes().all(|digit| digit.is_ascii_digit()) => port.parse().ok()?,
            Some(_) => return None,
            None => Self::usual_port(is_https),
        };
        let is_known = match host.strip_prefix('[').map(|host| host.strip_suffix(']')) {
            Some(address) => {
                let address = address?.parse::<Ipv6Addr>().ok()?;
                address.to_ipv4_mapped().is_none()
            }
            None => is_host(host),
        };
        is_known.then(|| Self { is_https, host: host.to_ascii_lowercase(), port })
    }

    fn usual_port(is_https: bool) -> u16 {
        if is_https { 443 } else { 80 }
    }

    /// What goes into a `Host` header.
    pub(crate) fn authority(&self) -> String {
        if self.port == Self::usual_port(self.is_https) {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for UrlPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.origin.is_https { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.origin.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::UrlPrefix;

    #[track_caller]
    fn check(text: &str, want: Option<&str>) {
        let got = text.parse::<UrlPrefix>().ok().map(|prefix| prefix.to_string());
        assert_eq!(got.as_deref(), want, "{text}");
    }

    #[test]
    fn what_can_be_granted() {
        check("https://netbox.example/", Some("https://netbox.example/"));
        check("https://NetBox.example:443", Some("https://netbox.example/"));
        check("http://[::1]:8080/api/v2", Some("http://[::1]:8080/api/v2/"));
        check("http://10.0.0.1:443/", Some("http://10.0.0.1:443/"));
        check("http://10.example:443/", Some("http://10.example:443/"));
        check("http://netbox-1./", Some("http://netbox-1./"));
    }

    #[test]
    fn what_could_be_read_in_two_ways_cannot() {
        for text in [
            "",
            "netbox.example",
            "ftp://a/",
            "https://",
            "https:///api",
            "https://a:b@c/",
            "https://a@c/",
            "https://a:99999/",
            "https://a:/",
            "https://a:+443/",
            "https://a:80:80/",
            "https://a/../b",
            "https://a//b",
            "https://a/%2e%2e/",
            "https://a/?q",
            "https://a/#f",
            "https://a\\b/",
            "https://*/",
            "https://[::1/",
            "https://[::1]x/",
            "https://a b/",
            // Addresses of somewhere else, to the system's look-up.
            "http://010.0.0.1/",
            "http://10.1/",
            "http://10.0.0.1./",
            "http://167772161/",
            "http://0x0a.0.0.1/",
            "http://10.0.0.0x1/",
            "http://0x/",
            "http://netbox.1/",
            "http://[::ffff:10.0.0.1]/",
            "http://[::ffff:a00:1]/",
        ] {
            check(text, None);
        }
    }
}
