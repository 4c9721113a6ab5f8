//! What a crash, or an answer that was lost, left in the system of record.

use ipam_driver::AddressRequest;
use std::collections::{BTreeMap, BTreeSet};

/// How many addresses of a pool are looked at as perhaps left over: the newest.
pub const LEFT_OVER_MAX: usize = 64;

/// Addresses in this host's name that may be left over, by pool.
///
/// A driver of record has no ledger: whether such an address is leased only the host knows.
/// So the driver offers them with [`names::LEFT_OVER`](ipam_driver::names::LEFT_OVER)
/// before it takes a new one, and the host asks again for as long as they are leased.
#[derive(Debug)]
pub(crate) struct LeftOver<T> {
    /// By a pool's key, with the id of each, the newest last.
    pools: BTreeMap<String, Vec<(u64, T)>>,
    /// What was asked last: the host asks the same again if the answer is leased.
    last: Option<AddressRequest>,
}

impl<T> Default for LeftOver<T> {
    fn default() -> Self {
        Self { pools: BTreeMap::new(), last: None }
    }
}

impl<T> LeftOver<T> {
    /// Whether the system of record must be asked what there is: for a pool that was not
    /// looked at, and for another request, since somebody may have deleted some.
    #[must_use]
    pub(crate) fn needs_look(&self, key: &str, request: &AddressRequest) -> bool {
        let is_again = self.last.as_ref() == Some(request);
        self.pools.get(key).is_none_or(|left| !left.is_empty() && !is_again)
    }

    /// What of this host there is in a pool, by its id: all at first, and what is still
    /// there of it after that.
    pub(crate) fn found(&mut self, key: &str, found: impl IntoIterator<Item = (u64, T)>) {
        let mut found: Vec<(u64, T)> = found.into_iter().collect();
        if let Some(before) = self.pools.get(key) {
            let before: BTreeSet<u64> = before.iter().map(|(id, _)| *id).collect();
            found.retain(|(id, _)| before.contains(id));
        }
        found.sort_by_key(|(id, _)| *id);
        let newest = found.split_off(found.len().saturating_sub(LEFT_OVER_MAX));
        self.pools.insert(key.to_owned(), newest);
    }

    /// The next one to offer to a request.
    pub(crate) fn next(&mut self, key: &str, request: &AddressRequest) -> Option<T> {
        self.last = Some(request.clone());
        self.pools.get_mut(key)?.pop().map(|(_, left)| left)
    }

    /// Forgets those that are leased now, or free.
    pub(crate) fn forget(&mut self, key: &str, is_it: impl Fn(&T) -> bool) {
        if let Some(left) = self.pools.get_mut(key) {
            left.retain(|(_, left)| !is_it(left));
        }
    }

    /// Forgets a pool: it was released, or an answer about it was lost.
    pub(crate) fn forget_pool(&mut self, key: &str) {
        self.pools.remove(key);
    }
}
