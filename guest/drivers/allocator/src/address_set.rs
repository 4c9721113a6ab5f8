//! A set of 128-bit offsets, sparse or dense, that finds its gaps.
//!
//! A trie of 64-way branches over 64-bit words. Every branch knows which of its slots
//! are full, so a search steps over whole runs; and no branch has fewer than two
//! children, so a lone member costs one leaf however large the pool is. A path has at
//! most 22 nodes, three in an IPv4 /16, and every operation walks one or two;
//! only a search that begins in the middle of a run may walk one for every level.
//!
//! What must hold: a leaf's word is never zero; a slot is `full` exactly if every
//! offset that it covers is a member; a branch's count is that of its members.

use crate::slab::Slab;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

/// The bits that one node decides: 64 slots, so that a set of slots is one word.
const BITS: u32 = 6;

/// Sixty-four neighbouring offsets.
#[derive(Debug)]
struct Leaf {
    base: u128,
    word: u64,
}

/// Sixty-four slots, each of `1 << shift` offsets.
#[derive(Debug)]
struct Branch {
    base: u128,
    shift: u32,
    /// Slots that have a child.
    present: u64,
    /// Slots whose every offset is a member.
    full: u64,
    /// Members below.
    count: u64,
    /// Meaningful where `present`.
    children: [Node; 64],
}

/// Where a node is: the lowest bit tells leaves (0) from branches (1), the rest is its
/// place in the slab. Half the size of an enum, and there are 64 in every branch.
#[derive(Debug, Clone, Copy)]
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

/// The branches from the root down, and the slot taken in each.
type Path = Vec<(u32, u32)>;

/// Where a free offset belongs, at the end of its path.
enum Landing {
    /// In this leaf and slot.
    Leaf(u32, u32),
    /// In the same slot as this node, which does not cover it.
    Beside(Node),
    /// In a slot without a child, or in the empty set.
    Alone,
}

/// The set. A new one holds no memory.
#[derive(Debug, Default)]
pub(crate) struct AddressSet {
    root: Option<Node>,
    leaves: Slab<Leaf>,
    branches: Slab<Branch>,
    /// Of the call under way. Kept, because an array for the longest path would have to
    /// be filled each time, which is a call of the host in WebAssembly.
    path: Path,
}

impl AddressSet {
    /// Adds the lowest offset in `range` that is not a member, if there is one.
    pub(crate) fn insert_lowest(&mut self, range: RangeInclusive<u128>) -> Option<u128> {
        let (mut from, last) = range.into_inner();
        while from <= last {
            match self.land(from) {
                Ok((offset, landing)) if offset <= last => {
                    self.settle(offset, landing);
                    return Some(offset);
                }
                Ok(_) => return None,
                Err(run_end) => from = run_end.checked_add(1)?,
            }
        }
        None
    }

    /// Removes an offset; `false` if it was not there.
    pub(crate) fn remove(&mut self, offset: u128) -> bool {
        self.path.clear();
        let mut next = self.root;
        let mut left = loop {
            let Some(node) = next else { return false };
            let Some(slot) = self.slot(node, offset) else { return false };
            match node.kind() {
                Kind::Leaf(at) => {
                    let word = &mut self.leaves[at].word;
                    if *word & bit(slot) == 0 {
                        return false;
                    }
                    *word &= !bit(slot);
                    if *word != 0 {
                        break next;
                    }
                    self.leaves.vacate(at);
                    break None;
                }
                Kind::Branch(at) => {
                    self.path.push((at, slot));
                    next = self.branches[at].child(slot);
                }
            }
        };
        while let Some((at, slot)) = self.path.pop() {
            let branch = &mut self.branches[at];
            branch.count -= 1;
            branch.full &= !bit(slot);
            match left {
                Some(child) => branch.children[slot as usize] = child,
                None => branch.present &= !bit(slot),
            }
            left = Some(Node::branch(at));
            if branch.present.is_power_of_two() {
                left = branch.child(branch.present.trailing_zeros());
                self.branches.vacate(at);
            }
        }
        self.root = left;
        true
    }

    /// How many members there are in `range`: a walk along its two ends.
    pub(crate) fn count(&self, range: RangeInclusive<u128>) -> u64 {
        self.root.map_or(0, |root| self.count_below(root, &range))
    }

    /// The lowest free offset from `from` to the end of the deepest node on its path, and
    /// where it belongs; or that end.
    fn land(&mut self, mut from: u128) -> Result<(u128, Landing), u128> {
        self.path.clear();
        let mut next = self.root;
        while let Some(node) = next {
            let Some(slot) = self.slot(node, from) else {
                return Ok((from, Landing::Beside(node)));
            };
            match node.kind() {
                Kind::Leaf(at) => {
                    let Leaf { base, word } = self.leaves[at];
                    return match !word & not_below(slot) {
                        0 => Err(base | within(0)),
                        free => {
                            let free = free.trailing_zeros();
                            Ok((base | u128::from(free), Landing::Leaf(at, free)))
                        }
                    };
                }
                Kind::Branch(at) => {
                    let branch = &self.branches[at];
                    let open = !branch.full & not_below(slot);
                    if open == 0 {
                        return Err(branch.base | within(branch.shift));
                    }
                    let open = open.trailing_zeros();
                    if open != slot {
                        from = branch.base | u128::from(open) << branch.shift;
                    }
                    self.path.push((at, open));
                    next = branch.child(open);
                }
            }
        }
        Ok((from, Landing::Alone))
    }

