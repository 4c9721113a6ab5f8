//! What is asked of a driver and what it answers, as plain values.
//!
//! Requests are what a host may pass: prefixes are clean. Answers are kept as
//! the driver gave them, whether the contract allows them or not, until
//! [`Case`](crate::case::Case) has checked them.

use ipnet::IpNet;
use std::{collections::BTreeMap, fmt, net::IpAddr};

/// String pairs, unique and in byte order of their keys.
pub type Options = BTreeMap<String, String>;

/// How much of one text of the driver a report shows, in bytes.
const TEXT_MAX_BYTES: usize = 200;

/// The two families of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// 32 bits.
    Ipv4,
    /// 128 bits.
    Ipv6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub fn of(address: &IpAddr) -> Self {
        if address.is_ipv4() { Self::Ipv4 } else { Self::Ipv6 }
    }

    /// How long its addresses are, in bits.
    #[must_use]
    pub fn bits(self) -> u8 {
        match self {
            Self::Ipv4 => 32,
            Self::Ipv6 => 128,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        })
    }
}

/// Which pool is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Any of that family.
    Automatic(Family),
    /// Any of that family and prefix length.
    Sized(Family, u8),
    /// This one.
    Exact(IpNet),
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Automatic(family) => write!(f, "automatic({family})"),
            Self::Sized(family, length) => write!(f, "sized({family}, {length})"),
            Self::Exact(prefix) => write!(f, "exact({prefix})"),
        }
    }
}

/// A request for a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolRequest {
    /// The address space.
    pub space: String,
    /// Which pool.
    pub choice: Choice,
    /// Where addresses without a name shall come from.
    pub sub_pool: Option<IpNet>,
    /// The operator's words, and `wipam.replay`.
    pub options: Options,
    /// What an automatic pool should not overlap.
    pub exclude: Vec<IpNet>,
}

/// A pool as a driver answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolGrant {
    /// The driver's name for it.
    pub id: String,
    /// The address of its prefix.
    pub address: IpAddr,
    /// The length of its prefix.
    pub length: u8,
    /// Facts for the caller.
    pub data: Vec<(String, String)>,
}

/// An address as a driver answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressGrant {
    /// The address with a prefix length, or nothing.
    pub address: Option<(IpAddr, u8)>,
    /// Facts for the caller.
    pub data: Vec<(String, String)>,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its name in the WIT: `pool-overlap`, `other(not-found)`.
    pub name: &'static str,
    /// The driver's own words.
    pub text: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused, {} {}", self.name, quoted(&self.text))
    }
}

/// The driver that the suite asks.
#[expect(clippy::missing_errors_doc, reason = "every method refuses as the driver does")]
pub trait Driver {
    /// Starts it, before anything else.
    fn start(&mut self, name: Option<&str>, config: &str) -> Result<(), Refusal>;
    /// The names of the local and the global address space.
    fn address_spaces(&mut self) -> Result<(String, String), Refusal>;
    /// Asks for a pool.
    fn request_pool(&mut self, request: &PoolRequest) -> Result<PoolGrant, Refusal>;
    /// Releases a pool.
    fn release_pool(&mut self, id: &str) -> Result<(), Refusal>;
    /// Asks for an address.
    fn request_address(
        &mut self,
        id: &str,
        address: Option<IpAddr>,
        options: &Options,
    ) -> Result<AddressGrant, Refusal>;
    /// Releases an address.
    fn release_address(&mut self, id: &str, address: IpAddr) -> Result<(), Refusal>;
}

