//! What is answered about a driver's system of record.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A pool or an address that a system of record holds in this host's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Whose.
    pub driver: String,
    /// The system's own name for it.
    pub id: String,
    /// The driver's name for its address space.
    pub address_space: String,
    /// The pool, or the pool of the address.
    pub pool: IpNet,
    /// The address; nothing for the pool itself.
    pub address: Option<IpAddr>,
    /// The driver's words by which an operator finds it there.
    pub label: String,
}

/// Whether a system of record has something that the ledger holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HasRecord {
    /// Whether it is there; nothing if the ledger does not hold it any more.
    pub has_record: Option<bool>,
}

/// What the removal of a record came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedRecord {
    /// What came of it.
    pub outcome: RemovalOutcome,
    /// Why it was refused.
    pub reason: Option<String>,
}

/// What came of the removal of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RemovalOutcome {
    /// It was removed.
    Removed,
    /// The system does not have it, or not as it was listed.
    Gone,
    /// It stays: the ledger holds that address, or a pool that overlaps it.
    Held,
    /// It stays: the driver, or its system of record, refuses.
    Refused,
}
