//! What is asked, and what is answered, as they are written.

mod records;
mod text;

pub use records::{HasRecord, Record, RemovalOutcome, RemovedRecord};

use crate::Timestamp;
use ipam_api::Options;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::{net::IpAddr, path::PathBuf};

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Ask {
    /// Which drivers there are: [`Driver`].
    Drivers,
    /// What pools are held: [`Pool`].
    Pools {
        /// Of one driver only.
        driver: Option<String>,
        /// With this id only.
        pool: Option<String>,
        /// Whether drivers shall say how full each is.
        with_status: bool,
    },
    /// What addresses are held: [`Address`].
    Addresses {
        /// Of one driver only.
        driver: Option<String>,
        /// Taken under this id only.
        pool: Option<String>,
        /// This one only.
        #[serde(default, deserialize_with = "text::optional_address")]
        address: Option<IpAddr>,
    },
    /// Release a pool with all that is leased under it, or an address:
    /// [`Released`].
    Release {
        /// Of which driver.
        driver: String,
        /// The pool, or the pool of the address.
        pool_id: String,
        /// The address, if that is what is released.
        #[serde(default, deserialize_with = "text::optional_address")]
        address: Option<IpAddr>,
        /// Of the entry, as it was seen.
        generation: u64,
        /// The largest generation that was seen of it and under it.
        as_of: u64,
        /// On whose account.
        by: Account,
    },
    /// Compare drivers with the ledger: [`Check`].
    Check {
        /// One driver only.
        driver: Option<String>,
    },
    /// What a driver's system of record holds in this host's name: [`Record`].
    Records {
        /// Which driver.
        driver: String,
    },
    /// Look for something that the ledger holds in a driver's system of record:
    /// [`HasRecord`].
    HasRecord {
        /// Which driver.
        driver: String,
        /// The pool, or the pool of the address.
        pool_id: String,
        /// The address, if that is what is looked for.
        #[serde(default, deserialize_with = "text::optional_address")]
        address: Option<IpAddr>,
    },
    /// Remove a record from a driver's system of record, unless the ledger holds what
    /// it may stand for: [`RemovedRecord`].
    RemoveRecord {
        /// Which driver.
        driver: String,
        /// The record's id, as it was listed.
        id: String,
        /// Its address space.
        address_space: String,
        /// Its pool.
        #[serde(deserialize_with = "text::prefix")]
        pool: IpNet,
        /// Its address, if it is one.
        #[serde(default, deserialize_with = "text::optional_address")]
        address: Option<IpAddr>,
    },
    /// Write the whole ledger into a new file: no items.
    Backup {
        /// An absolute path, which the daemon can write.
        file: PathBuf,
    },
    /// Who held an address when: [`Tenure`], oldest first.
    History {
        /// Which address.
        #[serde(deserialize_with = "text::address")]
        address: IpAddr,
        /// Of one driver only.
        driver: Option<String>,
        /// Who held it at that moment only.
        at: Option<Timestamp>,
    },
    /// Try a driver that is left alone once more: no items.
    Reset {
        /// Which driver.
        driver: String,
    },
    /// Put another version of a driver in service: [`Upgraded`].
    Upgrade {
        /// Which driver.
        driver: String,
        /// An absolute path, which the daemon can read, or what an artifact of a
        /// registry is called, which begins with [`REFERENCE`]; nothing for what the
        /// configuration named when it was read last.
        #[serde(default)]
        file: Option<PathBuf>,
        /// Whether it may need something else than the one before it.
        force: bool,
    },
}

/// What the name of an artifact of a registry begins with.
pub const REFERENCE: &str = "oci://";

/// On whose account something is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Account {
    /// The operator's.
    Operator,
    /// A comparison with an engine.
    Reconciler,
}

/// One line of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line<T> {
    /// One of what was asked for.
    Item(T),
    /// There are no more.
    End {
        /// Why less is told than could be.
        notes: Vec<String>,
    },
    /// It cannot be answered, or not to its end.
    Error(String),
}

/// How a driver is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// It serves.
    Serving,
    /// It serves, and has been in one call, or with what waits, for too long to
    /// be asked.
    Busy,
    /// It does not serve now.
    Failing,
    /// The ledger has a part of it, and it is not loaded.
    Absent,
}

