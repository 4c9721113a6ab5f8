//! A map from prefixes to numbers that finds the lowest free block of any size.
//!
//! Every node decides four bits. Prefixes may nest: a node holds up to thirty of its
//! own, one for each way to fix one to four of its bits, and has a child for each of
//! its sixteen slots that contains longer ones. For every slot it knows the largest
//! block that is still free inside, so a search never enters a slot in vain. Every
//! operation visits at most `len / 4 + 1` nodes, however many prefixes are held.
//!
//! What must hold: a node other than the root holds a prefix or has a child; `covered`,
//! `present` and `largest` follow from the prefixes held, in the way [`Node`] says.

use crate::{block::Block, slab::Slab};

/// The bits that one node decides.
const BITS: u8 = 4;

/// The `largest` of a slot in which nothing is free.
const NONE: u8 = u8::MAX;

/// Slots are numbered by their four bits. Prefixes are numbered like a heap: 1 is the
/// node as a whole (the root alone uses it), 2 and 3 its halves, 16 to 31 its slots.
#[derive(Debug, Clone)]
struct Node {
    /// The prefixes that are held here.
    held: u32,
    /// Slots inside a prefix that is held here.
    covered: u16,
    /// Slots that have a child.
    present: u16,
    /// For every slot the length of the largest free block inside, or [`NONE`].
    largest: [u8; 16],
    /// Meaningful where `present`.
    children: [u32; 16],
    /// Meaningful where `held`.
    values: [u32; 32],
}

impl Node {
    fn new(depth: u8) -> Self {
        Self {
            held: 0,
            covered: 0,
            present: 0,
            largest: [depth + BITS; 16],
            children: [0; 16],
            values: [0; 32],
        }
    }

    fn is_empty(&self) -> bool {
        self.held == 0 && self.present == 0
    }

    /// The first slots of the blocks of `1 << order` slots of which nothing is held.
    fn untouched(&self, order: u8) -> u16 {
        const ALIGNED: [u16; 5] = [0xffff, 0x5555, 0x1111, 0x0101, 0x0001];
        let mut free = !(self.covered | self.present);
        for half in 0..order {
            free &= free >> (1 << half);
        }
        free & ALIGNED[usize::from(order)]
    }

    /// The slots with a free block of length `len` inside, which is no shorter than theirs.
    fn with_room(&self, len: u8) -> u16 {
        let mut slots = 0;
        for (slot, &largest) in self.largest.iter().enumerate() {
            slots |= u16::from(largest <= len) << slot;
        }
        slots
    }

    /// The length of the largest free block, or [`NONE`].
    fn summary(&self, depth: u8) -> u8 {
        (1..BITS)
            .find(|len| self.untouched(BITS - len) != 0)
            .map_or_else(|| self.largest.iter().copied().min().unwrap_or(NONE), |len| depth + len)
    }
}

/// A prefix within the node that holds it.
struct Place {
    /// Its number in the heap.
    number: usize,
    /// The slots that it covers.
    slots: u16,
}

impl Place {
    fn of(block: Block) -> Self {
        let depth = depth_of(block);
        let order = depth + BITS - block.len;
        let first = slot(block.start, depth);
        Self {
            number: (16 | first) >> order,
            slots: (u16::MAX >> (16 - (1_u16 << order))) << first,
        }
    }

    fn bit(&self) -> u32 {
        1 << self.number
    }
}

/// The map. Its memory follows the prefixes held, plus the root.
#[derive(Debug)]
pub(crate) struct PrefixTree {
    nodes: Slab<Node>,
    root: u32,
}

impl Default for PrefixTree {
    fn default() -> Self {
        let mut nodes = Slab::default();
        let root = nodes.insert(Node::new(0));
        Self { nodes, root }
    }
}

impl PrefixTree {
    /// The number kept for this very prefix.
    pub(crate) fn get(&self, block: Block) -> Option<u32> {
        let node = self.descend(block, |_, _| false)?;
        let place = Place::of(block);
        (node.held & place.bit() != 0).then(|| node.values[place.number])
    }

    /// Whether any prefix held has an address in common with `block`.
    pub(crate) fn overlaps(&self, block: Block) -> bool {
        let mut is_covered = false;
        let node = self.descend(block, |node, slot| {
            is_covered = node.covered & (1 << slot) != 0;
            is_covered
        });
        let touched = |node: &Node| (node.covered | node.present) & Place::of(block).slots != 0;
        is_covered || node.is_some_and(touched)
    }

    /// Keeps `value` for `block`, in place of what was there.
    pub(crate) fn insert(&mut self, block: Block, value: u32) {
        self.insert_below(self.root, 0, block, value);
    }

    /// Forgets `block`.
    pub(crate) fn remove(&mut self, block: Block) {
        self.remove_below(self.root, 0, block);
    }

    /// The lowest start of a block of length `len` (at least 1) that overlaps nothing
    /// held and does not begin below `from`, which must be such a start itself.
    pub(crate) fn lowest_free(&self, len: u8, from: u128) -> Option<u128> {
        self.lowest_below(self.root, 0, Block { start: 0, len }, Some(from))
    }

