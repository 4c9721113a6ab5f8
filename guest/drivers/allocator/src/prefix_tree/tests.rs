use super::PrefixTree;
use crate::block::{Block, align_up, last_offset};
use alloc::collections::BTreeMap;
use proptest::prelude::*;

/// What the tree stands for.
#[derive(Default)]
struct Plain(BTreeMap<Block, u32>);

impl Plain {
    fn overlaps(&self, block: Block) -> bool {
        self.0.keys().any(|held| held.start <= block.last() && block.start <= held.last())
    }

    /// The lowest free start is `from` or follows something held.
    fn lowest_free(&self, len: u8, from: u128) -> Option<u128> {
        let after = self.0.keys().filter_map(|held| align_up(held.last().checked_add(1)?, len));
        let mut starts: alloc::vec::Vec<_> = after.filter(|&start| start > from).collect();
        starts.push(from);
        starts.sort_unstable();
        starts.into_iter().find(|&start| !self.overlaps(Block { start, len }))
    }
}

#[derive(Debug, Clone)]
enum Step {
    Insert(Block),
    /// The held block of that rank, so that removals hit.
    Remove(prop::sample::Index),
    Find(Block),
}

/// Blocks of all lengths in few places, so that they nest, touch and fill what
/// surrounds them; both ends of all addresses among them.
fn block() -> impl Strategy<Value = Block> {
    let len = prop_oneof![0..=12_u8, 22..=33_u8, 60..=66_u8, 124..=128_u8];
    let start = prop_oneof![
        (0..4096_u128).prop_map(|bits| bits << 116),
        (0..64_u128).prop_map(|bits| bits << 98),
        (0..8_u128).prop_map(|bits| (1 << 127) | bits << 62),
        (0..8_u128).prop_map(|bits| u128::MAX - bits),
    ];
    (start, len).prop_map(|(start, len)| Block { start: start & !last_offset(128 - len), len })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => block().prop_map(Step::Insert),
        2 => any::<prop::sample::Index>().prop_map(Step::Remove),
        3 => block().prop_map(Step::Find),
    ]
}

proptest! {
    /// The tree is an optimization: it answers like a list of prefixes.
    #[test]
    fn behaves_like_a_list_of_prefixes(steps in prop::collection::vec(step(), 0..120)) {
        let (mut tree, mut plain) = (PrefixTree::default(), Plain::default());
        for (value, step) in (0..).zip(steps) {
            match step {
                Step::Insert(block) => {
                    tree.insert(block, value);
                    plain.0.insert(block, value);
                }
                Step::Remove(rank) if !plain.0.is_empty() => {
                    let block = *plain.0.keys().nth(rank.index(plain.0.len())).unwrap();
                    tree.remove(block);
                    plain.0.remove(&block);
                    prop_assert_eq!(tree.get(block), None);
                }
                Step::Remove(_) => (),
                Step::Find(block) => {
                    prop_assert_eq!(tree.get(block), plain.0.get(&block).copied());
                    prop_assert_eq!(tree.overlaps(block), plain.overlaps(block));
                    if block.len > 0 {
                        let found = tree.lowest_free(block.len, block.start);
                        prop_assert_eq!(found, plain.lowest_free(block.len, block.start));
                    }
                }
            }
        }
        for (&block, &value) in &plain.0 {
            prop_assert_eq!(tree.get(block), Some(value));
            tree.remove(block);
        }
        prop_assert!(tree.nodes[tree.root].is_empty());
        prop_assert_eq!(tree.lowest_free(1, 0), Some(0));
    }
}

#[test]
fn what_is_not_held_can_be_removed() {
    let mut tree = PrefixTree::default();
    let [held, nested] = [8, 24].map(|len| Block { start: 10 << 120, len });
    tree.insert(held, 7);
    tree.remove(nested);
    assert_eq!(tree.get(held), Some(7));
    assert!(tree.overlaps(nested));
}

#[test]
fn what_was_emptied_is_reused() {
    let mut tree = PrefixTree::default();
    for round in 0..3 {
        for bits in 0..4096 {
            let block = Block { start: bits << 104, len: 24 };
            assert_eq!(tree.lowest_free(24, 0), Some(block.start), "round {round}");
            tree.insert(block, 0);
        }
        (0..4096).for_each(|bits| tree.remove(Block { start: bits << 104, len: 24 }));
    }
    // The first twelve bits are the same, the next twelve count.
    assert_eq!(tree.nodes.len(), 3 + 1 + 16 + 256);
}
