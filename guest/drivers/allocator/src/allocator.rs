//! The allocator's face: address spaces and ids.

use crate::{
    block::Family,
    error::Error,
    pool::{self, Status},
    pool_id::PoolId,
    pool_name::{PoolName, Scope},
    predefined::{Predefined, checked},
    space::Space,
};
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::net::IpAddr;
use ipnet::IpNet;

/// The address space of networks of one node.
pub const LOCAL: &str = "LocalDefault";

/// The address space of networks of a cluster.
pub const GLOBAL: &str = "GlobalDefault";

/// Which pool is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Any pool of that family, of a size that the predefined pools name.
    Automatic(Family),
    /// Any pool of that family and prefix length (Docker's `0.0.0.0/24`). Length 0 is
    /// no wish at all, as in the reference.
    Sized(Family, u8),
    /// This very pool. The family is that of its prefix; host bits are ignored.
    Exact {
        /// The pool.
        pool: IpNet,
        /// The part of it that addresses without a name shall come from. One that
        /// contains the pool means the whole pool (networks made before Docker 24).
        sub_pool: Option<IpNet>,
    },
}

/// A pool that was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// `space/ip/len`, or `space/ip/len/ip/len` with a sub-pool.
    pub id: String,
    /// The pool, host bits zero; with a sub-pool too.
    pub prefix: IpNet,
}

/// The allocator: two address spaces, each with pools of both families.
#[derive(Debug)]
pub struct Allocator {
    /// Local and global, by family.
    spaces: [[Space; 2]; 2],
}

/// Where the id of a pool leads: good until that pool, or its sub-pool, is released.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    scope: usize,
    family: Family,
    at: u32,
    sub_pool: Option<IpNet>,
}

impl Allocator {
    /// An allocator that holds nothing.
    ///
    /// Predefined pools are taken in address order, whatever their order here; one that
    /// overlaps another before it in that order is dropped.
    ///
    /// # Errors
    ///
    /// [`Error::NotCanonical`] or [`Error::SmallerPrefix`], for the first entry that
    /// cannot be one.
    pub fn new(local: Vec<Predefined>, global: Vec<Predefined>) -> Result<Self, Error> {
        let spaces = |scope, predefined: Vec<Predefined>| {
            let [v4, v6] = checked(scope, &predefined)?;
            Ok([Space::new(Family::V4, v4), Space::new(Family::V6, v6)])
        };
        Ok(Self { spaces: [spaces("local", local)?, spaces("global", global)?] })
    }

