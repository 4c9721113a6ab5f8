//! What the wrapper adds: a quota, an allow-list, an audit line. It knows neither
//! the host nor the inner driver.

use ipnet::IpNet;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// The key of the operator's table that is the wrapper's.
const KEY: &str = "wrap";

/// What is below it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Config {
    addresses_per_pool: Option<usize>,
    named_pools: Option<Vec<IpNet>>,
    audit: bool,
}

/// Why a request goes no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The pool has as many leases as it may have.
    Quota,
    /// The pool is in none of those that may be named.
    NotAllowed,
}

/// The policy, and what it counts.
#[derive(Debug, Default)]
pub struct Policy {
    config: Config,
    leased: BTreeMap<String, BTreeSet<IpAddr>>,
}

impl Policy {
    /// The policy, and the table that is left for the inner driver.
    ///
    /// # Errors
    /// What is wrong with the table.
    pub fn new(table: &str) -> Result<(Self, String), String> {
        let mut table: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(table).map_err(|error| error.to_string())?;
        let ours = table.remove(KEY).unwrap_or_else(|| serde_json::json!({}));
        let config = serde_json::from_value(ours).map_err(|error| format!("{KEY}: {error}"))?;
        let rest = serde_json::Value::Object(table).to_string();
        Ok((Self { config, leased: BTreeMap::new() }, rest))
    }

    /// Whether the inner driver is asked for a pool by name. What is held already
    /// is told again, whatever the table says by now.
    ///
    /// # Errors
    /// Why not.
    pub fn may_name(&self, pool: IpNet, is_replay: bool) -> Result<(), Refusal> {
        match &self.config.named_pools {
            Some(allowed) if !is_replay && !allowed.iter().any(|it| it.contains(&pool)) => {
                Err(Refusal::NotAllowed)
            }
            _ => Ok(()),
        }
    }

    /// Whether the inner driver is asked for one more address of a pool.
    ///
    /// # Errors
    /// Why not.
    pub fn may_lease(&self, pool_id: &str, is_replay: bool) -> Result<(), Refusal> {
        let leased = self.leased.get(pool_id).map_or(0, BTreeSet::len);
        match self.config.addresses_per_pool {
            Some(most) if !is_replay && leased >= most => Err(Refusal::Quota),
            _ => Ok(()),
        }
    }

    /// An address was leased.
    pub fn leased(&mut self, pool_id: &str, address: IpAddr) {
        self.leased.entry(pool_id.to_owned()).or_default().insert(address);
    }

    /// An address was released.
    pub fn released(&mut self, pool_id: &str, address: IpAddr) {
        if let Some(leased) = self.leased.get_mut(pool_id) {
            leased.remove(&address);
        }
    }

    /// A pool was released.
    pub fn released_pool(&mut self, pool_id: &str) {
        self.leased.remove(pool_id);
    }

    /// Whether each grant and release is a line of the log.
    #[must_use]
    pub fn audits(&self) -> bool {
        self.config.audit
    }
}
