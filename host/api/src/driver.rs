//! What the service asks, and a way to get something that answers.

use crate::{
    AddressGrant, AddressRequest, AddressSpaces, Capability, Digest, DriverName, Error, Failure,
    HeldRecord, PoolGrant, PoolId, PoolRequest, PoolStatus, RecordPage,
};
use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// What a driver has stored: values by key.
pub type Stored = BTreeMap<String, Vec<u8>>;

/// What was written to it: new values, and nothing for each key that is gone.
pub type Writes = BTreeMap<String, Option<Vec<u8>>>;

/// One instance of a driver: libnetwork's `Ipam`.
///
/// It serves one call at a time; `&mut self` is the whole story of its
/// concurrency. What it answers is a proposal. After [`Failure::Broken`] it is
/// dropped and never called again.
#[expect(clippy::missing_errors_doc, reason = "every method refuses or breaks, as `Failure` says")]
pub trait Driver: Send {
    /// Says when the request began that the next calls are made for: all that
    /// a driver may know of the time. Replay says when the entry was granted.
    /// Before the first, it is 1970: what an instance does while it starts
    /// does not depend on when that is.
    fn begin(&mut self, at: SystemTime) {
        let _ = at;
    }

    /// The names of its address spaces; always the same.
    fn default_address_spaces(&mut self) -> Result<AddressSpaces, Failure>;

    /// Proposes a pool.
    fn request_pool(&mut self, request: &PoolRequest) -> Result<PoolGrant, Failure>;

    /// Forgets a pool whose leases are released. A driver with a system of record takes
    /// back all that it recorded in the pool: it is not told of each lease.
    fn release_pool(&mut self, pool_id: &PoolId) -> Result<(), Failure>;

    /// Proposes a lease.
    fn request_address(&mut self, request: &AddressRequest) -> Result<AddressGrant, Failure>;

    /// Forgets a lease.
    fn release_address(&mut self, pool_id: &PoolId, address: IpAddr) -> Result<(), Failure>;

    /// Whether it says that it is part of its host. Nobody believes it.
    fn is_built_in(&mut self) -> Result<bool, Failure> {
        Ok(false)
    }

    /// How much memory of its own it has taken, in bytes, if that is known.
    fn memory_bytes(&self) -> Option<u64> {
        None
    }

    /// How full a pool is, if the driver can tell.
    fn pool_status(&mut self, pool_id: &PoolId) -> Option<Result<PoolStatus, Failure>> {
        let _ = pool_id;
        None
    }

    /// Lists what its system of record holds in this host's name, at most
    /// `limit` of it, if the driver has such a system.
    fn list_records(
        &mut self,
        cursor: Option<&str>,
        limit: u32,
    ) -> Option<Result<RecordPage, Failure>> {
        let _ = (cursor, limit);
        None
    }

    /// Whether its system of record has a granted pool, or an address of it, if
    /// the driver has such a system.
    fn has_record(
        &mut self,
        pool_id: &PoolId,
        address: Option<IpAddr>,
    ) -> Option<Result<bool, Failure>> {
        let _ = (pool_id, address);
        None
    }

    /// Removes a record from its system of record, if the driver has such a
    /// system; false when there is none such.
    fn remove_record(&mut self, record: &HeldRecord) -> Option<Result<bool, Failure>> {
        let _ = record;
        None
    }

    /// Hands over what the last call wrote to the driver's store, for whoever
    /// makes it durable with what came of that call. From here on the instance
    /// reads it as stored; what is not taken before the next call is forgotten.
    /// Refusals, failures, and calls other than requests and releases, write
    /// nothing.
    fn take_writes(&mut self) -> Writes {
        Writes::new()
    }
}

/// What a new instance is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// Which of its names it serves; nothing asks it for all of them.
    pub name: Option<DriverName>,
    /// The operator's table for this driver, one JSON object.
    pub config: String,
    /// What it has stored. Empty for the start that is to learn its names.
    pub stored: Arc<Stored>,
}

/// How a driver makes itself known while it starts: libnetwork's `Callback`.
///
/// Its third function, `GetPluginGetter`, is a grant and comes with it.
pub trait Callback: Send {
    /// Registers a name, with what the driver needs.
    ///
    /// # Errors
    /// `invalid-request` for a name that cannot be one, a second time or one
    /// too many; `forbidden` for a name that may not be taken.
    fn register_ipam_driver_with_capabilities(
        &mut self,
        name: &str,
        capability: Capability,
    ) -> Result<(), Error>;

    /// Registers a name with the capability that asks for nothing.
    ///
    /// # Errors
    /// As [`Callback::register_ipam_driver_with_capabilities`].
    fn register_ipam_driver(&mut self, name: &str) -> Result<(), Error> {
        self.register_ipam_driver_with_capabilities(name, Capability::default())
    }
}

/// A way to make instances of one driver: a compiled component, or native code.
pub trait Factory: Send + Sync {
    /// Makes an instance and starts it; it registers through `callback`, which
    /// is dropped when its start is over.
    ///
    /// # Errors
    /// [`Failure::Refused`] with the driver's words when it cannot work with
    /// its configuration, [`Failure::Broken`] when it did not come up.
    fn make(&self, start: &Start, callback: Box<dyn Callback>) -> Result<Box<dyn Driver>, Failure>;

    /// How long an instance may take to learn all that was granted, if this is
    /// not for the host alone to say.
    fn replay_time(&self) -> Option<Duration> {
        None
    }

    /// The host ends: calls of what this made end soon, as broken, and so does
    /// whatever it is asked to make. Whoever cannot end a call does nothing.
    fn halt(&self) {}

    /// Whether its drivers say what their system of record holds.
    fn has_records(&self) -> bool {
        false
    }

    /// Which version this is, if it comes from a file.
    fn digest(&self) -> Option<Digest> {
        None
    }
}