/// A driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Driver {
    /// The name it is served under.
    pub name: String,
    /// How it is.
    pub condition: Condition,
    /// Since when it does not serve.
    pub failing_since: Option<Timestamp>,
    /// Until when it is left alone, because it failed again and again.
    pub paused_until: Option<Timestamp>,
    /// Why it does not serve.
    pub reason: Option<String>,
    /// `built-in` or `component`; nothing if it is absent.
    pub origin: Option<String>,
    /// Under which name Docker sees it.
    pub docker_name: Option<String>,
    /// The SHA-256 of its file.
    pub digest: Option<String>,
    /// The artifact that it came from, with the digest of its manifest; nothing if it
    /// is a file.
    #[serde(default)]
    pub artifact: Option<String>,
    /// The name of its address space for single hosts.
    pub local_space: Option<String>,
    /// The name of its address space for clusters.
    pub global_space: Option<String>,
    /// Whether it asks engines for MAC addresses.
    pub requires_mac_address: Option<bool>,
    /// Whether a new instance is told what is granted.
    pub requires_request_replay: Option<bool>,
    /// Whether it says what its system of record holds.
    #[serde(default)]
    pub has_records: bool,
    /// Pools that are held; nothing if it is busy.
    pub pools: Option<usize>,
    /// Addresses that are held; nothing if it is busy.
    pub addresses: Option<usize>,
    /// Releases that it was not told of yet; nothing if it is busy.
    pub owed: Option<usize>,
    /// When it failed last, whether it serves again or not.
    pub last_failure_at: Option<Timestamp>,
    /// How it failed last.
    pub last_failure: Option<String>,
    /// How often an instance was built after the first.
    pub restarts: u64,
    /// Answers of any kind since it was loaded.
    pub answers: u64,
    /// Answers that were internal errors.
    pub internal_errors: u64,
    /// Instances that were dropped because they failed.
    pub failures: u64,
    /// Answers that broke the contract, among them.
    pub violations: u64,
    /// Memory of the instance after its last call; 0 if that is not known.
    pub memory_bytes: u64,
    /// The most that an instance had.
    pub memory_bytes_most: u64,
    /// Answers by what was asked and how it came out; none that is zero.
    #[serde(default)]
    pub answered: Vec<Answered>,
    /// How long answers took, from the question to the answer that is durable.
    #[serde(default)]
    pub latency: Vec<Bucket>,
    /// Calls into its instances, replay aside.
    #[serde(default)]
    pub guest_calls: u64,
    /// Time spent in them, in microseconds.
    #[serde(default)]
    pub guest_micros: u64,
}

/// Answers of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// What was asked, as the contract names it.
    pub call: String,
    /// `ok`, or the class of the error.
    pub outcome: String,
    /// How many.
    pub count: u64,
}

/// A part of a histogram.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// They took no longer than this and longer than the bucket before; nothing
    /// if they took longer than all.
    pub at_most_micros: Option<u64>,
    /// How many.
    pub count: u64,
}

/// A pool that is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Whose.
    pub driver: String,
    /// The driver's name for it.
    pub pool_id: String,
    /// The driver's name for its address space.
    pub address_space: String,
    /// The pool.
    pub prefix: IpNet,
    /// Where its automatic addresses come from.
    pub sub_pool: Option<IpNet>,
    /// `explicit` or `automatic`.
    pub asked: String,
    /// How often it must be released before it is gone.
    pub holds: u64,
    /// Addresses that are held under it, by the ledger.
    pub addresses: usize,
    /// How full it is, by the driver, if that can tell.
    pub status: Option<Status>,
    /// The options it was asked for with.
    pub options: Options,
    /// Facts for the caller.
    pub data: Options,
    /// Grows with each grant of the driver.
    pub generation: u64,
    /// The largest generation of it and of what is leased under it.
    pub newest: u64,
    /// When it was granted.
    pub granted_at: Option<Timestamp>,
    /// On whose account.
    pub granted_by: String,
    /// Whether nobody has asked for it, or for an address of it, since the
    /// daemon began.
    #[serde(default)]
    pub stale: bool,
    /// How many of its addresses nobody has asked for since the daemon began,
    /// or since a cluster's manager that began to lead asked for all it knew.
    #[serde(default)]
    pub stale_addresses: usize,
}

/// How full a pool is, as its driver says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Addresses in use, reserved ones included.
    pub ips_in_use: u64,
    /// Addresses that an automatic request can still get.
    pub dynamic_ips_available: u64,
}

/// An address that is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Whose.
    pub driver: String,
    /// The pool it was asked of.
    pub pool_id: String,
    /// The address with its pool's length.
    pub address: IpNet,
    /// `gateway`, `explicit` or `automatic`.
    pub kind: String,
    /// Who holds it, as far as was told: an endpoint's name or MAC address.
    pub owner: Option<String>,
    /// The options it was asked for with.
    pub options: Options,
    /// Facts for the caller.
    pub data: Options,
    /// Grows with each grant of the driver.
    pub generation: u64,
    /// When it was granted.
    pub granted_at: Option<Timestamp>,
    /// On whose account.
    pub granted_by: String,
    /// Whether it is the gateway that the driver named with the pool, and goes
    /// with that alone.
    #[serde(default)]
    pub comes_with_pool: bool,
    /// Whether nobody has asked for it since the daemon began, or since a
    /// cluster's manager that began to lead asked for all it knew. Not told of
    /// the past.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<bool>,
}

/// What a release came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Released {
    /// False if it was not held any more as it was seen.
    pub released: bool,
}

/// Whether a driver is what the ledger says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Which driver.
    pub driver: String,
    /// Entries that a fresh instance was shown.
    pub entries: usize,
    /// Where a fresh instance, or the one that serves, differs.
    pub differences: Vec<String>,
    /// Why less was compared than could be.
    pub notes: Vec<String>,
}

/// How long somebody held an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenure {
    /// The address as it was granted.
    #[serde(flatten)]
    pub granted: Address,
    /// The SHA-256 of the file of the driver that granted it, if that is kept.
    pub digest: Option<String>,
    /// The digests of the manifests of artifacts that have this file, as far as they
    /// are kept.
    #[serde(default)]
    pub artifacts: Vec<String>,
    /// When it was released; nothing if it is held.
    pub released_at: Option<Timestamp>,
    /// On whose account; nothing if it is held.
    pub released_by: Option<String>,
}

/// A driver of which another version serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upgraded {
    /// Which driver.
    pub driver: String,
    /// The SHA-256 of the file before.
    pub from: Option<String>,
    /// The SHA-256 of the file that serves now.
    pub to: Option<String>,
    /// Entries of the ledger that it was shown.
    pub replayed: usize,
    /// Events that it was told of since.
    pub followed: usize,
}
