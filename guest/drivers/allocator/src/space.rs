//! One family of an address space: the pools that are held, and where new ones come from.

use crate::{
    block::{Block, Family, align_up},
    error::Error,
    pool::Pool,
    predefined::Base,
    prefix_tree::PrefixTree,
    slab::Slab,
};
use alloc::vec::Vec;
use ipnet::IpNet;

/// A family of an address space. Pools may overlap only where a sub-pool was requested
/// of a pool that nobody held.
#[derive(Debug)]
pub(crate) struct Space {
    family: Family,
    /// Disjoint, in address order.
    bases: Vec<Base>,
    /// Where in `pools` a prefix is.
    places: PrefixTree,
    /// Nothing where vacant, so that a released pool's memory is freed.
    pools: Slab<Option<Pool>>,
}

impl Space {
    pub(crate) fn new(family: Family, bases: Vec<Base>) -> Self {
        Self { family, bases, places: PrefixTree::default(), pools: Slab::default() }
    }

    /// Holds the lowest free block of length `size`, or of the size that each
    /// predefined pool names, that overlaps neither a pool nor an excluded prefix.
    pub(crate) fn request_any(
        &mut self,
        size: Option<u8>,
        exclude: &[IpNet],
    ) -> Result<IpNet, Error> {
        let excluded = Excluded::of(self.family, exclude);
        let mut error = Error::InvalidPool;
        for &Base { block, size: own } in &self.bases {
            let len = size.unwrap_or(own);
            if len < block.len || len > self.family.bits() {
                continue;
            }
            error = Error::NoMoreSubnets;
            if let Some(free) = self.lowest_free(block, len, &excluded) {
                let prefix = free.prefix(self.family);
                self.add(prefix).is_held = true;
                return Ok(prefix);
            }
        }
        Err(error)
    }

    /// Holds this very pool.
    pub(crate) fn request(&mut self, pool: IpNet) -> Result<(), Error> {
        if self.places.overlaps(Block::of(pool)) {
            return Err(Error::PoolOverlap);
        }
        self.add(pool).is_held = true;
        Ok(())
    }

    /// Holds a part of a pool; the pool need not be held, and if it is not, it may
    /// overlap others (moby issue 46756: people rely on it).
    pub(crate) fn request_sub_pool(&mut self, pool: IpNet, sub_pool: IpNet) -> Result<(), Error> {
        let parent = match self.places.get(Block::of(pool)) {
            Some(at) => self.pool_mut(at),
            None => self.add(pool),
        };
        if parent.sub_pools.insert(sub_pool) { Ok(()) } else { Err(Error::PoolOverlap) }
    }

    /// Gives a pool or sub-pool back. The pool is gone, leased addresses and all, when
    /// neither it nor a sub-pool is held.
    pub(crate) fn release(&mut self, prefix: IpNet, sub_pool: Option<IpNet>) -> Result<(), Error> {
        let at = self.place(prefix).ok_or(Error::BadPool)?;
        let pool = self.pool_mut(at);
        match sub_pool {
            None => pool.is_held = false,
            Some(sub_pool) if pool.sub_pools.remove(&sub_pool) => (),
            Some(_) => return Err(Error::BadPool),
        }
        if !pool.is_held && pool.sub_pools.is_empty() {
            self.places.remove(Block::of(prefix));
            self.pools[at] = None;
            self.pools.vacate(at);
        }
        Ok(())
    }

    /// Where the pool of exactly this prefix is; none has host bits.
    pub(crate) fn place(&self, prefix: IpNet) -> Option<u32> {
        if prefix != prefix.trunc() {
            return None;
        }
        self.places.get(Block::of(prefix))
    }

    /// The pool at a place, which must have one.
    pub(crate) fn pool(&self, at: u32) -> &Pool {
        self.pools[at].as_ref().expect("what has a place is there")
    }

    /// As [`Self::pool`], to change it.
    pub(crate) fn pool_mut(&mut self, at: u32) -> &mut Pool {
        self.pools[at].as_mut().expect("what has a place is there")
    }

    fn add(&mut self, prefix: IpNet) -> &mut Pool {
        let at = self.pools.insert(None);
        self.places.insert(Block::of(prefix), at);
        self.pools[at].insert(Pool::new(prefix))
    }

    /// The lowest block of length `len` in `base` that is neither held nor excluded.
    /// Every excluded interval costs at most one search.
    fn lowest_free(&self, base: Block, len: u8, excluded: &Excluded) -> Option<Block> {
        let mut from = base.start;
        loop {
            let start = self.places.lowest_free(len, from).filter(|start| *start <= base.last())?;
            let found = Block { start, len };
            match excluded.first_at_or_after(start) {
                Some((first, last)) if first <= found.last() => {
                    from = align_up(last.checked_add(1)?, len)?;
                }
                _ => return Some(found),
            }
        }
    }
}

/// Excluded prefixes as disjoint intervals of block starts, in order.
struct Excluded(Vec<(u128, u128)>);

impl Excluded {
    fn of(family: Family, exclude: &[IpNet]) -> Self {
        let of_family = exclude.iter().filter(|prefix| Family::of(prefix) == family);
        let blocks = of_family.map(|&prefix| Block::of(prefix));
        let mut intervals: Vec<_> = blocks.map(|block| (block.start, block.last())).collect();
        // Blocks nest or are disjoint, and of two that begin together the larger one is kept.
        intervals.sort_unstable_by_key(|&(first, last)| (first, u128::MAX - last));
        intervals.dedup_by(|later, kept| later.0 <= kept.1);
        Self(intervals)
    }

    /// The first interval that does not end below `start`.
    fn first_at_or_after(&self, start: u128) -> Option<(u128, u128)> {
        let index = self.0.partition_point(|&(_, last)| last < start);
        self.0.get(index).copied()
    }
}
