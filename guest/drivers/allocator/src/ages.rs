//! Addresses of one family, each with a moment, that know the oldest of any prefix.
//!
//! A binary trie whose paths are compressed: a branch is where two members part, and
//! knows the oldest of its members and how many there are. So there is a branch less
//! than there are members, and every operation walks one path, of at most as many nodes
//! as an address has bits.
//!
//! What must hold: a branch has two children; its `oldest` and `count` follow from them.

use crate::block::{Block, Family, number};
use alloc::{boxed::Box, vec::Vec};
use core::net::IpAddr;
use ipnet::IpNet;

/// The bits of a key.
const BITS: u8 = 128;

/// A member, or where two members part.
#[derive(Debug)]
struct Node {
    /// What all members below have in common; of a member all of it.
    block: Block,
    /// The lowest moment below, and whose it is; of several the lowest address.
    oldest: (u64, u128),
    /// Members below.
    count: u64,
    /// None of a member, both of a branch.
    children: [Link; 2],
}

type Link = Option<Box<Node>>;

/// A set of addresses with the moment of each. Moments are whatever counts upwards.
///
/// ```
/// use ipam_allocator::{Ages, Family};
///
/// let mut ages = Ages::new(Family::V4);
/// ages.insert("10.0.0.1".parse()?, 7);
/// ages.insert("10.0.1.1".parse()?, 5);
/// assert_eq!(ages.oldest("10.0.0.0/16".parse()?), Some((5, "10.0.1.1".parse()?)));
/// assert_eq!(ages.oldest("10.0.0.0/24".parse()?), Some((7, "10.0.0.1".parse()?)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Ages {
    family: Family,
    root: Link,
}

impl Ages {
    /// The empty set.
    #[must_use]
    pub fn new(family: Family) -> Self {
        Self { family, root: None }
    }

    /// Whether there is no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// Adds an address, or changes its moment, and answers the moment that it had. One
    /// of the other family is not added.
    pub fn insert(&mut self, address: IpAddr, moment: u64) -> Option<u64> {
        let key = self.key(address)?;
        insert(&mut self.root, key, moment)
    }

    /// Removes an address, and answers its moment if it was there.
    pub fn remove(&mut self, address: IpAddr) -> Option<u64> {
        let key = self.key(address)?;
        remove(&mut self.root, key)
    }

    /// The moment of an address.
    #[must_use]
    pub fn get(&self, address: IpAddr) -> Option<u64> {
        let block = Block { start: self.key(address)?, len: BITS };
        Some(self.below(block)?.oldest.0)
    }

    /// The oldest member in a prefix: the lowest moment, and of several members that
    /// have it the lowest address.
    #[must_use]
    pub fn oldest(&self, within: IpNet) -> Option<(u64, IpAddr)> {
        let (moment, key) = self.below(self.block(within)?)?.oldest;
        Some((moment, self.family.address(key >> self.unused())))
    }

    /// How many members there are in a prefix.
    #[must_use]
    pub fn count(&self, within: IpNet) -> u64 {
        self.block(within).and_then(|block| self.below(block)).map_or(0, |node| node.count)
    }

    /// Every member, in order.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        let mut found = Vec::new();
        let mut open: Vec<&Node> = self.root.as_deref().into_iter().collect();
        while let Some(node) = open.pop() {
            if node.block.len == BITS {
                found.push(self.family.address(node.block.start >> self.unused()));
            }
            open.extend(node.children.iter().rev().filter_map(Link::as_deref));
        }
        found
    }

    /// The node below which is just what `block` contains.
    fn below(&self, block: Block) -> Option<&Node> {
        let mut next = self.root.as_deref();
        while let Some(node) = next {
            let common = common(node.block, block.start);
            if node.block.len >= block.len {
                return (common >= block.len).then_some(node);
            }
            if common < node.block.len {
                return None;
            }
            next = node.children[side(block.start, node.block.len)].as_deref();
        }
        None
    }

    fn block(&self, prefix: IpNet) -> Option<Block> {
        (Family::of(&prefix) == self.family).then(|| Block::of(prefix))
    }

    /// An address as a block begins: its first bit at the top.
    fn key(&self, address: IpAddr) -> Option<u128> {
        let is_of_family = address.is_ipv4() == (self.family == Family::V4);
        is_of_family.then(|| number(address) << self.unused())
    }

    fn unused(&self) -> u32 {
        u32::from(BITS - self.family.bits())
    }
}

/// How many leading bits of a block a key has, too.
fn common(block: Block, key: u128) -> u8 {
    let bits = (block.start ^ key).leading_zeros();
    u8::try_from(bits).unwrap_or(BITS).min(block.len)
}

/// On which side of a branch of that length a key is.
fn side(key: u128, len: u8) -> usize {
    usize::from(key >> (BITS - 1 - len) & 1 == 1)
}

