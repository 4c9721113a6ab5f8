//! What an operator writes on a command line or in the file, read or refused with
//! words that say what to write instead.

use crate::fatal::Fatal;
use ipam_api::{DriverName, InvalidPrefix, parse_address, parse_prefix};
use ipnet::IpNet;
use serde::Deserialize;
use std::net::IpAddr;

/// An address, with or without the length of its pool, as listings print it.
pub(crate) fn address(text: &str) -> Result<IpAddr, String> {
    if text.contains('/') {
        return parse_prefix(text).map(|it| it.addr()).map_err(|why| no_prefix(text, why));
    }
    parse_address(text).map_err(|_| format!("{text:?} is not an IP address"))
}

/// A prefix of the command line.
pub(crate) fn prefix(text: &str) -> Result<IpNet, String> {
    parse_prefix(text).map_err(|why| no_prefix(text, why))
}

/// A prefix as it is written.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Prefix(pub(crate) IpNet);

impl TryFrom<String> for Prefix {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        parse_prefix(&text).map(Self).map_err(|why| no_prefix(&text, why))
    }
}

/// Why an operator's text is no prefix, and what to write instead.
fn no_prefix(text: &str, why: InvalidPrefix) -> String {
    match why {
        InvalidPrefix::Mapped { means: Some(means) } => {
            format!("{text:?} {why}: write {}", means.trunc())
        }
        InvalidPrefix::Mapped { means: None } => format!("{text:?} {why}"),
        InvalidPrefix::NotAPrefix => format!("{text:?} is not an IP prefix such as 10.0.0.0/8"),
    }
}

/// A driver's name.
pub(crate) fn parse_name(text: &str) -> Result<DriverName, Fatal> {
    text.parse().map_err(|error| Fatal::Usage(format!("{text:?}: {error}")))
}

/// What Docker calls a managed plugin has a tag, and is no name of ours.
pub(crate) fn driver_and_name(text: &str) -> Result<(DriverName, String), String> {
    let (driver, name) = text.split_once('=').ok_or("expected DRIVER=NAME")?;
    if name.is_empty() {
        return Err("expected DRIVER=NAME".to_owned());
    }
    let driver = driver.parse().map_err(|error| format!("{driver:?}: {error}"))?;
    Ok((driver, name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{address, driver_and_name, prefix};

    #[test]
    fn addresses_are_written_with_or_without_a_length() {
        for (text, want) in [
            ("192.0.2.9", Some("192.0.2.9")),
            ("192.0.2.9/24", Some("192.0.2.9")),
            ("::ffff:192.0.2.9", Some("192.0.2.9")),
            ("fd00::1/64", Some("fd00::1")),
            ("::ffff:192.0.2.9/120", None),
            ("010.079.000.009", None),
            ("010.079.000.009/24", None),
            ("10.79.0.9/024", None),
            ("10.79.0.9/", None),
            ("", None),
        ] {
            let got = address(text).ok().map(|address| address.to_string());
            assert_eq!(got.as_deref(), want, "{text:?}");
        }
    }

    #[test]
    fn who_is_refused_a_prefix_learns_what_to_write() {
        for (text, words) in [
            ("172.017.0.0/16", "is not an IP prefix"),
            ("::ffff:172.17.0.9/112", "is an IPv4-mapped prefix: write 172.17.0.0/16"),
            ("::ffff:0.0.0.0/90", "is an IPv4-mapped prefix"),
        ] {
            let refused = prefix(text).unwrap_err();
            assert!(refused.contains(words), "{text}: {refused}");
        }
    }

    #[test]
    fn a_name_of_docker_is_not_empty() {
        assert!(driver_and_name("default=wipam:latest").is_ok());
        for text in ["default=", "=x", "default", ""] {
            assert!(driver_and_name(text).is_err(), "{text:?}");
        }
    }
}
