//! Pool ids: `SPACE/NUMBER/ADDRESS/LENGTH`, with the system's number of the pool, and what
//! else a request for an address needs: the ranges to take it from and the options of the
//! network, as `;key=value`. All that is known of a pool is in its id, or in the system.

use crate::{escaped, unescaped};
use ipam_driver::{Code, Error, IpNet, Options};
use std::fmt;

/// The longest id that the contract allows.
const BYTES_MAX: usize = 256;
/// The key of IP ranges among the options.
const RANGES: &str = "ranges";

/// What a pool id says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolName {
    /// The address space, which is the driver's name.
    pub space: &'static str,
    /// The system's number of the pool.
    pub number: u64,
    /// The pool.
    pub net: IpNet,
    /// The system's numbers of the ranges that automatic addresses come from; none for the
    /// whole pool.
    pub ranges: Vec<u64>,
    /// The options of the network that matter to its addresses.
    pub options: Options,
}

impl PoolName {
    /// A whole pool without options.
    #[must_use]
    pub fn new(space: &'static str, number: u64, net: IpNet) -> Self {
        Self { space, number, net, ranges: Vec::new(), options: Options::new() }
    }

    /// Its id.
    ///
    /// # Errors
    /// `InvalidRequest` where the options are too long for one.
    pub fn id(&self) -> Result<String, Error> {
        let id = self.to_string();
        if id.len() > BYTES_MAX {
            let text =
                format!("the options are too long: they make a pool id of {} bytes", id.len());
            return Err(Error::new(Code::InvalidRequest, text));
        }
        Ok(id)
    }

    /// What its addresses have as their pool: pools of one prefix differ in it.
    #[must_use]
    pub fn key(&self) -> String {
        match self.ranges.is_empty() {
            true => self.number.to_string(),
            false => format!("{}-{}", self.number, joined(&self.ranges)),
        }
    }

    /// Reads the id of a pool of that address space.
    ///
    /// # Errors
    /// `PoolNotFound` for what is none.
    pub fn parse(space: &'static str, pool_id: &str) -> Result<Self, Error> {
        let read = || {
            let mut parts = pool_id.split(';');
            let rest = parts.next()?.strip_prefix(space)?.strip_prefix('/')?;
            let (number, net) = rest.split_once('/')?;
            let mut options: Options = parts
                .map(|part| {
                    part.split_once('=').map(|(key, value)| (unescaped(key), unescaped(value)))
                })
                .collect::<Option<_>>()?;
            let ranges = options.remove(RANGES);
            let ranges = ranges.iter().flat_map(|ranges| ranges.split('.'));
            let ranges = ranges.map(|id| id.parse().ok()).collect::<Option<_>>()?;
            let (number, net) = (number.parse().ok()?, net.parse().ok()?);
            Some(Self { space, number, net, ranges, options })
        };
        read().ok_or_else(|| {
            let text = format!("{pool_id:?} is no pool id of the driver {space}");
            Error::new(Code::PoolNotFound, text)
        })
    }
}

impl fmt::Display for PoolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.space, self.number, self.net)?;
        if !self.ranges.is_empty() {
            write!(f, ";{RANGES}={}", joined(&self.ranges))?;
        }
        for (key, value) in &self.options {
            write!(f, ";{}={}", escaped(key), escaped(value))?;
        }
        Ok(())
    }
}

fn joined(ids: &[u64]) -> String {
    ids.iter().map(u64::to_string).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::PoolName;

    #[test]
    fn an_id_survives_the_round_trip() {
        for id in [
            "netbox/17/10.64.0.0/24",
            "netbox/17/fd64::/64",
            "netbox/17/10.64.0.0/24;ranges=3.4;dns-domain=a.example;tags=a%2Cb",
        ] {
            assert_eq!(PoolName::parse("netbox", id).unwrap().id().unwrap(), id);
        }
        let parsed =
            PoolName::parse("netbox", "netbox/17/10.64.0.0/24;ranges=3.4;tags=a%2Cb").unwrap();
        assert_eq!((&*parsed.key(), &*parsed.options["tags"]), ("17-3.4", "a,b"));
        for id in [
            "",
            "netbox",
            "netbox/17",
            "netbox/x/10.0.0.0/24",
            "other/17/10.0.0.0/24",
            "netbox/17/10.0.0.0/24;x",
            "netbox/17/10.0.0.0/24;ranges=x",
        ] {
            assert!(PoolName::parse("netbox", id).is_err(), "{id}");
        }
        let long = PoolName { options: [("tags".into(), "x".repeat(300))].into(), ..parsed };
        assert!(long.id().is_err());
    }
}
