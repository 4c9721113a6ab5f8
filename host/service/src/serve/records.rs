//! What a driver's system of record holds, asked for in order with the driver's
//! requests.
//!
//! So a removal needs no lock: whatever was granted before it is in the state that it is
//! judged by, and whatever is granted after it is asked of a system without that record.

use super::processor::Processor;
use ipam_api::{
    Code, Error, Failure, HeldRecord, Kind, PoolChoice, PoolId, PoolRequest, RecordPage,
    RecordsAnswer, RecordsRequest, Removal,
};
use ipam_ledger::Audit;
use std::net::IpAddr;

impl Processor {
    pub(super) fn records(
        &mut self,
        request: RecordsRequest,
        audit: Audit,
    ) -> Result<RecordsAnswer, Failure> {
        match request {
            RecordsRequest::List { cursor, limit } => {
                self.list_records(cursor.as_deref(), limit).map(RecordsAnswer::Page)
            }
            RecordsRequest::Has(pool_id, address) => {
                self.has_record(&pool_id, address).map(RecordsAnswer::Has)
            }
            RecordsRequest::Remove(record) => {
                self.remove_record(&record, audit).map(RecordsAnswer::Removal)
            }
        }
    }

    /// Refuses an exact pool that overlaps another of the ledger, where the driver has a
    /// system of record: that knows the prefixes of all hosts, and not which of them this
    /// host uses. Other drivers have the ledger by replay, or a policy of their own.
    pub(super) fn refuse_overlap(&self, request: &PoolRequest) -> Result<(), Failure> {
        let PoolChoice::Exact(prefix) = request.pool else { return Ok(()) };
        if !self.instance.as_ref().is_some_and(|instance| instance.has_records) {
            return Ok(());
        }
        match self.state.overlapped_by(&request.address_space, &prefix) {
            None => Ok(()),
            Some(other) => {
                let text = format!("{prefix} overlaps {other}, which is a pool of this host");
                Err(Error::new(Code::PoolOverlap, text).into())
            }
        }
    }

    fn list_records(&mut self, cursor: Option<&str>, limit: u32) -> Result<RecordPage, Failure> {
        let page = self.ask(|driver| driver.list_records(cursor, limit))?;
        let page = page.ok_or(Code::Other(Kind::NotImplemented))?;
        match page.records.iter().find(|record| !self.is_own_space(&record.address_space)) {
            None => Ok(page),
            Some(HeldRecord { address_space, .. }) => Err(self.violated(&format_args!(
                "a record of the address space {address_space:?}, which is not its own"
            ))),
        }
    }

    /// In another space nothing is held, and a record of what is held would be taken for
    /// one that nobody needs.
    fn is_own_space(&self, space: &str) -> bool {
        let spaces = &self.settings.spaces;
        space == spaces.local || space == spaces.global
    }

    fn has_record(
        &mut self,
        pool_id: &PoolId,
        address: Option<IpAddr>,
    ) -> Result<Option<bool>, Failure> {
        let is_held = match address {
            Some(address) => self.state.is_held(pool_id, address),
            None => self.state.pool(pool_id).is_some(),
        };
        if !is_held {
            return Ok(None);
        }
        let has = self.ask(|driver| driver.has_record(pool_id, address))?;
        Ok(Some(has.ok_or(Code::Other(Kind::NotImplemented))?))
    }

    /// A release that is staged counts as released: the driver has been told of it, and
    /// it is kept if its commit fails.
    fn remove_record(&mut self, record: &HeldRecord, audit: Audit) -> Result<Removal, Failure> {
        if !self.is_own_space(&record.address_space) {
            return Err(Code::InvalidAddressSpace.into());
        }
        if self.state.may_hold(record) {
            return Ok(Removal::Held);
        }
        let removed = self.ask(|driver| driver.remove_record(record))?;
        if !removed.ok_or(Code::Other(Kind::NotImplemented))? {
            return Ok(Removal::Gone);
        }
        tracing::info!(
            driver = %self.settings.name, by = %audit.by, record = ?record.id.as_str(),
            space = ?record.address_space, pool = %record.pool, address = record.address.map(display),
            "removed from the system of record",
        );
        Ok(Removal::Removed)
    }
}
