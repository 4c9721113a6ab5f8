//! What both benchmarks measure: an allocator in some state, and one request and one
//! release on it, after which it is in that state again.

use ipam_allocator::{Allocator, Choice, Family, GLOBAL, LOCAL, global_predefined};
use ipnet::IpNet;
use std::{collections::BTreeSet, hint::black_box, net::IpAddr};

/// One state of the allocator.
pub(crate) struct Row {
    /// The row that is the same with nothing in it.
    pub(crate) empty: &'static str,
    /// What is in it.
    pub(crate) name: &'static str,
    allocator: Allocator,
    /// The pool that an address is requested of; nothing to request a pool.
    pool: Option<String>,
}

impl Row {
    /// One request and its release.
    pub(crate) fn run(&mut self) {
        match &self.pool {
            Some(id) => {
                let address = self.allocator.request_address(black_box(id), None, false);
                let address = address.expect("the pool is not full").addr();
                self.allocator.release_address(id, black_box(address)).expect("it is leased");
            }
            None => {
                let pool = Choice::Automatic(Family::V4);
                let pool = self.allocator.request_pool(black_box(GLOBAL), pool, &[]);
                let pool = pool.expect("a pool is left");
                self.allocator.release_pool(black_box(&pool.id)).expect("it is held");
            }
        }
    }
}

/// Every row, the empty ones before those that are compared with them.
pub(crate) fn all() -> Vec<Row> {
    let slash_16 = |name, held: Vec<u128>| addresses(name, "/16 empty", "10.0.0.0/16", held);
    let slash_8 = |name, held| addresses(name, "/8 empty", "10.0.0.0/8", held);
    let slash_64 = |name, held| addresses(name, "/64 empty", "fd00::/64", held);
    vec![
        slash_16("/16 empty", vec![]),
        slash_16("/16 half full", (1..32_768).collect()),
        slash_16("/16 99 % full", (1..64_880).collect()),
        slash_16("/16 half full at random", random(32_768, 16)),
        slash_8("/8 empty", vec![]),
        slash_8("/8 with 20,000 at random", random(20_000, 24)),
        slash_64("/64 empty", vec![]),
        slash_64("/64 with 10,000 at random", random(10_000, 64)),
        pools("0 pools", 0),
        pools("1,000 pools", 1_000),
        pools("10,000 pools", 10_000),
        pools("65,535 pools", 65_535),
    ]
}

fn addresses(
    name: &'static str,
    empty: &'static str,
    prefix: &str,
    held: impl IntoIterator<Item = u128>,
) -> Row {
    let prefix: IpNet = prefix.parse().expect("a prefix");
    let mut allocator = Allocator::new(vec![], vec![]).expect("nothing is predefined");
    let pool = Choice::Exact { pool: prefix, sub_pool: None };
    let id = allocator.request_pool(LOCAL, pool, &[]).expect("nothing is held").id;
    for offset in held {
        let address: IpAddr = match prefix.network() {
            IpAddr::V4(first) => {
                let offset = u32::try_from(offset).expect("an IPv4 offset");
                (first.to_bits() + offset).to_be_bytes().into()
            }
            IpAddr::V6(first) => (first.to_bits() + offset).to_be_bytes().into(),
        };
        allocator.request_address(&id, Some(address), false).expect("offsets are distinct");
    }
    Row { name, empty, allocator, pool: Some(id) }
}

fn pools(name: &'static str, held: usize) -> Row {
    let mut allocator = Allocator::new(vec![], global_predefined()).expect("valid");
    for _ in 0..held {
        let pool = Choice::Automatic(Family::V4);
        allocator.request_pool(GLOBAL, pool, &[]).expect("65,536 are predefined");
    }
    Row { name, empty: "0 pools", allocator, pool: None }
}

/// So many distinct offsets of so many bits, the ends left out; always the same ones.
fn random(count: usize, bits: u32) -> Vec<u128> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut offsets = BTreeSet::new();
    while offsets.len() < count {
        // xorshift64*
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let offset = u128::from(state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> (64 - bits));
        if (1..(1 << bits) - 1).contains(&offset) {
            offsets.insert(offset);
        }
    }
    offsets.into_iter().collect()
}