impl Node {
    fn member(key: u128, moment: u64) -> Box<Self> {
        let block = Block { start: key, len: BITS };
        Box::new(Self { block, oldest: (moment, key), count: 1, children: [None, None] })
    }

    /// What follows from the children.
    fn sum(&mut self) {
        let children = || self.children.iter().flatten();
        let oldest = children().map(|child| child.oldest).min();
        let count = children().map(|child| child.count).sum();
        (self.oldest, self.count) = (oldest.unwrap_or(self.oldest), count);
    }
}

fn insert(link: &mut Link, key: u128, moment: u64) -> Option<u64> {
    let Some(mut node) = link.take() else {
        *link = Some(Node::member(key, moment));
        return None;
    };
    let len = common(node.block, key);
    if len == BITS {
        let before = node.oldest.0;
        node.oldest.0 = moment;
        *link = Some(node);
        return Some(before);
    }
    let side = side(key, len);
    let before = if len == node.block.len {
        insert(&mut node.children[side], key, moment)
    } else {
        // They part above this node.
        let start = node.block.start & !(u128::MAX >> len);
        let branch =
            Node { block: Block { start, len }, oldest: (0, 0), count: 0, children: [None, None] };
        let below = core::mem::replace(&mut *node, branch);
        node.children[side] = Some(Node::member(key, moment));
        node.children[1 - side] = Some(Box::new(below));
        None
    };
    node.sum();
    *link = Some(node);
    before
}

fn remove(link: &mut Link, key: u128) -> Option<u64> {
    let node = link.as_mut()?;
    let len = common(node.block, key);
    if len < node.block.len {
        return None;
    }
    if len == BITS {
        return link.take().map(|member| member.oldest.0);
    }
    let side = side(key, len);
    let removed = remove(&mut node.children[side], key)?;
    if node.children[side].is_some() {
        node.sum();
    } else {
        *link = node.children[1 - side].take();
    }
    Some(removed)
}

#[cfg(test)]
mod tests {
    use super::Ages;
    use crate::Family;
    use alloc::{collections::BTreeMap, vec::Vec};
    use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    use ipnet::IpNet;
    use proptest::{collection::vec, prelude::*};

    fn address(family: Family, offset: u128) -> IpAddr {
        match family {
            Family::V4 => Ipv4Addr::from_bits(u32::try_from(offset & 0xffff_ffff).unwrap()).into(),
            Family::V6 => Ipv6Addr::from_bits(offset).into(),
        }
    }

    /// Few distinct ones, at both ends and in the middle, so that paths meet and part.
    fn offset() -> impl Strategy<Value = u128> {
        prop_oneof![0..20_u128, u128::MAX - 20..=u128::MAX, (0..4_u128).prop_map(|at| at << 29)]
    }

    proptest! {
        /// The trie is an optimization: it answers like the map that it stands for.
        #[test]
        fn behaves_like_a_plain_map(
            family in prop_oneof![Just(Family::V4), Just(Family::V6)],
            steps in vec((offset(), prop::option::of(0..6_u64), 0..=128_u8), 0..120),
        ) {
            let (mut ages, mut plain) = (Ages::new(family), BTreeMap::new());
            for (offset, moment, len) in steps {
                let address = address(family, offset);
                let (got, want) = match moment {
                    Some(moment) => (ages.insert(address, moment), plain.insert(address, moment)),
                    None => (ages.remove(address), plain.remove(&address)),
                };
                prop_assert_eq!(got, want);
                prop_assert_eq!(ages.get(address), plain.get(&address).copied());
                prop_assert_eq!(ages.is_empty(), plain.is_empty());
                prop_assert_eq!(ages.addresses(), plain.keys().copied().collect::<Vec<_>>());
                let within = IpNet::new(address, len.min(family.bits())).unwrap();
                let inside: Vec<_> = plain
                    .iter()
                    .filter(|(address, _)| within.contains(*address))
                    .map(|(address, moment)| (*moment, *address))
                    .collect();
                prop_assert_eq!(ages.oldest(within), inside.iter().min().copied());
                prop_assert_eq!(ages.count(within), inside.len() as u64);
            }
        }
    }

    #[test]
    fn the_other_family_is_not_there() {
        let mut ages = Ages::new(Family::V4);
        assert_eq!(ages.insert("fd00::1".parse().unwrap(), 1), None);
        assert!(ages.is_empty());
        ages.insert("10.0.0.1".parse().unwrap(), 1);
        assert_eq!(ages.oldest("::/0".parse().unwrap()), None);
        assert_eq!(ages.get("::a00:1".parse().unwrap()), None);
        assert_eq!(ages.count("0.0.0.0/0".parse().unwrap()), 1);
    }
}
