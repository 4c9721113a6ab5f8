//! Damage that no crash explains is an error, or hits what holds nothing: never
//! a panic, and never fewer entries.

use crate::{
    disk::{Disk, ENTRIES, JOURNAL},
    script::{States, changes, expected, found, id, open, script},
};
use ipam_ledger::{DurableError, Event, Store};

/// Where the journal's records begin.
const RECORDS_AT: usize = 4096;
const NOTE: (&str, &str) = ("site-id", "0123456789abcdef");

/// A ledger with a bit of everything, closed or killed.
fn ledger(is_closed: bool) -> ([Vec<u8>; 2], (States, usize)) {
    let disk = Disk::default();
    let (mut store, _) = open(&disk).unwrap();
    let mut script = script(12);
    script.truncate(script.len() - 3);
    store.commit(&script[0]).unwrap();
    store.set_note(NOTE.0, NOTE.1).unwrap();
    let (last, before) = script[1..].split_at(script.len() - 6);
    for transaction in last {
        store.commit(transaction).unwrap();
    }
    store.maintain(true).unwrap();
    for transaction in before {
        store.commit(transaction).unwrap();
    }
    if is_closed {
        store.close().unwrap();
    } else {
        std::mem::forget(store);
    }
    (disk.written(), expected(&script).pop().unwrap())
}

/// Whether the damage was seen; if not, everything has to be there.
#[track_caller]
fn is_seen(files: [Vec<u8>; 2], all: &(States, usize), what: &str) -> bool {
    let disk = Disk::with(files);
    let Ok((mut store, _)) = open(&disk) else { return true };
    let (Ok(found), Ok(note)) = (found(&mut store), store.note(NOTE.0)) else { return true };
    assert_eq!(found, *all, "{what}");
    assert_eq!(note.as_deref(), Some(NOTE.1), "{what}");
    false
}

