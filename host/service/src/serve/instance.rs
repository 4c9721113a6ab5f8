//! One instance of a driver, which may panic.

use crate::panics::{guard, quietly};
use ipam_api::{
    AddressGrant, AddressRequest, AddressSpaces, Callback, Driver, Factory, Failure, HeldRecord,
    PoolGrant, PoolId, PoolRequest, PoolStatus, RecordPage, Start, Writes,
};
use ipam_ledger::Time;
use std::{
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A started instance. A panic of native code counts as a trap: whoever sees
/// [`Failure::Broken`] drops the instance, so that nobody uses what a panic left
/// behind.
pub(crate) struct Instance {
    /// Nothing only while this is dropped.
    driver: Option<Box<dyn Driver>>,
    /// Whether it says what its system of record holds.
    pub(super) has_records: bool,
    /// When the current request began.
    at: SystemTime,
}

impl Instance {
    /// Makes and starts an instance.
    pub(crate) fn make(
        factory: &dyn Factory,
        start: &Start,
        callback: Box<dyn Callback>,
    ) -> Result<Self, Failure> {
        let has_records = factory.has_records();
        guard(|| factory.make(start, callback)).map(|driver| Self {
            driver: Some(driver),
            has_records,
            at: UNIX_EPOCH,
        })
    }

    /// Says when the request began that the next calls are for.
    pub(crate) fn set_time(&mut self, at: Time) {
        self.at = UNIX_EPOCH + Duration::from_millis(at.0);
    }

    pub(crate) fn default_address_spaces(&mut self) -> Result<AddressSpaces, Failure> {
        self.call(|driver| driver.default_address_spaces())
    }

    pub(crate) fn request_pool(&mut self, request: &PoolRequest) -> Result<PoolGrant, Failure> {
        self.call(|driver| driver.request_pool(request))
    }

    pub(crate) fn release_pool(&mut self, pool_id: &PoolId) -> Result<(), Failure> {
        self.call(|driver| driver.release_pool(pool_id))
    }

    pub(crate) fn request_address(
        &mut self,
        request: &AddressRequest,
    ) -> Result<AddressGrant, Failure> {
        self.call(|driver| driver.request_address(request))
    }

    pub(crate) fn release_address(
        &mut self,
        pool_id: &PoolId,
        address: IpAddr,
    ) -> Result<(), Failure> {
        self.call(|driver| driver.release_address(pool_id, address))
    }

    pub(crate) fn memory_bytes(&self) -> Option<u64> {
        self.driver.as_ref().and_then(|driver| driver.memory_bytes())
    }

    pub(crate) fn pool_status(&mut self, pool_id: &PoolId) -> Result<Option<PoolStatus>, Failure> {
        self.call(|driver| driver.pool_status(pool_id).transpose())
    }

    pub(crate) fn list_records(
        &mut self,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Option<RecordPage>, Failure> {
        self.call(|driver| driver.list_records(cursor, limit).transpose())
    }

    pub(crate) fn has_record(
        &mut self,
        pool_id: &PoolId,
        address: Option<IpAddr>,
    ) -> Result<Option<bool>, Failure> {
        self.call(|driver| driver.has_record(pool_id, address).transpose())
    }

    pub(crate) fn remove_record(&mut self, record: &HeldRecord) -> Result<Option<bool>, Failure> {
        self.call(|driver| driver.remove_record(record).transpose())
    }

    /// What the last call wrote to its store.
    pub(crate) fn take_writes(&mut self) -> Result<Writes, Failure> {
        match &mut self.driver {
            Some(driver) => guard(|| Ok(driver.take_writes())),
            None => Ok(Writes::new()),
        }
    }

    fn call<T>(
        &mut self,
        ask: impl FnOnce(&mut dyn Driver) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        match &mut self.driver {
            Some(driver) => guard(|| {
                driver.begin(self.at);
                ask(driver.as_mut())
            }),
            None => Err(Failure::broken("the instance is gone")),
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let driver = self.driver.take();
        if let Err(reason) = quietly(|| drop(driver)) {
            tracing::warn!(reason, "a driver panicked while it was dropped");
        }
    }
}