    /// Adds an offset where it landed, at the end of the path.
    fn settle(&mut self, offset: u128, landing: Landing) {
        let mut grown = match landing {
            Landing::Leaf(at, slot) => {
                self.leaves[at].word |= bit(slot);
                Node::leaf(at)
            }
            Landing::Beside(node) => self.join(node, offset),
            Landing::Alone => self.new_leaf(offset),
        };
        while let Some((at, slot)) = self.path.pop() {
            let is_full = self.is_full(grown, self.branches[at].shift);
            let branch = &mut self.branches[at];
            branch.count += 1;
            branch.present |= bit(slot);
            branch.full |= u64::from(is_full) << slot;
            branch.children[slot as usize] = grown;
            grown = Node::branch(at);
        }
        self.root = Some(grown);
    }

    fn count_below(&self, node: Node, range: &RangeInclusive<u128>) -> u64 {
        let (start, last) = (self.base(node), self.last(node));
        if last < *range.start() || *range.end() < start {
            return 0;
        }
        let is_inside = *range.start() <= start && last <= *range.end();
        let slot = |offset| self.slot(node, offset).expect("the node covers it");
        let (first, last) = (slot(start.max(*range.start())), slot(last.min(*range.end())));
        let asked = not_below(first) & !(not_below(last) << 1);
        match node.kind() {
            Kind::Leaf(at) => (self.leaves[at].word & asked).count_ones().into(),
            Kind::Branch(at) if is_inside => self.branches[at].count,
            Kind::Branch(at) => (first..=last)
                .filter_map(|slot| self.branches[at].child(slot))
                .map(|child| self.count_below(child, range))
                .sum(),
        }
    }

    /// The branch that holds both `node` and, in a leaf of its own, `offset`.
    fn join(&mut self, node: Node, offset: u128) -> Node {
        let base = self.base(node);
        let shift = (base ^ offset).ilog2() / BITS * BITS;
        let mut branch = Branch {
            base: offset & !within(shift),
            shift,
            present: 0,
            full: 0,
            count: self.count_below(node, &(0..=u128::MAX)) + 1,
            children: [self.new_leaf(offset); 64],
        };
        let [old, new] = [base, offset].map(|offset| branch.slot(offset).expect("it covers both"));
        branch.present = bit(old) | bit(new);
        branch.full = u64::from(self.is_full(node, shift)) << old;
        branch.children[old as usize] = node;
        Node::branch(self.branches.insert(branch))
    }

    fn new_leaf(&mut self, offset: u128) -> Node {
        let base = offset & !within(0);
        let word = 1 << (offset - base);
        Node::leaf(self.leaves.insert(Leaf { base, word }))
    }

    /// Whether `node` fills a slot of `1 << shift` offsets.
    fn is_full(&self, node: Node, shift: u32) -> bool {
        match node.kind() {
            Kind::Leaf(at) => shift == BITS && self.leaves[at].word == u64::MAX,
            Kind::Branch(at) => {
                let branch = &self.branches[at];
                shift == branch.shift + BITS && branch.full == u64::MAX
            }
        }
    }

    /// The slot of `node` that covers `offset`, if one does.
    fn slot(&self, node: Node, offset: u128) -> Option<u32> {
        match node.kind() {
            Kind::Leaf(at) => slot(self.leaves[at].base, 0, offset),
            Kind::Branch(at) => self.branches[at].slot(offset),
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
            Kind::Branch(at) => self.branches[at].base | within(self.branches[at].shift),
        }
    }
}

impl Branch {
    fn slot(&self, offset: u128) -> Option<u32> {
        slot(self.base, self.shift, offset)
    }

    fn child(&self, slot: u32) -> Option<Node> {
        (self.present & bit(slot) != 0).then(|| self.children[slot as usize])
    }
}

/// The slot that covers `offset` in a node that begins at `base`.
fn slot(base: u128, shift: u32, offset: u128) -> Option<u32> {
    // The bits of a node's base that tell its slots apart are zero.
    let slot = match u64::try_from(base ^ offset) {
        // WebAssembly has no shifts of 128 bits, only a library that is called.
        Ok(within) => within.checked_shr(shift).unwrap_or(0),
        Err(_) => u64::try_from((base ^ offset) >> shift).ok()?,
    };
    u32::try_from(slot).ok().filter(|&slot| slot < 1 << BITS)
}

/// The largest offset within a node whose slots have `1 << shift` each.
fn within(shift: u32) -> u128 {
    u128::MAX >> 128_u32.saturating_sub(shift + BITS)
}

fn bit(slot: u32) -> u64 {
    1 << slot
}

/// The slots from `slot` on.
fn not_below(slot: u32) -> u64 {
    u64::MAX << slot
}

#[cfg(test)]
mod tests;
