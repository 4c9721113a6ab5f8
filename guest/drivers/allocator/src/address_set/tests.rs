use super::{AddressSet, Kind, Node, bit};
use alloc::{collections::BTreeSet, vec::Vec};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Insert(u128),
    InsertRun(u128),
    InsertLowest(u128, u128),
    Remove(u128),
    RemoveRun(u128),
    Count(u128, u128),
}

/// Few distinct offsets, so that words and branches fill, empty, meet and part often;
/// far ones, so that paths are skipped; and the last one, which has no successor.
fn offset() -> impl Strategy<Value = u128> {
    prop_oneof![
        0..260_u128,
        4_000..4_200_u128,
        (0..128_u32, 0..3_u128).prop_map(|(shift, near)| (1 << shift) | near),
        u128::MAX - 130..=u128::MAX,
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        offset().prop_map(Step::Insert),
        offset().prop_map(Step::InsertRun),
        (offset(), offset()).prop_map(|(first, last)| Step::InsertLowest(first, last)),
        offset().prop_map(Step::Remove),
        offset().prop_map(Step::RemoveRun),
        (offset(), offset()).prop_map(|(first, last)| Step::Count(first, last)),
    ]
}

/// The offsets of a step that fills or empties a word or two at once.
fn run(first: u128) -> impl Iterator<Item = u128> {
    first..=first.saturating_add(90)
}

proptest! {
    /// The trie is an optimization: whatever is done to an `AddressSet`, it answers
    /// like the plain set it stands for, and its invariants hold after every step.
    #[test]
    fn behaves_like_a_plain_set(steps in prop::collection::vec(step(), 0..60)) {
        let (mut set, mut plain) = (AddressSet::default(), BTreeSet::new());
        for step in steps {
            match step {
                Step::Insert(offset) => {
                    let inserted = set.insert_lowest(offset..=offset);
                    prop_assert_eq!(inserted.is_some(), plain.insert(offset));
                }
                Step::InsertRun(first) => {
                    for offset in run(first) {
                        let inserted = set.insert_lowest(offset..=offset);
                        prop_assert_eq!(inserted.is_some(), plain.insert(offset));
                    }
                }
                Step::InsertLowest(first, last) => {
                    let mut candidates = (first..=last).take(plain.len() + 1);
                    let lowest = candidates.find(|offset| !plain.contains(offset));
                    plain.extend(lowest);
                    prop_assert_eq!(set.insert_lowest(first..=last), lowest);
                }
                Step::Remove(offset) => {
                    prop_assert_eq!(set.remove(offset), plain.remove(&offset));
                }
                Step::RemoveRun(first) => {
                    for offset in run(first) {
                        prop_assert_eq!(set.remove(offset), plain.remove(&offset));
                    }
                }
                Step::Count(first, last) => {
                    let range = first..=last;
                    let members = plain.iter().filter(|offset| range.contains(offset)).count();
                    prop_assert_eq!(set.count(first..=last), members as u64);
                }
            }
            check_invariant(&set, &plain);
        }
    }
}

fn check_invariant(set: &AddressSet, plain: &BTreeSet<u128>) {
    let mut members = Vec::new();
    if let Some(root) = set.root {
        check_node(set, root, &mut members);
    }
    assert!(members.iter().eq(plain), "{members:?} is not {plain:?}");
}

fn check_node(set: &AddressSet, node: Node, members: &mut Vec<u128>) {
    let before = members.len();
    match node.kind() {
        Kind::Leaf(at) => {
            let leaf = &set.leaves[at];
            assert_ne!(leaf.word, 0);
            let slots = (0..64).filter(|&slot| leaf.word & bit(slot) != 0);
            members.extend(slots.map(|slot| leaf.base | u128::from(slot)));
        }
        Kind::Branch(at) => {
            let branch = &set.branches[at];
            assert!(branch.present.count_ones() > 1, "a branch without a choice");
            for slot in 0..64 {
                let before = members.len();
                if let Some(child) = branch.child(slot) {
                    assert_eq!(branch.slot(set.base(child)), Some(slot));
                    check_node(set, child, members);
                }
                let is_full = branch.shift < 64 && members.len() - before == 1 << branch.shift;
                assert_eq!(branch.full & bit(slot) != 0, is_full, "slot {slot}");
            }
            assert_eq!(branch.count, (members.len() - before) as u64);
        }
    }
}

#[test]
fn a_lone_member_is_one_leaf() {
    let mut set = AddressSet::default();
    assert_eq!(set.insert_lowest(1 << 127..=1 << 127), Some(1 << 127));
    assert!(matches!(set.root.map(Node::kind), Some(Kind::Leaf(_))));
}

#[test]
fn what_was_emptied_is_reused() {
    let mut set = AddressSet::default();
    for round in 0..3 {
        for offset in 0..10_000 {
            assert_eq!(set.insert_lowest(0..=u128::MAX), Some(offset));
        }
        assert_eq!(set.count(0..=u128::MAX), 10_000, "round {round}");
        check_invariant(&set, &(0..10_000).collect());
        (0..10_000).for_each(|offset| assert!(set.remove(offset)));
        assert!(set.root.is_none());
    }
    assert_eq!(set.leaves.len(), 10_000_usize.div_ceil(64));
}

#[test]
fn a_full_branch_does_not_fill_a_larger_slot() {
    let mut set = AddressSet::default();
    (0..4096).for_each(|offset| assert_eq!(set.insert_lowest(0..=4095), Some(offset)));
    set.insert_lowest(1 << 30..=1 << 30);
    assert_eq!(set.insert_lowest(0..=u128::MAX), Some(4096));
    check_invariant(&set, &(0..=4096).chain([1 << 30]).collect());
}

#[test]
fn the_last_offset_has_no_successor() {
    let mut set = AddressSet::default();
    let last = u128::MAX;
    assert_eq!(set.insert_lowest(last..=last), Some(last));
    assert_eq!(set.insert_lowest(last..=last), None);
    assert_eq!(set.insert_lowest(last - 1..=last), Some(last - 1));
    assert_eq!(set.insert_lowest(last - 1..=last), None);
}
