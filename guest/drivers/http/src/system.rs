//! What every system of record is asked for.

use crate::{Identity, Note, Object, Of, PoolName};
use ipam_driver::{Error, IpNet, PoolRequest};
use std::net::IpAddr;

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Search<'a> {
    /// What the system has at an address of a pool.
    At(&'a PoolName, IpAddr),
    /// The addresses of this host in a pool.
    OursIn(&'a PoolName),
    /// All of this host, for systems without pages.
    Ours(Of),
    /// The addresses, or the pools, in the pool of that number, whoever made them. Addresses
    /// that no driver made may be one [`Object::others`] together.
    In(Of, u64, IpNet),
    /// The pools that have just that prefix.
    Prefix(IpNet),
}

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
    const DELETED_MAX: usize = 100;

    /// Whether a part of a pool can be asked for (`--ip-range`).
    const HAS_SUB_POOLS: bool = false;

    /// Who this host is there.
    fn identity(&self) -> &Identity;

    /// Learns what must be known before anything is asked.
    fn prepare(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// Finds or makes a pool, and says its gateway if the system has one.
    fn request_pool(&mut self, request: &PoolRequest) -> Result<(PoolName, Option<IpNet>), Error>;

    /// Makes this address of a pool, or the next available one. `None` if the system has that
    /// address already, or has none left.
    fn make(
        &mut self,
        pool: &PoolName,
        address: Option<IpAddr>,
        note: &Note<'_>,
    ) -> Result<Option<Object>, Error>;

    /// The objects that a search asks for; others may be among them.
    fn find(&mut self, search: &Search<'_>) -> Result<Vec<Object>, Error>;

    /// One object.
    fn get(&mut self, of: Of, id: u64) -> Result<Option<Object>, Error>;

    /// Deletes one object. False if it was not there.
    fn delete(&mut self, of: Of, id: u64) -> Result<bool, Error>;

    /// Deletes addresses. What may not be deleted may be left out without a word.
    fn delete_all(&mut self, ids: &[u64]) -> Result<(), Error> {
        ids.iter().try_for_each(|id| self.delete(Of::Addresses, *id).map(drop))
    }

    /// Writes into an object of ours the text of another host, which then has it; without a
    /// text, nobody has it.
    fn hand_over(&mut self, of: Of, known: &Object, text: Option<&str>) -> Result<(), Error>;

    /// The keys by which this host's objects are listed, such as a description or a field.
    /// Only all of these lists together are complete.
    fn listed_by(&self) -> &'static [&'static str] {
        &["text"]
    }

    /// A page of such a list, and where the next page begins. For a system without pages,
    /// `offset` is the number of the page's first object, and each page reads the whole list.
    fn page(
        &mut self,
        by: &str,
        of: Of,
        limit: usize,
        offset: usize,
    ) -> Result<(Vec<Object>, Option<usize>), Error> {
        let _ = by;
        let mut found = self.find(&Search::Ours(of))?;
        found.retain(|known| usize::try_from(known.id).is_ok_and(|id| id >= offset));
        let next = found.get(limit).and_then(|next| next.id.try_into().ok());
        found.truncate(limit);
        Ok((found, next))
    }

    /// The pool that has just that prefix.
    fn prefix(&mut self, net: IpNet) -> Result<Option<Object>, Error> {
        let found = self.find(&Search::Prefix(net))?;
        Ok(found.into_iter().find(|known| known.net == net))
    }

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
        match id {
            Object::OTHERS => format!("what others have in {}", Self::NAME),
            id => format!("{}'s {}{id}/", Self::NAME, Self::path(of)),
        }
    }

    /// An answer that is not what the documentation says.
    #[must_use]
    fn odd(text: &str) -> Error {
        crate::client::odd(Self::NAME, text)
    }
}
