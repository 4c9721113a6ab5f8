//! A set of 128-bit offsets, sparse or dense, that finds its gaps.
//!
//! A trie of 64-way branches over 64-bit words. Every branch knows which of its slots
//! are full, so a search steps over whole runs; and no branch has fewer than two
//! children, so a lone member costs one leaf however large the pool is. Every operation
//! visits at most 22 nodes (128 bits, six at a time), in practice three for an IPv4 /16.
//!
//! What must hold: a leaf's word is never zero; a slot is `full` exactly if every
//! offset that it covers is a member; a branch's count is that of its members.

use crate::slab::Slab;
use core::ops::RangeInclusive;

/// The bits that one node decides: 64 slots, so that a set of slots is one word.
const BITS: u32 = 6;

/// Sixty-four neighbouring offsets.
#[derive(Debug)]
struct Leaf {
    base: u128,
    word: u64,
}

/// Sixty-four slots, each of 64 to the power of `level` offsets.
#[derive(Debug)]
struct Branch {
    base: u128,
    level: u32,
    /// Members below.
    count: u64,
    /// Slots that have a child.
    present: u64,
    /// Slots whose every offset is a member.
    full: u64,
    /// Meaningful where `present`.
    children: [Node; 64],
}

/// Where a node is: the lowest bit tells leaves (0) from branches (1), the rest is its
/// place in the slab. Half the size of an enum, and there are 64 in every branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Node(u32);

/// A [`Node`], told apart.
enum Kind {
    Leaf(u32),
    Branch(u32),
}

impl Node {
    fn leaf(at: u32) -> Self {
        Self(at << 1)
    }

    fn branch(at: u32) -> Self {
        Self(at << 1 | 1)
    }

    fn kind(self) -> Kind {
        if self.0 & 1 == 0 { Kind::Leaf(self.0 >> 1) } else { Kind::Branch(self.0 >> 1) }
    }
}

/// The set. An empty one holds no memory.
#[derive(Debug, Default)]
pub(crate) struct AddressSet {
    root: Option<Node>,
    leaves: Slab<Leaf>,
    branches: Slab<Branch>,
}

impl AddressSet {
    /// Adds an offset; `false` if it was there.
    pub(crate) fn insert(&mut self, offset: u128) -> bool {
        let grown = match self.root {
            Some(root) => self.insert_below(root, offset),
            None => Some(self.new_leaf(offset)),
        };
        self.root = grown.or(self.root);
        grown.is_some()
    }

    /// Removes an offset; `false` if it was not there.
    pub(crate) fn remove(&mut self, offset: u128) -> bool {
        match self.root.map(|root| self.remove_below(root, offset)) {
            Some(Removed::Nothing) | None => return false,
            Some(Removed::Leaving(node)) => self.root = node,
        }
        true
    }

    /// The lowest offset in `range` that is not a member.
    pub(crate) fn first_free(&self, range: RangeInclusive<u128>) -> Option<u128> {
        let (&from, &last) = (range.start(), range.end());
        let free = match self.root {
            None => Some(from),
            Some(root) => self.free_below(root, from).or_else(|| self.last(root).checked_add(1)),
        };
        free.filter(|&free| free <= last)
    }

    /// How many members there are in `range`: a walk along its two ends.
    pub(crate) fn count(&self, range: RangeInclusive<u128>) -> u64 {
        self.root.map_or(0, |root| self.count_below(root, &range))
    }

    /// The node that takes the place of `node` once `offset` is in; nothing if it was.
    fn insert_below(&mut self, node: Node, offset: u128) -> Option<Node> {
        if !self.covers(node, offset) {
            return Some(self.join(node, offset));
        }
        match node.kind() {
            Kind::Leaf(at) => {
                let word = &mut self.leaves[at].word;
                let bit = bit(slot(offset, 0));
                (*word & bit == 0).then(|| *word |= bit)?;
            }
            Kind::Branch(at) => {
                let Branch { level, present, children, .. } = &self.branches[at];
                let (level, slot) = (*level, slot(offset, *level));
                let child = match present & bit(slot) {
                    0 => self.new_leaf(offset),
                    _ => self.insert_below(children[slot], offset)?,
                };
                let is_full = self.is_full(child, level - 1);
                let branch = &mut self.branches[at];
                branch.count += 1;
                branch.present |= bit(slot);
                branch.full |= u64::from(is_full) << slot;
                branch.children[slot] = child;
            }
        }
        Some(node)
    }

    fn remove_below(&mut self, node: Node, offset: u128) -> Removed {
        if !self.covers(node, offset) {
            return Removed::Nothing;
        }
        match node.kind() {
            Kind::Leaf(at) => {
                let word = &mut self.leaves[at].word;
                let bit = bit(slot(offset, 0));
                if *word & bit == 0 {
                    return Removed::Nothing;
                }
                *word &= !bit;
                if *word == 0 {
                    self.leaves.vacate(at);
                    return Removed::Leaving(None);
                }
            }
            Kind::Branch(at) => {
                let Branch { level, present, children, .. } = &self.branches[at];
                let slot = slot(offset, *level);
                if present & bit(slot) == 0 {
                    return Removed::Nothing;
                }
                let Removed::Leaving(child) = self.remove_below(children[slot], offset) else {
                    return Removed::Nothing;
                };
                let branch = &mut self.branches[at];
                branch.count -= 1;
                branch.full &= !bit(slot);
                match child {
                    Some(child) => branch.children[slot] = child,
                    None => branch.present &= !bit(slot),
                }
                if branch.present.is_power_of_two() {
                    let only = branch.children[branch.present.trailing_zeros() as usize];
                    self.branches.vacate(at);
                    return Removed::Leaving(Some(only));
                }
            }
        }
        Removed::Leaving(Some(node))
    }

