//! The trait of a driver whose grants are stored in a system of record.

use crate::{Driver, Error, HeldRecord, RecordPage};
use core::net::IpAddr;

/// A driver whose grants are stored in a system of record, and that says what
/// that system holds in this host's name: `export!(MyDriver, records)`.
///
/// With it an operator compares ledger and system (`wipam check`), and gives
/// back what only the system has (`wipam reconcile records`). A pool that is
/// released takes all with it that is recorded in it for this host: the host need
/// not tell of its addresses. No method needs what an instance remembers, and
/// none changes what the driver grants.
///
/// ```
/// # use ipam_driver::*;
/// # use std::{collections::BTreeMap, net::IpAddr};
/// /// The system of record: addresses of one pool, by its own numbers.
/// struct Lab {
///     objects: BTreeMap<u64, IpAddr>,
/// }
///
/// impl Lab {
///     fn record(&self, id: u64) -> Option<HeldRecord> {
///         let address = Some(*self.objects.get(&id)?);
///         let pool = "192.0.2.0/24".parse().expect("a prefix");
///         let (id, address_space) = (id.to_string(), "lab".into());
///         Some(HeldRecord { id, address_space, pool, address, label: String::new() })
///     }
/// }
///
/// impl Records for Lab {
///     // The cursor is the last number of the page before.
///     fn list_records(&mut self, cursor: Option<&str>, limit: u32) -> Result<RecordPage, Error> {
///         let last = cursor.map_or(Ok(0), str::parse).map_err(|_| Code::InvalidRequest)?;
///         let ids = self.objects.range(last + 1..).map(|(id, _)| *id);
///         let ids: Vec<u64> = ids.take(limit as usize).collect();
///         let records = ids.iter().filter_map(|id| self.record(*id)).collect();
///         Ok(RecordPage { records, next: ids.last().map(u64::to_string) })
///     }
///     fn has_record(&mut self, _pool_id: &str, address: Option<IpAddr>) -> Result<bool, Error> {
///         Ok(address.is_none_or(|address| self.objects.values().any(|known| *known == address)))
///     }
///     fn remove_record(&mut self, record: &HeldRecord) -> Result<bool, Error> {
///         let id = record.id.parse().map_err(|_| Code::InvalidRequest)?;
///         // Not if the number stands for something else by now.
///         let is_this = self.record(id).is_some_and(|known| known.address == record.address);
///         Ok(is_this && self.objects.remove(&id).is_some())
///     }
/// }
///
/// let mut lab = Lab { objects: BTreeMap::from([(17, "192.0.2.7".parse()?)]) };
/// let page = lab.list_records(None, 100)?;
/// assert_eq!(lab.list_records(page.next.as_deref(), 100)?, RecordPage::default());
/// assert_eq!(lab.remove_record(&page.records[0]), Ok(true));
/// assert_eq!(lab.remove_record(&page.records[0]), Ok(false));
/// # impl Driver for Lab {
/// #     const NAME: &'static str = "lab";
/// #     fn new(_: &str) -> Result<Self, Error> { Ok(Self { objects: BTreeMap::new() }) }
/// #     fn default_address_spaces(&mut self) -> Result<AddressSpaces, Error> { unimplemented!() }
/// #     fn request_pool(&mut self, _: PoolRequest) -> Result<PoolGrant, Error> { unimplemented!() }
/// #     fn release_pool(&mut self, _: &str) -> Result<(), Error> { unimplemented!() }
/// #     fn request_address(&mut self, _: AddressRequest) -> Result<AddressGrant, Error> { unimplemented!() }
/// #     fn release_address(&mut self, _: &str, _: IpAddr) -> Result<(), Error> { unimplemented!() }
/// # }
/// # export!(Lab, records);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[expect(clippy::missing_errors_doc, reason = "each method says when it fails")]
pub trait Records: Driver {
    /// Lists what the system holds in this host's name, at most `limit` of it,
    /// from where `cursor` says; from the beginning if there is none.
    ///
    /// What others made is not listed, even if it is granted now. A cursor comes
    /// from an earlier page, perhaps that of an earlier instance. `Unavailable`
    /// when the system cannot be asked: a part must not look like all.
    fn list_records(&mut self, cursor: Option<&str>, limit: u32) -> Result<RecordPage, Error>;

    /// Whether the system has a granted pool, or an address of it, whoever made
    /// it there. `Unavailable` when the system cannot be asked.
    fn has_record(&mut self, pool_id: &str, address: Option<IpAddr>) -> Result<bool, Error>;

    /// Removes a record that is in no ledger: what has this id, if it is still
    /// that pool or that address and still in this host's name. False when there
    /// is none such, which is a success, too.
    ///
    /// Never removes what is in another host's name, nor a pool in which the
    /// system has what is not this host's: `Forbidden`.
    fn remove_record(&mut self, record: &HeldRecord) -> Result<bool, Error>;
}
