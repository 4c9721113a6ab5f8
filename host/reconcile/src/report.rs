//! The report of a reconciliation: lines for people, and JSON for programs.

use ipam_api::{IpNet, PoolId, Receipt};
use serde::{Serialize, Serializer};
use std::{collections::BTreeMap, fmt, net::IpAddr};

/// An entry of the ledger that no engine knows: an address, or a pool with
/// what is leased under its id.
///
/// As JSON: `driver`, `pool_id`, `prefix`, `sub_pool` (or null), `address`
/// (null for a pool), `generation`, `newest`, and `leases`, an object from
/// address to generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// The driver as Docker calls it.
    pub driver: String,
    /// The pool, or the pool of the address.
    #[serde(serialize_with = "text")]
    pub pool_id: PoolId,
    /// The pool's prefix.
    #[serde(serialize_with = "text")]
    pub prefix: IpNet,
    /// The pool's sub-pool.
    #[serde(serialize_with = "optional_text")]
    pub sub_pool: Option<IpNet>,
    /// The address; `None` for a pool.
    pub address: Option<IpAddr>,
    /// The generation of the entry: of the address, if it is one.
    pub generation: u64,
    /// The largest generation that was seen of it and under it. What was granted
    /// later is not released.
    pub newest: u64,
    /// The leases that would be released with the pool, each with its generation.
    pub leases: BTreeMap<IpAddr, u64>,
}

impl Found {
    /// What is one entry of the ledger, whatever its generation.
    pub(crate) fn place(&self) -> (&str, &PoolId, Option<IpAddr>) {
        (&self.driver, &self.pool_id, self.address)
    }

    /// The receipt that frees it, and nothing that was granted later.
    #[must_use]
    pub fn receipt(&self) -> Receipt {
        Receipt {
            pool_id: self.pool_id.clone(),
            address: self.address,
            generation: self.generation,
        }
    }
}

/// One line for an operator.
impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { driver, prefix, sub_pool, generation, .. } = self;
        match self.address {
            Some(address) => write!(f, "{driver}: address {address} of {prefix}")?,
            None => write!(f, "{driver}: pool {prefix}")?,
        }
        if let Some(sub_pool) = sub_pool {
            write!(f, " (sub-pool {sub_pool})")?;
        }
        if self.address.is_none() {
            write!(f, " with {} addresses", self.leases.len())?;
        }
        write!(f, ", generation {generation}")
    }
}

/// What a reconciliation found and did. Each entry is in at most one list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether it was a dry run, which changes nothing.
    pub dry_run: bool,
    /// Addresses that were freed.
    pub freed: Vec<Found>,
    /// Pools that were freed, with their leases.
    pub pools_freed: Vec<Found>,
    /// Addresses and pools that a run which is not dry would have freed.
    pub would_free: Vec<Found>,
    /// Pools that no engine knew either time. They stay, because the given engines
    /// may not be all.
    pub pools_unknown: Vec<Found>,
    /// Stale pools of the global space, and stale addresses of other pools there.
    /// They stay, because only a manager of the swarm knows whether they are in
    /// use.
    pub needs_manager: Vec<Found>,
    /// Unknown at first, but known after the grace period.
    pub seen_again: Vec<Found>,
    /// Released, granted again or leased under after it was seen.
    pub changed: Vec<Found>,
    /// What was not freed, because a release failed. If only the answer was lost,
    /// the first of these was freed nevertheless.
    pub left: Vec<Found>,
    /// Why the first of `left` was not freed.
    pub failure: Option<String>,
}

fn text<S: Serializer>(value: &impl fmt::Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

fn optional_text<S: Serializer>(
    value: &Option<impl fmt::Display>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => to.collect_str(value),
        None => to.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Found, Report};

    fn pool() -> Found {
        Found {
            driver: "wipam".to_owned(),
            pool_id: "LocalDefault/192.0.2.0/24".try_into().unwrap(),
            prefix: "192.0.2.0/24".parse().unwrap(),
            sub_pool: None,
            address: None,
            generation: 7,
            newest: 8,
            leases: [("192.0.2.1".parse().unwrap(), 8)].into(),
        }
    }

    #[test]
    fn programs_read_these_names() {
        let report = Report { pools_unknown: vec![pool()], ..Report::default() };
        let json = serde_json::to_string(&report).unwrap();
        let wanted = concat!(
            r#"{"dry_run":false,"freed":[],"pools_freed":[],"would_free":[],"pools_unknown":["#,
            r#"{"driver":"wipam","pool_id":"LocalDefault/192.0.2.0/24","prefix":"192.0.2.0/24","#,
            r#""sub_pool":null,"address":null,"generation":7,"newest":8,"leases":{"192.0.2.1":8}}],"#,
            r#""needs_manager":[],"seen_again":[],"changed":[],"left":[],"failure":null}"#,
        );
        assert_eq!(json, wanted);
    }

    #[test]
    fn people_read_these_lines() {
        let pool = pool();
        let address = Found {
            address: "192.0.2.1".parse().ok(),
            sub_pool: "192.0.2.0/25".parse().ok(),
            generation: 8,
            ..pool.clone()
        };
        assert_eq!(pool.to_string(), "wipam: pool 192.0.2.0/24 with 1 addresses, generation 7");
        assert_eq!(
            address.to_string(),
            "wipam: address 192.0.2.1 of 192.0.2.0/24 (sub-pool 192.0.2.0/25), generation 8"
        );
    }
}