    /// The node that holds `block` or would, unless there is none or `stop` says so at
    /// a node before it.
    fn descend(&self, block: Block, mut stop: impl FnMut(&Node, usize) -> bool) -> Option<&Node> {
        let (mut node, mut depth) = (&self.nodes[self.root], 0);
        while depth < depth_of(block) {
            let slot = slot(block.start, depth);
            if stop(node, slot) || node.present & (1 << slot) == 0 {
                return None;
            }
            (node, depth) = (&self.nodes[node.children[slot]], depth + BITS);
        }
        Some(node)
    }

    fn insert_below(&mut self, at: u32, depth: u8, block: Block, value: u32) {
        if depth == depth_of(block) {
            let (node, place) = (&mut self.nodes[at], Place::of(block));
            node.held |= place.bit();
            node.values[place.number] = value;
            node.covered |= place.slots;
            for slot in slots(place.slots) {
                node.largest[slot] = NONE;
            }
            return;
        }
        let slot = slot(block.start, depth);
        let child = match self.nodes[at].present & (1 << slot) {
            0 => self.nodes.insert(Node::new(depth + BITS)),
            _ => self.nodes[at].children[slot],
        };
        self.insert_below(child, depth + BITS, block, value);
        let node = &mut self.nodes[at];
        node.present |= 1 << slot;
        node.children[slot] = child;
        self.refresh(at, depth, slot);
    }

    fn remove_below(&mut self, at: u32, depth: u8, block: Block) {
        if depth == depth_of(block) {
            let place = Place::of(block);
            self.nodes[at].held &= !place.bit();
            for slot in slots(place.slots) {
                let node = &mut self.nodes[at];
                let is_covered = node.held & holders(slot) != 0;
                node.covered = node.covered & !(1 << slot) | u16::from(is_covered) << slot;
                self.refresh(at, depth, slot);
            }
            return;
        }
        let slot = slot(block.start, depth);
        let node = &self.nodes[at];
        if node.present & (1 << slot) == 0 {
            return;
        }
        let child = node.children[slot];
        self.remove_below(child, depth + BITS, block);
        if self.nodes[child].is_empty() {
            self.nodes.vacate(child);
            self.nodes[at].present &= !(1 << slot);
        }
        self.refresh(at, depth, slot);
    }

    /// Makes `largest` of a slot follow from the rest.
    fn refresh(&mut self, at: u32, depth: u8, slot: usize) {
        let node = &self.nodes[at];
        let largest = match 1 << slot {
            bit if node.covered & bit != 0 => NONE,
            bit if node.present & bit != 0 => self.nodes[node.children[slot]].summary(depth + BITS),
            _ => depth + BITS,
        };
        self.nodes[at].largest[slot] = largest;
    }

    /// As [`Self::lowest_free`], below one node; `within.start` is that node's.
    fn lowest_below(&self, at: u32, depth: u8, within: Block, from: Option<u128>) -> Option<u128> {
        let (node, len) = (&self.nodes[at], within.len);
        let first = from.map_or(0, |from| slot(from, depth));
        if len <= depth + BITS {
            let open = node.untouched(depth + BITS - len) & u16::MAX << first;
            return (open != 0).then(|| within.start | slot_start(open.trailing_zeros(), depth));
        }
        let mut open = node.with_room(len) & u16::MAX << first;
        // Only the first slot can disappoint, because `from` may be past its free blocks.
        while open != 0 {
            let next = open.trailing_zeros() as usize;
            let from = from.filter(|_| next == first);
            let start = within.start | slot_start(open.trailing_zeros(), depth);
            let found = match node.present & (1 << next) {
                0 => Some(from.unwrap_or(start)),
                _ => {
                    let within = Block { start, len };
                    self.lowest_below(node.children[next], depth + BITS, within, from)
                }
            };
            if found.is_some() {
                return found;
            }
            open &= open - 1;
        }
        None
    }
}

/// The depth of the node that holds `block`.
fn depth_of(block: Block) -> u8 {
    block.len.saturating_sub(1) / BITS * BITS
}

/// Which slot of a node at that depth covers `start`.
fn slot(start: u128, depth: u8) -> usize {
    (start >> (128 - BITS - depth)) as usize & 15
}

/// Where a slot begins, seen from its node.
fn slot_start(slot: u32, depth: u8) -> u128 {
    u128::from(slot) << (128 - BITS - depth)
}

/// The prefixes of a node that cover a slot.
fn holders(slot: usize) -> u32 {
    let slot = 16 | slot;
    1 << slot | 1 << (slot >> 1) | 1 << (slot >> 2) | 1 << (slot >> 3) | 1 << (slot >> 4)
}

/// The slots of a set, in order.
fn slots(mut set: u16) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let slot = (set != 0).then(|| set.trailing_zeros() as usize)?;
        set &= set - 1;
        Some(slot)
    })
}

#[cfg(test)]
mod tests;