    /// The lowest free offset from `from` to the end of what `node` covers. Offsets
    /// that it does not cover are free: whoever asks came through their only slot.
    fn free_below(&self, node: Node, from: u128) -> Option<u128> {
        if !self.covers(node, from) {
            return Some(from);
        }
        match node.kind() {
            Kind::Leaf(at) => {
                let free = !self.leaves[at].word & not_below(slot(from, 0));
                (free != 0).then(|| self.leaves[at].base | u128::from(free.trailing_zeros()))
            }
            Kind::Branch(at) => {
                let branch = &self.branches[at];
                let first = slot(from, branch.level);
                if branch.full & bit(first) == 0 {
                    let free = self.free_in_slot(branch, first, from);
                    if free.is_some() {
                        return free;
                    }
                }
                let open = !branch.full & not_below(first) & !bit(first);
                (open != 0).then(|| {
                    let next = open.trailing_zeros();
                    let start = branch.base | u128::from(next) << (BITS * branch.level);
                    self.free_in_slot(branch, next as usize, start)
                })?
            }
        }
    }

    fn free_in_slot(&self, branch: &Branch, index: usize, from: u128) -> Option<u128> {
        if branch.present & bit(index) == 0 {
            return Some(from);
        }
        let child = branch.children[index];
        self.free_below(child, from).or_else(|| {
            // A child may cover less than its slot.
            let next = self.last(child).checked_add(1)?;
            (slot(next, branch.level) == index).then_some(next)
        })
    }

    fn count_below(&self, node: Node, range: &RangeInclusive<u128>) -> u64 {
        let (start, last) = (self.base(node), self.last(node));
        if last < *range.start() || *range.end() < start {
            return 0;
        }
        let is_inside = *range.start() <= start && last <= *range.end();
        let (start, last) = (start.max(*range.start()), last.min(*range.end()));
        match node.kind() {
            Kind::Leaf(at) => {
                let asked = not_below(slot(start, 0)) & !(not_below(slot(last, 0)) << 1);
                (self.leaves[at].word & asked).count_ones().into()
            }
            Kind::Branch(at) if is_inside => self.branches[at].count,
            Kind::Branch(at) => {
                let Branch { level, present, children, .. } = &self.branches[at];
                (slot(start, *level)..=slot(last, *level))
                    .filter(|&slot| present & bit(slot) != 0)
                    .map(|slot| self.count_below(children[slot], range))
                    .sum()
            }
        }
    }

    /// The branch that holds both `node` and, in a leaf of its own, `offset`.
    fn join(&mut self, node: Node, offset: u128) -> Node {
        let base = self.base(node);
        let level = (127 - (base ^ offset).leading_zeros()) / BITS;
        let count = 1 + match node.kind() {
            Kind::Leaf(at) => self.leaves[at].word.count_ones().into(),
            Kind::Branch(at) => self.branches[at].count,
        };
        let (old, new) = (slot(base, level), slot(offset, level));
        let mut children = [node; 64];
        children[new] = self.new_leaf(offset);
        Node::branch(self.branches.insert(Branch {
            base: base_at(offset, level),
            level,
            count,
            present: bit(old) | bit(new),
            full: u64::from(self.is_full(node, level - 1)) << old,
            children,
        }))
    }

    fn new_leaf(&mut self, offset: u128) -> Node {
        Node::leaf(
            self.leaves.insert(Leaf { base: base_at(offset, 0), word: bit(slot(offset, 0)) }),
        )
    }

    /// Whether `node` fills a slot whose offsets number 64 to the power of `level + 1`.
    fn is_full(&self, node: Node, level: u32) -> bool {
        match node.kind() {
            Kind::Leaf(at) => level == 0 && self.leaves[at].word == u64::MAX,
            Kind::Branch(at) => {
                let branch = &self.branches[at];
                branch.level == level && branch.full == u64::MAX
            }
        }
    }

    fn covers(&self, node: Node, offset: u128) -> bool {
        match node.kind() {
            Kind::Leaf(at) => base_at(offset, 0) == self.leaves[at].base,
            Kind::Branch(at) => {
                let branch = &self.branches[at];
                base_at(offset, branch.level) == branch.base
            }
        }
    }

    fn base(&self, node: Node) -> u128 {
        match node.kind() {
            Kind::Leaf(at) => self.leaves[at].base,
            Kind::Branch(at) => self.branches[at].base,
        }
    }

    /// The last offset that `node` covers, member or not.
    fn last(&self, node: Node) -> u128 {
        match node.kind() {
            Kind::Leaf(at) => self.leaves[at].base | within(0),
            Kind::Branch(at) => self.branches[at].base | within(self.branches[at].level),
        }
    }
}

/// What a removal left.
enum Removed {
    /// Everything: the offset was no member.
    Nothing,
    /// This in the node's place.
    Leaving(Option<Node>),
}

/// The largest offset within a node of that level.
fn within(level: u32) -> u128 {
    1_u128.checked_shl(BITS * (level + 1)).map_or(u128::MAX, |size| size - 1)
}

/// The first offset of the node of that level that covers `offset`.
fn base_at(offset: u128, level: u32) -> u128 {
    offset & !within(level)
}

/// Which slot of a node of that level covers `offset`.
fn slot(offset: u128, level: u32) -> usize {
    (offset >> (BITS * level)) as usize & 63
}

fn bit(slot: usize) -> u64 {
    1 << slot
}

/// The slots from `slot` on.
fn not_below(slot: usize) -> u64 {
    u64::MAX << slot
}

#[cfg(test)]
mod tests;