    /// Grants a pool.
    ///
    /// An automatic or sized one is the lowest free block of its length in the
    /// predefined pools that overlaps no pool held and no prefix of `exclude`, in which
    /// prefixes of the other family are ignored. An exact one ignores `exclude`.
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidAddressSpace`]: there is no such space;
    /// - [`Error::InvalidPool`]: no predefined pool can ever give what is asked for;
    /// - [`Error::NoMoreSubnets`]: none can now;
    /// - [`Error::PoolOverlap`]: the exact pool overlaps one that is held, or the
    ///   sub-pool is held itself;
    /// - [`Error::FamiliesDiffer`], [`Error::InvalidSubPool`]: the sub-pool is not a
    ///   part of the pool.
    pub fn request_pool(
        &mut self,
        space: &str,
        choice: Choice,
        exclude: &[IpNet],
    ) -> Result<Pool, Error> {
        let (prefix, sub_pool) = match choice {
            Choice::Automatic(family) | Choice::Sized(family, 0) => {
                (self.space_mut(space, family)?.request_any(None, exclude)?, None)
            }
            Choice::Sized(family, len) => {
                (self.space_mut(space, family)?.request_any(Some(len), exclude)?, None)
            }
            Choice::Exact { pool, sub_pool } => {
                let pool = pool.trunc();
                let space = self.space_mut(space, Family::of(&pool))?;
                let sub_pool = sub_pool.map(|sub_pool| part_of(pool, sub_pool)).transpose()?;
                match sub_pool {
                    Some(sub_pool) => space.request_sub_pool(pool, sub_pool)?,
                    None => space.request(pool)?,
                }
                (pool, sub_pool)
            }
        };
        Ok(Pool { id: PoolId { space, pool: prefix, sub_pool }.to_string(), prefix })
    }

    /// Releases a pool or a sub-pool. Its addresses need not be released before; they
    /// are forgotten when nothing of the pool is held any more.
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidPoolId`], [`Error::InvalidAddressSpace`]: the id names nothing;
    /// - [`Error::BadPool`]: what it names is not held.
    pub fn release_pool(&mut self, id: &str) -> Result<(), Error> {
        let id = PoolId::parse(id)?;
        let space = self.space_mut(id.space, Family::of(&id.pool))?;
        space.release(id.pool, id.sub_pool)
    }

    /// Leases an address, and answers it with the prefix length of its pool.
    ///
    /// A named address may lie anywhere in the pool, also outside the sub-pool. Without
    /// a name it is the lowest free one of the sub-pool, or of the pool if the id names
    /// none; with `serial` it is the lowest after the one last chosen so, and only when
    /// there is none the lowest.
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidPoolId`], [`Error::InvalidAddressSpace`]: the id names nothing;
    /// - [`Error::PoolNotFound`]: what it names is not held;
    /// - [`Error::IpOutOfRange`]: the address is not of the pool;
    /// - [`Error::IpAlreadyAllocated`]: it is leased or reserved;
    /// - [`Error::NoAvailableIps`]: none is left.
    pub fn request_address(
        &mut self,
        id: &str,
        address: Option<IpAddr>,
        serial: bool,
    ) -> Result<IpNet, Error> {
        let id = PoolId::parse(id)?;
        let place = self.place(&id)?.ok_or_else(|| not_found(&id))?;
        let pool = self.pool(place);
        if address.is_some_and(|address| !pool.contains(address)) {
            return Err(Error::IpOutOfRange);
        }
        if !pool.knows(id.sub_pool) {
            return Err(not_found(&id));
        }
        self.request_address_at(place, address, serial)
    }

    /// Releases an address, which may lie anywhere in the pool. One that is not leased
    /// is a success; a reserved one stays reserved.
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidPoolId`], [`Error::InvalidAddressSpace`]: the id names nothing;
    /// - [`Error::PoolNotFound`]: what it names is not held;
    /// - [`Error::IpOutOfRange`]: the address is not of the pool.
    pub fn release_address(&mut self, id: &str, address: IpAddr) -> Result<(), Error> {
        let id = PoolId::parse(id)?;
        // The reference words an unknown pool differently here, and only here.
        let place = self.place(&id)?.ok_or_else(|| Error::PoolNotFound(id.sought()))?;
        if !self.pool(place).knows(id.sub_pool) {
            return Err(not_found(&id));
        }
        self.release_address_at(place, address)
    }

    /// How full a pool is.
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidPoolId`], [`Error::InvalidAddressSpace`]: the id names nothing;
    /// - [`Error::PoolNotFound`]: what it names is not held.
    pub fn status(&self, id: &str) -> Result<Status, Error> {
        let id = PoolId::parse(id)?;
        self.place(&id)?
            .map(|place| self.pool(place))
            .filter(|pool| pool.knows(id.sub_pool))
            .map(|pool| pool.status(id.sub_pool))
            .ok_or_else(|| not_found(&id))
    }

    /// What an id names, if that is held.
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidPoolId`], [`Error::InvalidAddressSpace`]: the id names nothing;
    /// - [`Error::PoolNotFound`]: what it names is not held.
    pub fn name(&self, id: &str) -> Result<PoolName, Error> {
        let read = PoolId::parse(id)?;
        let place = self.place(&read)?.filter(|place| self.pool(*place).knows(place.sub_pool));
        Ok(self.name_at(place.ok_or_else(|| not_found(&read))?))
    }

    /// As [`Self::name`], of what is held.
    pub(crate) fn name_at(&self, place: Place) -> PoolName {
        let scope = if place.scope == 0 { Scope::Local } else { Scope::Global };
        PoolName { scope, pool: self.pool(place).prefix(), sub_pool: place.sub_pool }
    }

    /// Where an id leads, if what it names is held.
    pub(crate) fn find(&self, id: &str) -> Option<Place> {
        let place = self.place(&PoolId::parse(id).ok()?).ok()??;
        self.pool(place).knows(place.sub_pool).then_some(place)
    }

    /// As [`Self::request_address`], of what is held.
    pub(crate) fn request_address_at(
        &mut self,
        place: Place,
        address: Option<IpAddr>,
        serial: bool,
    ) -> Result<IpNet, Error> {
        let pool = self.pool_mut(place);
        match address {
            Some(address) => pool.request(address),
            None => pool.request_any(place.sub_pool, serial),
        }
    }

    /// As [`Self::release_address`], of what is held.
    pub(crate) fn release_address_at(
        &mut self,
        place: Place,
        address: IpAddr,
    ) -> Result<(), Error> {
        self.pool_mut(place).release(address)
    }

    /// Where the pool of an id is, whether its sub-pool is held or not.
    fn place(&self, id: &PoolId) -> Result<Option<Place>, Error> {
        let (scope, family) = (scope(id.space)?, Family::of(&id.pool));
        let at = self.spaces[scope][family as usize].place(id.pool);
        Ok(at.map(|at| Place { scope, family, at, sub_pool: id.sub_pool }))
    }

    fn pool(&self, place: Place) -> &pool::Pool {
        self.spaces[place.scope][place.family as usize].pool(place.at)
    }

    fn pool_mut(&mut self, place: Place) -> &mut pool::Pool {
        self.spaces[place.scope][place.family as usize].pool_mut(place.at)
    }

    fn space_mut(&mut self, name: &str, family: Family) -> Result<&mut Space, Error> {
        Ok(&mut self.spaces[scope(name)?][family as usize])
    }
}

/// The place of an address space among the two.
fn scope(name: &str) -> Result<usize, Error> {
    match name {
        LOCAL => Ok(0),
        GLOBAL => Ok(1),
        _ => Err(Error::InvalidAddressSpace(name.to_string())),
    }
}

fn not_found(id: &PoolId) -> Error {
    Error::PoolNotFound(format!("poolID:{}", id.sought()))
}

/// The sub-pool as a part of its pool.
fn part_of(pool: IpNet, sub_pool: IpNet) -> Result<IpNet, Error> {
    let sub_pool = sub_pool.trunc();
    if Family::of(&pool) != Family::of(&sub_pool) {
        Err(Error::FamiliesDiffer)
    } else if pool.contains(&sub_pool) {
        Ok(sub_pool)
    } else if sub_pool.contains(&pool) {
        Ok(pool)
    } else {
        Err(Error::InvalidSubPool)
    }
}
