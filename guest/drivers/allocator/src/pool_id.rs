//! Pool ids: `space/ip/len`, and `space/ip/len/ip/len` with a sub-pool.

use crate::error::Error;
use alloc::{
    format,
    string::{String, ToString},
};
use core::{fmt, net::IpAddr};
use ipnet::IpNet;

/// What a pool id says. The reference persists ids in its networks, so their form is an
/// interface that cannot change. The prefixes are as written: an id with host bits can
/// be read, but names nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PoolId<'a> {
    pub(crate) space: &'a str,
    pub(crate) pool: IpNet,
    pub(crate) sub_pool: Option<IpNet>,
}

impl<'a> PoolId<'a> {
    /// Reads an id, or refuses it with [`Error::InvalidPoolId`].
    pub(crate) fn parse(id: &'a str) -> Result<Self, Error> {
        Self::read(id).ok_or_else(|| Error::InvalidPoolId(id.to_string()))
    }

    fn read(id: &'a str) -> Option<Self> {
        let mut parts = id.split('/');
        let space = parts.next()?;
        let pool = prefix(parts.next()?, parts.next()?)?;
        let sub_pool = match parts.next() {
            Some(address) => Some(prefix(address, parts.next()?)?),
            None => None,
        };
        parts.next().is_none().then_some(Self { space, pool, sub_pool })
    }

    /// The pool as the reference prints it when it cannot find it.
    pub(crate) fn sought(&self) -> String {
        match self.sub_pool {
            Some(sub_pool) => format!("{}/{sub_pool}", self.pool),
            None => format!("{}/invalid Prefix", self.pool),
        }
    }
}

impl fmt::Display for PoolId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.space, self.pool)?;
        match self.sub_pool {
            Some(sub_pool) => write!(f, "/{sub_pool}"),
            None => Ok(()),
        }
    }
}

/// A prefix from its two halves. Like Go's `netip.ParsePrefix`, and unlike Rust's
/// numbers, this knows no sign and no leading zeros.
fn prefix(address: &str, len: &str) -> Option<IpNet> {
    let plain = len == "0" || len.starts_with(|first: char| ('1'..='9').contains(&first));
    let len = len.parse().ok().filter(|_| plain)?;
    IpNet::new(address.parse::<IpAddr>().ok()?, len).ok()
}

#[cfg(test)]
mod tests {
    use super::PoolId;
    use crate::Error;
    use alloc::string::ToString;

    #[test]
    fn an_id_survives_the_round_trip() {
        for id in [
            "default/172.27.0.0/16",
            "default/172.27.0.0/16/172.27.3.0/24",
            "LocalDefault/::/0",
            "LocalDefault/fd00:1::/64/fd00:1:0:0:8000::/65",
            "/10.0.0.1/8",
        ] {
            assert_eq!(PoolId::parse(id).unwrap().to_string(), id);
        }
    }

    #[test]
    fn anything_else_is_no_id() {
        for id in [
            "",
            "x",
            "LocalDefault",
            "LocalDefault/10.0.0.0",
            "LocalDefault/10.0.0.0/xx",
            "LocalDefault/10.0.0.0/",
            "LocalDefault/10.0.0.0/33",
            "LocalDefault/10.0.0.0/+8",
            "LocalDefault/10.0.0.0/08",
            "LocalDefault/10.0.0.0/8/",
            "LocalDefault/10.0.0.0/8/10.0.0.0",
            "LocalDefault/10.0.0.0/8/10.0.0.0/16/",
            "Local/Default/10.0.0.0/8",
            "LocalDefault/fe80::1%eth0/64",
        ] {
            assert_eq!(PoolId::parse(id), Err(Error::InvalidPoolId(id.into())));
        }
    }
}