#[track_caller]
fn refusal(files: [Vec<u8>; 2]) -> String {
    match open(&Disk::with(files)) {
        Err(error @ DurableError::Damaged(_)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

/// Places of a file: all of its beginning, and some of what is not zero.
fn places(bytes: &[u8], beginning: usize, some: usize) -> Vec<usize> {
    let used: Vec<usize> = (beginning..bytes.len()).filter(|at| bytes[*at] != 0).collect();
    let step = (used.len() / some).max(1);
    (0..beginning).chain(used.into_iter().step_by(step)).collect()
}

#[test]
fn a_flipped_bit_of_the_entries_is_seen_or_harmless() {
    let (files, all) = ledger(true);
    let mut seen = 0;
    for at in places(&files[ENTRIES], 320, 500) {
        let mut files = files.clone();
        files[ENTRIES][at] ^= 1 << (at % 8);
        seen += usize::from(is_seen(files, &all, &format!("bit {} of byte {at}", at % 8)));
    }
    assert!(seen > 100, "only {seen} were seen");
}

#[test]
fn a_flipped_bit_of_a_killed_ledger_is_seen_or_harmless() {
    let (files, all) = ledger(false);
    for at in places(&files[ENTRIES], 128, 100) {
        let mut files = files.clone();
        files[ENTRIES][at] ^= 1 << (at % 8);
        is_seen(files, &all, &format!("bit {} of byte {at}", at % 8));
    }
}

/// Where each record of the journal begins, with its number.
fn records(journal: &[u8]) -> Vec<(usize, u64)> {
    let is_record = |at: &usize| journal[*at..].starts_with(b"\xff\xfeWJ");
    let number = |at: usize| u64::from_le_bytes(*journal[at + 8..].first_chunk().unwrap());
    (RECORDS_AT..journal.len()).step_by(64).filter(is_record).map(|at| (at, number(at))).collect()
}

#[test]
fn a_flipped_bit_of_a_record_that_another_follows_is_named() {
    let (files, all) = ledger(false);
    let records: Vec<_> = records(&files[JOURNAL]);
    let (at, number) = records[1];
    assert_eq!(records[2].1, number + 1);
    for byte in (0..20).chain(24..40) {
        let mut files = files.clone();
        files[JOURNAL][at + byte] ^= 0x10;
        let text = refusal(files);
        let place = format!("record {number} of its journal, at byte {}", at - RECORDS_AT);
        assert!(text.contains(&place), "byte {byte}: {text}");
    }
    assert!(!is_seen(files, &all, "nothing"));
}

#[test]
fn damage_to_the_last_record_alone_is_taken_for_a_crash() {
    let (files, _) = ledger(false);
    let (at, last) =
        records(&files[JOURNAL]).into_iter().max_by_key(|(_, number)| *number).unwrap();
    let mut damaged = files;
    damaged[JOURNAL][at + 30] ^= 1;
    let disk = Disk::with(damaged);
    let (mut store, opened) = open(&disk).unwrap();
    assert!(opened.dropped_torn && !opened.was_closed, "{opened:?}");
    let expected = &expected(&script(12))[usize::try_from(last).unwrap() - 1];
    assert_eq!(found(&mut store).unwrap(), *expected);
}

#[test]
fn records_that_changed_places_are_seen() {
    let (files, _) = ledger(false);
    let records = records(&files[JOURNAL]);
    for (one, other) in [(0, 1), (1, 2), (0, 2)] {
        let mut files = files.clone();
        let (one, other) = (records[one].0, records[other].0);
        for byte in 0..64 {
            files[JOURNAL].swap(one + byte, other + byte);
        }
        refusal(files);
    }
}

#[test]
fn a_journal_that_is_missing_or_has_no_header_is_needed_unless_the_ledger_was_closed() {
    for damage in [
        |journal: &mut Vec<u8>| journal.clear(),
        |journal: &mut Vec<u8>| journal.truncate(RECORDS_AT),
        |journal: &mut Vec<u8>| journal.truncate(RECORDS_AT + 100),
        |journal: &mut Vec<u8>| journal[3] ^= 1,
        |journal: &mut Vec<u8>| journal[13] ^= 1,
    ] {
        let (mut files, _) = ledger(false);
        damage(&mut files[JOURNAL]);
        assert!(refusal(files).contains("journal is missing"));
        let (mut files, all) = ledger(true);
        damage(&mut files[JOURNAL]);
        assert!(!is_seen(files, &all, "closed"));
    }
}

#[test]
fn a_file_that_was_cut_short_is_seen() {
    for is_closed in [true, false] {
        let (files, all) = ledger(is_closed);
        for file in [ENTRIES, JOURNAL] {
            let length = files[file].len();
            for part in 0..40 {
                let mut files = files.clone();
                let left = length * part / 40 + part % 3;
                files[file].truncate(left);
                let what = format!("{left} of {length} bytes, closed: {is_closed}");
                let is_needed = file == ENTRIES || !is_closed;
                assert_eq!(is_seen(files, &all, &what), is_needed, "{what}");
            }
        }
    }
}

/// redb knows two commits, and damage may make it choose the older one.
#[test]
fn a_note_survives_the_loss_of_the_last_commit() {
    let disk = Disk::default();
    let (mut store, _) = open(&disk).unwrap();
    store.set_note(NOTE.0, NOTE.1).unwrap();
    std::mem::forget(store);
    let files = disk.written();
    for bit in 0..320 * 8 {
        let mut files = files.clone();
        files[ENTRIES][bit / 8] ^= 1 << (bit % 8);
        is_seen(files, &(States::new(), 0), &format!("bit {bit}"));
    }
}

#[test]
fn entries_that_went_back_in_time_are_seen() {
    let disk = Disk::default();
    let (mut store, _) = open(&disk).unwrap();
    let script = script(12);
    store.commit(&script[0]).unwrap();
    store.maintain(true).unwrap();
    let [old, _] = disk.written();
    // Longer than what the journal had before.
    for transaction in &script[1..4] {
        store.commit(transaction).unwrap();
    }
    store.maintain(true).unwrap();
    store.commit(&script[4]).unwrap();
    std::mem::forget(store);
    let [_, journal] = disk.written();
    let text = refusal([old, journal]);
    assert!(text.contains("record 2 of its journal"), "{text}");
}

#[test]
fn entries_of_another_time_are_not_joined_to_a_journal() {
    let (old, _) = ledger(true);
    let disk = Disk::with(old.clone());
    let (mut store, _) = open(&disk).unwrap();
    let event = || Event::Owed { number: 1, pool_id: id("x"), address: None };
    for _ in 0..3 {
        store.commit(&[changes("lab", vec![event()])]).unwrap();
    }
    std::mem::forget(store);
    let [_, journal] = disk.written();
    let text = refusal([old[ENTRIES].clone(), journal.clone()]);
    assert!(text.contains("take the journal away"), "{text}");
    let text = refusal([Vec::new(), journal]);
    assert!(text.contains("missing or empty"), "{text}");
}
