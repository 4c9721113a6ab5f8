//! Addresses and prefixes that come as text, from whoever: one reading for all
//! of the host, so that nobody is told by one door what another one refuses.
//!
//! As strict as Go's `netip`, which reads Docker's: no leading zeros, since 010
//! is eight to some and ten to others ([RFC 6943], section 3.1.1), no signs, no
//! zones, nothing around it. An IPv4-mapped address ([RFC 4291], section
//! 2.5.5.2) is the IPv4 address that it means; a prefix of such is refused,
//! because its length is that of the other family.
//!
//! [RFC 4291]: https://www.rfc-editor.org/rfc/rfc4291#section-2.5.5.2
//! [RFC 6943]: https://www.rfc-editor.org/rfc/rfc6943#section-3.1.1

use ipnet::{IpNet, Ipv4Net};
use std::net::IpAddr;

/// Where IPv4 begins in an IPv4-mapped address.
const MAPPED_BITS: u8 = 96;

/// A text that is no address. It reads on after the text in question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an address")]
pub struct InvalidAddress;

/// A text that is no prefix. It reads on after the text in question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPrefix {
    /// It is none.
    #[error("is not a prefix")]
    NotAPrefix,
    /// It is one of IPv4-mapped addresses.
    #[error("is an IPv4-mapped prefix")]
    Mapped {
        /// The prefix that it may mean, with its host bits; nothing if it holds
        /// other addresses, too.
        means: Option<Ipv4Net>,
    },
}

/// Reads an address.
///
/// ```
/// use ipam_api::parse_address;
///
/// assert_eq!(parse_address("::ffff:192.0.2.9"), parse_address("192.0.2.9"));
/// assert!(parse_address("192.0.2.010").is_err());
/// ```
///
/// # Errors
/// When it is none.
pub fn parse_address(text: &str) -> Result<IpAddr, InvalidAddress> {
    text.parse::<IpAddr>().map(|address| address.to_canonical()).map_err(|_| InvalidAddress)
}

/// Reads a prefix, with its host bits.
///
/// ```
/// use ipam_api::parse_prefix;
///
/// assert_eq!(parse_prefix("192.0.2.9/24")?.to_string(), "192.0.2.9/24");
/// assert!(parse_prefix("192.000.002.000/24").is_err());
/// # Ok::<(), ipam_api::InvalidPrefix>(())
/// ```
///
/// # Errors
/// When it is none, or one of IPv4-mapped addresses.
pub fn parse_prefix(text: &str) -> Result<IpNet, InvalidPrefix> {
    let read = || {
        let (address, length) = text.split_once('/')?;
        let is_plain = length == "0" || !length.starts_with(['0', '+']);
        let length = length.parse().ok().filter(|_| is_plain)?;
        // Not by `IpNet`, which takes leading zeros.
        IpNet::new(address.parse().ok()?, length).ok()
    };
    let prefix = read().ok_or(InvalidPrefix::NotAPrefix)?;
    let IpNet::V6(v6) = prefix else { return Ok(prefix) };
    let Some(address) = v6.addr().to_ipv4_mapped() else { return Ok(prefix) };
    let length = v6.prefix_len().checked_sub(MAPPED_BITS);
    let means = length.and_then(|length| Ipv4Net::new(address, length).ok());
    Err(InvalidPrefix::Mapped { means })
}

#[cfg(test)]
mod tests {
    use super::{InvalidPrefix, parse_address, parse_prefix};

    #[test]
    fn an_address_is_read_in_one_way() {
        for (text, want) in [
            ("192.0.2.9", Some("192.0.2.9")),
            ("2001:DB8::0:1", Some("2001:db8::1")),
            ("::ffff:192.0.2.9", Some("192.0.2.9")),
            ("::ffff:c000:209", Some("192.0.2.9")),
            ("::192.0.2.9", Some("::c000:209")),
            ("010.0.0.1", None),
            ("10.0.0.00", None),
            ("::ffff:010.0.0.1", None),
            ("0x0a.0.0.1", None),
            ("10.1", None),
            ("167772161", None),
            ("192.0.2.9/24", None),
            ("fe80::1%eth0", None),
            (" 10.0.0.1", None),
            ("10.0.0.1\n", None),
            ("", None),
        ] {
            let got = parse_address(text).ok().map(|address| address.to_string());
            assert_eq!(got.as_deref(), want, "{text:?}");
        }
    }

    #[test]
    fn a_prefix_is_read_in_one_way() {
        for (text, want) in [
            ("10.0.0.0/8", Some("10.0.0.0/8")),
            ("10.1.2.3/8", Some("10.1.2.3/8")),
            ("0.0.0.0/0", Some("0.0.0.0/0")),
            ("FD00::/8", Some("fd00::/8")),
            ("::/0", Some("::/0")),
            ("010.0.0.0/8", None),
            ("172.017.0.0/16", None),
            ("10.0.0.0/08", None),
            ("10.0.0.0/00", None),
            ("10.0.0.0/+8", None),
            ("10.0.0.0/-8", None),
            ("10.0.0.0/33", None),
            ("::/129", None),
            ("10.0.0.0/255.0.0.0", None),
            ("10.0.0.0", None),
            ("10.0.0.0/", None),
            ("/8", None),
            ("10.0.0.0/8/8", None),
            ("10.0.0.0/8 ", None),
            ("fe80::1%eth0/64", None),
            ("", None),
        ] {
            let got = parse_prefix(text).map(|prefix| prefix.to_string());
            let want = want.map(str::to_owned).ok_or(InvalidPrefix::NotAPrefix);
            assert_eq!(got, want, "{text:?}");
        }
    }

    #[test]
    fn a_mapped_prefix_is_refused_with_what_it_may_mean() {
        for (text, want) in [
            ("::ffff:172.17.0.0/112", Some("172.17.0.0/16")),
            ("::ffff:0.0.0.0/96", Some("0.0.0.0/0")),
            ("::ffff:10.0.0.9/128", Some("10.0.0.9/32")),
            ("::ffff:10.0.0.0/95", None),
            ("::ffff:10.0.0.0/8", None),
        ] {
            let Err(InvalidPrefix::Mapped { means }) = parse_prefix(text) else {
                panic!("{text} is mapped");
            };
            assert_eq!(means.map(|it| it.to_string()).as_deref(), want, "{text}");
        }
    }
}
