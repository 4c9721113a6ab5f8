//! The book of reservations: who had which address last, in memory and in the
//! store.
//!
//! In: leases of somebody, and releases. Out: whose address is whose, and what is
//! written. An address has one reservation at most, and so has a holder.
//!
//! A moment is a number that counts upwards with whatever is written: what a
//! clock says is not needed, and goes back at times.

use crate::holder::{self, Holder};
use alloc::{collections::BTreeMap, format, rc::Rc, vec::Vec};
use core::net::IpAddr;
use ipam_driver::{Code, Error, Kind, log};
use ipam_pools::{Aside, Place, Store, place, read_all};

/// Reservations that one request drops to make room: as many as it takes, and
/// an end where the store has become much smaller.
const DROPPED_MAX: usize = 64;

/// All reservations. Those whose address is free are set aside in [`Aside`].
#[derive(Debug)]
pub(crate) struct Book<S> {
    store: S,
    holders: BTreeMap<Place, Rc<Holder>>,
    addresses: BTreeMap<Rc<Holder>, IpAddr>,
    /// How many there may be.
    max: usize,
    /// The next moment.
    next: u64,
}

impl<S: Store> Book<S> {
    /// The book as it is stored. What was free then, or is not replayed, is set
    /// aside; what cannot be read is left alone, and the operator told.
    pub(crate) fn open(store: S, max: usize, aside: &mut Aside) -> Result<Self, Error> {
        let (holders, addresses) = (BTreeMap::new(), BTreeMap::new());
        let mut book = Self { store, holders, addresses, max, next: 0 };
        let mut unread = 0;
        let mut found = Vec::new();
        read_all(&book.store, |key, value| {
            let read =
                place::read(key).and_then(|place| Some((place, holder::read(place.0, value)?)));
            match read {
                Some(read) => found.push(read),
                None => unread += 1,
            }
        })?;
        for (place, (holder, moment)) in found {
            if book.addresses.contains_key(&holder) || !aside.restore(place, moment) {
                unread += 1;
                continue;
            }
            book.insert(place, Rc::new(holder));
            book.next = book.next.max(moment + 1);
        }
        if unread > 0 {
            log::warn(format!("{unread} keys in the store are no reservations"));
        }
        Ok(book)
    }

    /// The address that is reserved to somebody.
    pub(crate) fn address(&self, holder: &Holder) -> Option<IpAddr> {
        self.addresses.get(holder).copied()
    }

    /// Reserves an address, just leased to somebody, to them, and nothing else any
    /// more. Without room for that in the book it is reserved to nobody.
    pub(crate) fn reserve(&mut self, holder: Holder, address: IpAddr, aside: &mut Aside) {
        let place = (holder.pool.parent(), address);
        if self.holders.get(&place).is_some_and(|other| **other == holder) {
            return;
        }
        self.forget(place, aside);
        if let Some(before) = self.address(&holder) {
            self.forget((place.0, before), aside);
        }
        let mut dropped = 0;
        while self.holders.len() >= self.max {
            if dropped == DROPPED_MAX || !self.forget_oldest(aside) {
                return log::warn(format!("no room to reserve {address}: all are in use"));
            }
            dropped += 1;
        }
        if self.write(place, &holder, aside).is_some() {
            self.insert(place, Rc::new(holder));
        }
    }

    /// Notes that a lease of an address ends. The moment, if it is reserved.
    pub(crate) fn released(&mut self, place: Place, aside: &mut Aside) -> Option<u64> {
        let holder = self.holders.get(&place)?.clone();
        let moment = self.write(place, &holder, aside);
        if moment.is_none() {
            self.remove(place);
        }
        moment
    }

    /// Writes a reservation, and drops those that are free, the oldest first,
    /// until there is room. The moment; nothing if there is no room, and then
    /// nothing is stored.
    fn write(&mut self, place: Place, holder: &Holder, aside: &mut Aside) -> Option<u64> {
        let (key, moment) = (place::key(place), self.next);
        let value = holder::write(holder, moment);
        for _ in 0..=DROPPED_MAX {
            let refusal = match self.store.set(&key, value.as_bytes()) {
                Ok(()) => {
                    self.next += 1;
                    return Some(moment);
                }
                Err(refusal) => refusal,
            };
            let is_full = refusal.code() == Code::Other(Kind::Unavailable);
            if !is_full || !self.forget_oldest(aside) {
                log::warn(format!("{} is not reserved: {refusal}", place.1));
                break;
            }
        }
        self.delete(&key);
        None
    }

    /// Drops the reservation that is free for the longest time, if one is.
    fn forget_oldest(&mut self, aside: &mut Aside) -> bool {
        let oldest = aside.oldest();
        if let Some((_, place)) = oldest {
            self.forget(place, aside);
        }
        oldest.is_some()
    }

    /// Drops the reservation of an address.
    fn forget(&mut self, place: Place, aside: &mut Aside) {
        if self.remove(place) {
            self.delete(&place::key(place));
        }
        aside.free(place);
    }

    fn delete(&mut self, key: &str) {
        if let Err(refusal) = self.store.delete(key) {
            log::warn(format!("{key} stays in the store: {refusal}"));
        }
    }

    fn insert(&mut self, place: Place, holder: Rc<Holder>) {
        self.addresses.insert(holder.clone(), place.1);
        self.holders.insert(place, holder);
    }

    fn remove(&mut self, place: Place) -> bool {
        let holder = self.holders.remove(&place);
        holder.is_some_and(|holder| self.addresses.remove(&holder).is_some())
    }

    /// What is in the book, and where it is stored.
    #[cfg(test)]
    pub(crate) fn parts(&mut self) -> (&BTreeMap<Place, Rc<Holder>>, &mut S) {
        (&self.holders, &mut self.store)
    }
}
