//! The allocator, with an eye on the pool that it was last asked about.

use crate::{
    allocator::{Allocator, Choice, Place, Pool},
    error::Error,
    pool::Status,
    pool_name::PoolName,
};
use alloc::{borrow::ToOwned, string::String};
use core::net::IpAddr;
use ipnet::IpNet;

/// An [`Allocator`] that remembers where the last id led. Engines ask about one pool
/// several times in a row, and to read its id costs more than to lease an address.
///
/// Its answers are those of the allocator, whose methods say what they are.
#[derive(Debug)]
pub struct Recent {
    allocator: Allocator,
    id: String,
    /// Where `id` leads, if it does. A grant cannot change that, only a release.
    place: Option<Place>,
}

#[expect(clippy::missing_errors_doc, reason = "they are the allocator's")]
impl Recent {
    /// That allocator, which was asked about nothing yet.
    #[must_use]
    pub fn new(allocator: Allocator) -> Self {
        Self { allocator, id: String::new(), place: None }
    }

    /// See [`Allocator::request_pool`].
    pub fn request_pool(
        &mut self,
        space: &str,
        choice: Choice,
        exclude: &[IpNet],
    ) -> Result<Pool, Error> {
        self.allocator.request_pool(space, choice, exclude)
    }

    /// See [`Allocator::release_pool`].
    pub fn release_pool(&mut self, id: &str) -> Result<(), Error> {
        self.place = None;
        self.allocator.release_pool(id)
    }

    /// See [`Allocator::request_address`].
    pub fn request_address(
        &mut self,
        id: &str,
        address: Option<IpAddr>,
        serial: bool,
    ) -> Result<IpNet, Error> {
        match self.find(id) {
            Some(place) => self.allocator.request_address_at(place, address, serial),
            None => self.allocator.request_address(id, address, serial),
        }
    }

    /// See [`Allocator::release_address`].
    pub fn release_address(&mut self, id: &str, address: IpAddr) -> Result<(), Error> {
        match self.find(id) {
            Some(place) => self.allocator.release_address_at(place, address),
            None => self.allocator.release_address(id, address),
        }
    }

    /// See [`Allocator::status`].
    pub fn status(&self, id: &str) -> Result<Status, Error> {
        self.allocator.status(id)
    }

    /// See [`Allocator::name`].
    pub fn name(&mut self, id: &str) -> Result<PoolName, Error> {
        match self.find(id) {
            Some(place) => Ok(self.allocator.name_at(place)),
            None => self.allocator.name(id),
        }
    }

    /// Where `id` leads; nothing if it is for the allocator to say why it does not.
    fn find(&mut self, id: &str) -> Option<Place> {
        if self.place.is_none() || !is_same(&self.id, id) {
            self.place = self.allocator.find(id);
            id.clone_into(&mut self.id);
        }
        self.place
    }
}

/// Whether two texts are the same, by words of eight bytes: `==` is a call of the C
/// library in WebAssembly, and goes byte by byte there.
fn is_same(one: &str, other: &str) -> bool {
    let ((one, one_rest), (other, other_rest)) =
        (one.as_bytes().as_chunks(), other.as_bytes().as_chunks());
    let words = || one.iter().zip(other).all(|(one, other)| word(*one) == word(*other));
    one.len() == other.len() && one_rest == other_rest && words()
}

fn word(bytes: [u8; 8]) -> u64 {
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::{Recent, is_same};
    use crate::{Allocator, Choice, Error, LOCAL};
    use alloc::{string::ToString, vec::Vec};

    #[test]
    fn what_was_released_is_not_remembered() {
        let mut recent = Recent::new(Allocator::new(Vec::new(), Vec::new()).unwrap());
        let [one, other] = ["10.0.0.0/8", "11.0.0.0/8"]
            .map(|pool| Choice::Exact { pool: pool.parse().unwrap(), sub_pool: None });
        let id = recent.request_pool(LOCAL, one, &[]).unwrap().id;
        let first = recent.request_address(&id, None, false).unwrap();
        assert_eq!(first.addr().to_string(), "10.0.0.1");
        recent.release_pool(&id).unwrap();
        // This one gets the place of the first in memory.
        recent.request_pool(LOCAL, other, &[]).unwrap();
        let refusal = recent.request_address(&id, None, false);
        assert_eq!(refusal, Err(Error::PoolNotFound("poolID:10.0.0.0/8/invalid Prefix".into())));
        let refusal = recent.release_address(&id, first.addr());
        assert_eq!(refusal, Err(Error::PoolNotFound("10.0.0.0/8/invalid Prefix".into())));
    }

    #[test]
    fn texts_are_compared_to_the_last_byte() {
        let text = "LocalDefault/172.17.0.0/16";
        for end in 0..text.len() {
            assert!(is_same(&text[..end], &text[..end]));
            assert!(!is_same(&text[..end], &text[..=end]));
            let mut other = text.as_bytes().to_vec();
            other[end] ^= 1;
            assert!(!is_same(text, str::from_utf8(&other).unwrap()), "{end}");
        }
    }
}
