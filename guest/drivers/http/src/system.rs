//! What every system of record is asked for.

use crate::{Identity, Note, Object, Of, PoolName};
use ipam_driver::{Error, IpNet, PoolRequest};
use std::net::IpAddr;

/// A system of record, in the few calls that [`Policy`](crate::Policy) makes. What an
/// object is and how it is asked for is the driver's; whether it is granted, taken over or
/// deleted is the policy's.
///
/// Lists have the object with the lowest number first. What is not known is a refusal: an
/// answer that is lost is `unavailable`, and a list that is too long is no list.
#[expect(clippy::missing_errors_doc, reason = "the refusals of the system")]
pub trait SystemOfRecord {
    /// The address space, local and global, which is the driver's name.
    const SPACE: &'static str;
    /// What texts call the system.
    const NAME: &'static str;
    /// The paths of pools and of addresses. Their last words name the kinds in records.
    const PATHS: [&'static str; 2];
    /// Addresses that one call deletes: it takes a while, and a call has a limit.
    const DELETED_MAX: usize;

    /// Who this host is there.
    fn identity(&self) -> &Identity;

    /// Learns what must be known before anything is asked.
    fn prepare(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// Finds or makes a pool, and says its gateway if the system has one.
    fn request_pool(&mut self, request: &PoolRequest) -> Result<(PoolName, Option<IpNet>), Error>;

    /// Makes the next address of a pool; nothing if there is none left.
    fn next(&mut self, pool: &PoolName, note: &Note<'_>) -> Result<Option<Object>, Error>;

    /// Makes this address of a pool; nothing if the system has it.
    fn make(
        &mut self,
        pool: &PoolName,
        address: IpAddr,
        note: &Note<'_>,
    ) -> Result<Option<Object>, Error>;

    /// What the system has at an address of a pool.
    fn at(&mut self, pool: &PoolName, address: IpAddr) -> Result<Vec<Object>, Error>;

    /// The addresses in a pool that may be of this host, all of them.
    fn ours(&mut self, pool: &PoolName) -> Result<Vec<Object>, Error>;

    /// The addresses, or the pools, that lie in a pool, whoever made them.
    fn inside(&mut self, of: Of, number: u64, net: IpNet) -> Result<Vec<Object>, Error>;

    /// The pool that has just that prefix.
    fn find(&mut self, net: IpNet) -> Result<Option<Object>, Error>;

    /// One object.
    fn get(&mut self, of: Of, id: u64) -> Result<Option<Object>, Error>;

    /// Deletes one object. False if it was not there.
    fn delete(&mut self, of: Of, id: u64) -> Result<bool, Error>;

    /// Deletes addresses. What may not be deleted may be left out without a word.
    fn delete_all(&mut self, ids: &[u64]) -> Result<(), Error> {
        ids.iter().try_for_each(|id| self.delete(Of::Addresses, *id).map(drop))
    }

    /// Makes an object of ours another host's, whose text that is, or nobody's.
    fn hand_over(&mut self, of: Of, known: &Object, text: Option<&str>) -> Result<(), Error>;

    /// What lists of this host's objects can be by, such as a description or a field, and
    /// must all be for nothing to be missing.
    fn listed_by(&self) -> &'static [&'static str];

    /// A page of such a list, and the offset of the next one if there is one.
    fn page(
        &mut self,
        by: &str,
        of: Of,
        limit: usize,
        offset: usize,
    ) -> Result<(Vec<Object>, Option<usize>), Error>;

    /// The number of the pool of an address whose own length is not the pool's.
    fn number_of_pool(&self, known: &Object) -> Option<u64>;

    /// The path of a kind.
    #[must_use]
    fn path(of: Of) -> &'static str {
        let [pools, addresses] = Self::PATHS;
        match of {
            Of::Pools => pools,
            Of::Addresses => addresses,
        }
    }

    /// How texts name an object.
    #[must_use]
    fn label(of: Of, id: u64) -> String {
        format!("{}'s {}{id}/", Self::NAME, Self::path(of))
    }

    /// An answer that is not what the documentation says.
    #[must_use]
    fn odd(text: &str) -> Error {
        crate::client::odd(Self::NAME, text)
    }
}