/// One question.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    Spaces,
    Pool(PoolRequest),
    ReleasePool(String),
    Address { id: String, address: Option<IpAddr>, options: Options },
    ReleaseAddress { id: String, address: IpAddr },
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spaces => f.write_str("get-default-address-spaces()"),
            Self::Pool(request) => {
                let PoolRequest { space, choice, sub_pool, options, exclude } = request;
                write!(f, "request-pool({}, {choice}", quoted(space))?;
                if let Some(sub_pool) = sub_pool {
                    write!(f, ", sub-pool {sub_pool}")?;
                }
                write_options(f, options)?;
                exclude.iter().try_for_each(|prefix| write!(f, ", exclude {prefix}"))?;
                f.write_str(")")
            }
            Self::ReleasePool(id) => write!(f, "release-pool({})", quoted(id)),
            Self::Address { id, address, options } => {
                write!(f, "request-address({}, ", quoted(id))?;
                match address {
                    Some(address) => write!(f, "{address}")?,
                    None => f.write_str("any")?,
                }
                write_options(f, options)?;
                f.write_str(")")
            }
            Self::ReleaseAddress { id, address } => {
                write!(f, "release-address({}, {address})", quoted(id))
            }
        }
    }
}

fn write_options(f: &mut fmt::Formatter<'_>, options: &Options) -> fmt::Result {
    options.iter().try_for_each(|(key, value)| write!(f, ", {key}={value}"))
}

/// What was answered.
#[derive(Debug, Clone)]
pub(crate) enum Answered {
    Spaces(String, String),
    Pool(PoolGrant),
    Address(AddressGrant),
    Done,
    Refused(Refusal),
}

impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spaces(local, global) => {
                write!(f, "local {}, global {}", quoted(local), quoted(global))
            }
            Self::Pool(PoolGrant { id, address, length, data }) => {
                write!(f, "{} {address}/{length}", quoted(id))?;
                write_data(f, data)
            }
            Self::Address(AddressGrant { address, data }) => {
                match address {
                    Some((address, length)) => write!(f, "{address}/{length}")?,
                    None => f.write_str("no address")?,
                }
                write_data(f, data)
            }
            Self::Done => f.write_str("ok"),
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

/// The first few: there may be thousands.
fn write_data(f: &mut fmt::Formatter<'_>, data: &[(String, String)]) -> fmt::Result {
    let pairs = &data[..data.len().min(4)];
    pairs.iter().try_for_each(|(key, value)| write!(f, ", {}={}", quoted(key), quoted(value)))?;
    if data.len() > pairs.len() { write!(f, ", {} pairs", data.len()) } else { Ok(()) }
}

/// A driver's text as a report may show it: it may be long, and may hold what
/// moves a terminal's cursor.
pub(crate) fn quoted(text: &str) -> String {
    let cut = text.floor_char_boundary(TEXT_MAX_BYTES);
    let more = if cut < text.len() { "…" } else { "" };
    format!("{:?}{more}", &text[..cut])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_driver_says_is_escaped_and_cut() {
        assert_eq!(quoted("a\u{1b}[2J\n"), r#""a\u{1b}[2J\n""#);
        assert_eq!(quoted(&"é".repeat(1000)).chars().count(), 100 + 3);
        let refusal = Refusal { name: "bad-pool", text: "\r".into() };
        assert_eq!(Answered::Refused(refusal).to_string(), r#"refused, bad-pool "\r""#);
        let data = vec![("k\n".to_owned(), "v".repeat(9000)); 9000];
        let shown = Answered::Address(AddressGrant { address: None, data }).to_string();
        assert!(shown.len() < 1000 && !shown.contains('\n'), "{shown}");
    }

    #[test]
    fn a_question_is_one_line() {
        let request = PoolRequest {
            space: "lab".into(),
            choice: Choice::Exact("10.0.0.0/8".parse().unwrap()),
            sub_pool: Some("10.1.0.0/16".parse().unwrap()),
            options: [("a".to_owned(), "b".to_owned())].into(),
            exclude: vec!["10.2.0.0/16".parse().unwrap()],
        };
        assert_eq!(
            Asked::Pool(request).to_string(),
            r#"request-pool("lab", exact(10.0.0.0/8), sub-pool 10.1.0.0/16, a=b, exclude 10.2.0.0/16)"#
        );
    }
}
