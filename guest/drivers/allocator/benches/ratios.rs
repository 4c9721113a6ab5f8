//! How much a full allocator costs, as multiples of an empty one.
//!
//! All rows are measured in one run, in turns of short batches, so that whatever else
//! the machine does falls on all of them; the median batch counts. The promise is that
//! no row costs more than 1.3 times its empty case.
#![expect(clippy::print_stdout, reason = "a benchmark's output is its purpose")]

mod rows;

use std::{collections::BTreeMap, time::Instant};

/// Turns that every row gets.
const ROUNDS: usize = 400;

/// Requests, each with its release, in one turn.
const BATCH: u32 = 500;

fn main() {
    let mut rows = rows::all();
    let mut batches = vec![Vec::with_capacity(ROUNDS); rows.len()];
    for _ in 0..ROUNDS {
        for (row, batches) in rows.iter_mut().zip(&mut batches) {
            let start = Instant::now();
            (0..BATCH).for_each(|_| row.run());
            batches.push(start.elapsed());
        }
    }
    let mut medians = BTreeMap::new();
    for (row, mut batches) in rows.iter().zip(batches) {
        batches.sort_unstable();
        let median = batches[ROUNDS / 2].as_secs_f64() * 1e9 / f64::from(BATCH);
        medians.insert(row.name, median);
        let ratio = median / medians[row.empty];
        println!("{:<28}{median:>7.1} ns{ratio:>7.2} times {}", row.name, row.empty);
    }
}
