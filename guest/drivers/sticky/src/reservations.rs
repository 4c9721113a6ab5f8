//! Reservations: which identity had which address last, in memory and in the store.
//!
//! In: leases with an identity, and releases. Out: which address is reserved to
//! which identity, and what is written to the store. An address has at most one
//! reservation, and so has an identity.
//!
//! A moment is a counter that grows with each write. It is no clock: none is
//! needed, and clocks are set back at times.

use crate::identity::{self, Identity};
use alloc::{collections::BTreeMap, format, rc::Rc, vec::Vec};
use core::net::IpAddr;
use ipam_driver::{Code, Error, Kind, log};
use ipam_pools::{Location, Store, Withheld, location, read_all};

/// Reservations that one request drops to make room: as many as it takes, and
/// an end where the store has become much smaller.
const DROPPED_MAX: usize = 64;

/// All reservations. An address that is reserved and free is withheld in [`Withheld`].
#[derive(Debug)]
pub(crate) struct Reservations<S> {
    store: S,
    identities: BTreeMap<Location, Rc<Identity>>,
    addresses: BTreeMap<Rc<Identity>, IpAddr>,
    /// How many there may be.
    max: usize,
    /// The next moment.
    next: u64,
}

impl<S: Store> Reservations<S> {
    /// The reservations of the store. Their addresses are withheld until replay says
    /// that one is leased. What cannot be read is left in the store, and logged.
    pub(crate) fn open(store: S, max: usize, pools: &mut Withheld) -> Result<Self, Error> {
        let (identities, addresses) = (BTreeMap::new(), BTreeMap::new());
        let mut reservations = Self { store, identities, addresses, max, next: 0 };
        let mut unread = 0;
        let mut found = Vec::new();
        read_all(&reservations.store, |key, value| {
            let read = location::read(key)
                .and_then(|location| Some((location, identity::read(location.0, value)?)));
            match read {
                Some(read) => found.push(read),
                None => unread += 1,
            }
        })?;
        for (location, (identity, moment)) in found {
            if reservations.addresses.contains_key(&identity) || !pools.restore(location, moment) {
                unread += 1;
                continue;
            }
            reservations.insert(location, Rc::new(identity));
            reservations.next = reservations.next.max(moment + 1);
        }
        if unread > 0 {
            log::warn(format!("{unread} keys in the store are not reservations and are ignored"));
        }
        Ok(reservations)
    }

    /// The address that is reserved to somebody.
    pub(crate) fn address(&self, identity: &Identity) -> Option<IpAddr> {
        self.addresses.get(identity).copied()
    }

    /// Reserves an address that was just leased to the identity that leased it, in
    /// place of the one it had. Without room for that, it is reserved to nobody.
    pub(crate) fn reserve(&mut self, identity: Identity, address: IpAddr, pools: &mut Withheld) {
        let location = (identity.pool.parent(), address);
        if self.identities.get(&location).is_some_and(|other| **other == identity) {
            return;
        }
        self.forget(location, pools);
        if let Some(before) = self.address(&identity) {
            self.forget((location.0, before), pools);
        }
        let mut dropped = 0;
        while self.identities.len() >= self.max {
            if dropped == DROPPED_MAX || !self.forget_oldest(pools) {
                return log::warn(format!("cannot reserve {address}: all reservations are in use"));
            }
            dropped += 1;
        }
        if self.write(location, &identity, pools).is_some() {
            self.insert(location, Rc::new(identity));
        }
    }

    /// Notes that a lease of an address ends. The moment, if it is reserved.
    pub(crate) fn released(&mut self, location: Location, pools: &mut Withheld) -> Option<u64> {
        let identity = self.identities.get(&location)?.clone();
        let moment = self.write(location, &identity, pools);
        if moment.is_none() {
            self.remove(location);
        }
        moment
    }

    /// Writes a reservation, and drops those that are free, the oldest first,
    /// until there is room. The moment; nothing if there is no room, and then
    /// nothing is stored.
    fn write(
        &mut self,
        location: Location,
        identity: &Identity,
        pools: &mut Withheld,
    ) -> Option<u64> {
        let (key, moment) = (location::key(location), self.next);
        let value = identity::write(identity, moment);
        for _ in 0..=DROPPED_MAX {
            let refusal = match self.store.set(&key, value.as_bytes()) {
                Ok(()) => {
                    self.next += 1;
                    return Some(moment);
                }
                Err(refusal) => refusal,
            };
            let is_full = refusal.code() == Code::Other(Kind::Unavailable);
            if !is_full || !self.forget_oldest(pools) {
                log::warn(format!("{} is not reserved: {refusal}", location.1));
                break;
            }
        }
        self.delete(&key);
        None
    }

    /// Drops the reservation that is free for the longest time, if one is.
    fn forget_oldest(&mut self, pools: &mut Withheld) -> bool {
        let oldest = pools.oldest();
        if let Some((_, location)) = oldest {
            self.forget(location, pools);
        }
        oldest.is_some()
    }

    /// Drops the reservation of an address.
    fn forget(&mut self, location: Location, pools: &mut Withheld) {
        if self.remove(location) {
            self.delete(&location::key(location));
        }
        pools.free(location);
    }

    fn delete(&mut self, key: &str) {
        if let Err(refusal) = self.store.delete(key) {
            log::warn(format!("cannot delete {key} from the store: {refusal}"));
        }
    }

    fn insert(&mut self, location: Location, identity: Rc<Identity>) {
        self.addresses.insert(identity.clone(), location.1);
        self.identities.insert(location, identity);
    }

    fn remove(&mut self, location: Location) -> bool {
        let identity = self.identities.remove(&location);
        identity.is_some_and(|identity| self.addresses.remove(&identity).is_some())
    }

    /// All reservations by address, and the store.
    #[cfg(test)]
    pub(crate) fn parts(&mut self) -> (&BTreeMap<Location, Rc<Identity>>, &mut S) {
        (&self.identities, &mut self.store)
    }
}
