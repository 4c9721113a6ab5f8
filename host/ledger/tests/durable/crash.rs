//! The ledger survives a crash at every write and every sync.
//!
//! The script runs once, and the disk logs what is done to it. Then, for each
//! operation of the log, the power fails there: of what was not synced, nothing
//! is on the disk, or all, or some sectors of some writes. What is found has to
//! be exactly what was acknowledged, or that and the transaction under way.

use crate::{
    disk::{Disk, File, Operation, SECTOR_BYTES},
    script::{apply, expected, found, one_more, open, script},
};
use ipam_ledger::Store;

/// What becomes of what was written and not synced.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Unsynced {
    Lost,
    Kept,
    Torn,
}

/// A coin that falls the same way each time.
struct Coin(u64);

impl Coin {
    fn is_heads(&mut self) -> bool {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888);
        self.0 >> 63 == 1
    }
}

fn file_of(operation: &Operation) -> usize {
    match operation {
        Operation::Write { file, .. }
        | Operation::SetLength { file, .. }
        | Operation::Sync { file } => *file,
    }
}

/// What is on the disk when the power comes back.
fn after_crash(
    synced: &[Vec<u8>; 2],
    unsynced: &[Operation],
    fate: Unsynced,
    coin: &mut Coin,
) -> [Vec<u8>; 2] {
    let mut files = synced.clone().map(File::new);
    for operation in unsynced.iter().filter(|_| fate != Unsynced::Lost) {
        let file = &mut files[file_of(operation)];
        match operation {
            Operation::Write { file: number, at, bytes } if fate == Unsynced::Torn => {
                let mut from = 0;
                while from < bytes.len() {
                    let to = bytes.len().min(from + SECTOR_BYTES - (at + from) % SECTOR_BYTES);
                    if coin.is_heads() {
                        let (at, bytes) = (at + from, bytes[from..to].to_vec());
                        file.apply(&Operation::Write { file: *number, at, bytes });
                    }
                    from = to;
                }
            }
            Operation::SetLength { .. } if fate == Unsynced::Torn && coin.is_heads() => {}
            Operation::Write { .. } | Operation::SetLength { .. } | Operation::Sync { .. } => {
                file.apply(operation);
            }
        }
    }
    files.map(|file| file.written)
}

fn crash_everywhere(fate: Unsynced, seeds: &[u64]) {
    let script = script(24);
    let expected = expected(&script);
    let disk = Disk::default();
    disk.0.lock().unwrap().log = Some(Vec::new());
    let (mut store, _) = open(&disk).unwrap();
    for (number, transaction) in script.iter().enumerate() {
        if number % 11 == 10 {
            store.maintain(true).unwrap();
        }
        store.commit(transaction).unwrap();
        disk.0.lock().unwrap().mark = number + 1;
        if number % 7 != 6 {
            store.maintain(false).unwrap();
        }
    }
    drop(store);
    let log = disk.0.lock().unwrap().log.take().unwrap();
    assert!(log.len() > 150, "only {} operations", log.len());

    let mut synced = [Vec::new(), Vec::new()];
    let mut unsynced: Vec<Operation> = Vec::new();
    for (at, (acknowledged, operation)) in log.iter().enumerate() {
        unsynced.push(operation.clone());
        for seed in seeds {
            let mut coin = Coin(seed + at as u64);
            let disk = Disk::with(after_crash(&synced, &unsynced, fate, &mut coin));
            let place = format!("operation {at}, {fate:?}, seed {seed}");
            let (mut store, _) = open(&disk).unwrap_or_else(|error| panic!("{place}: {error}"));
            let found = found(&mut store).unwrap_or_else(|error| panic!("{place}: {error}"));
            let may_be = &expected[*acknowledged..expected.len().min(acknowledged + 2)];
            assert!(
                may_be.contains(&found),
                "{place}: {acknowledged} were acknowledged: {found:?}"
            );
            let next = one_more();
            store.commit(&next).unwrap_or_else(|error| panic!("{place}: {error}"));
            if at % 16 == 0 {
                let mut states = found.0;
                apply(&mut states, &next);
                drop(store);
                let (mut store, _) = open(&disk).unwrap();
                assert_eq!(crate::script::found(&mut store).unwrap().0, states, "{place}");
            }
        }
        if let Operation::Sync { file } = operation {
            let mut now = File::new(std::mem::take(&mut synced[*file]));
            let (done, left) = std::mem::take(&mut unsynced)
                .into_iter()
                .partition(|other| file_of(other) == *file);
            unsynced = left;
            let done: Vec<Operation> = done;
            done.iter().for_each(|operation| now.apply(operation));
            synced[*file] = now.written;
        }
    }
}

#[test]
fn a_crash_that_loses_all_that_was_not_synced_loses_nothing_acknowledged() {
    crash_everywhere(Unsynced::Lost, &[0]);
}

#[test]
fn a_crash_that_keeps_all_that_was_not_synced_invents_nothing() {
    crash_everywhere(Unsynced::Kept, &[0]);
}

#[test]
fn a_crash_that_tears_what_was_not_synced_does_neither() {
    crash_everywhere(Unsynced::Torn, &[1, 2]);
}
