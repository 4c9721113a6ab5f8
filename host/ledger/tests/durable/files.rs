//! A ledger in a real directory: who may have it, what it is called, and its
//! backups.

use crate::script::{changes, expected, found, one_more, script};
use ipam_ledger::{DurableError, DurableStore, Retention, Store};
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

fn open(directory: &Path) -> DurableStore {
    DurableStore::open(directory, Retention::default()).unwrap().0
}

/// A ledger with the whole script in it.
fn filled(directory: &Path) -> DurableStore {
    let mut store = open(directory);
    for transaction in script(12) {
        store.commit(&transaction).unwrap();
    }
    store
}

#[test]
fn what_was_committed_is_there_after_a_close_and_after_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let all = expected(&script(12)).pop().unwrap();
    filled(directory.path()).close().unwrap();
    let (mut store, opened) = DurableStore::open(directory.path(), Retention::default()).unwrap();
    assert!(opened.was_closed && !opened.is_new && opened.replayed == 0, "{opened:?}");
    assert!(found(&mut store).unwrap() == all);
    store.commit(&one_more()).unwrap();
    // What a killed process leaves: its files, as they are, and no lock.
    let copy = tempfile::tempdir().unwrap();
    for name in ["ledger.redb", "journal"] {
        fs::copy(directory.path().join(name), copy.path().join(name)).unwrap();
    }
    let (mut store, opened) = DurableStore::open(copy.path(), Retention::default()).unwrap();
    assert!(!opened.was_closed && opened.replayed == 1, "{opened:?}");
    assert_eq!(found(&mut store).unwrap().1, all.1 + 1);
}

#[test]
fn files_are_for_their_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    store.view().unwrap().backup(&directory.path().join("backup")).unwrap();
    for name in ["ledger.redb", "journal", "backup"] {
        let mode = fs::metadata(directory.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_ledger_has_one_owner_who_leaves_it_to_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let second = DurableStore::open(directory.path(), Retention::default());
    assert!(matches!(second, Err(DurableError::InUse)), "{second:?}");
    drop(store);
    open(directory.path());
}

#[test]
fn a_place_that_holds_no_ledger_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let check = |path: &Path| {
        let error = DurableStore::open(path, Retention::default()).unwrap_err();
        assert!(matches!(error, DurableError::Io { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(path.to_str().unwrap()), "{text}");
    };
    check(&directory.path().join("missing"));
    let file = directory.path().join("file");
    fs::write(&file, "no directory").unwrap();
    check(&file);
    let read_only = directory.path().join("read-only");
    fs::create_dir(&read_only).unwrap();
    fs::set_permissions(&read_only, fs::Permissions::from_mode(0o500)).unwrap();
    // Not even that keeps root out.
    if fs::write(read_only.join("probe"), "").is_err() {
        check(&read_only);
    }
}

#[test]
fn a_note_is_there_after_a_close_and_can_be_changed() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    assert_eq!(store.note("site-id").unwrap(), None);
    store.set_note("site-id", "one").unwrap();
    store.set_note("other", "").unwrap();
    drop(store);
    let mut store = open(directory.path());
    store.set_note("site-id", "two").unwrap();
    assert_eq!(store.note("site-id").unwrap().as_deref(), Some("two"));
    assert_eq!(store.note("other").unwrap().as_deref(), Some(""));
    assert_eq!(store.note("site").unwrap(), None);
}

#[test]
fn a_view_shows_one_moment() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    store.commit(&[changes("lab", vec![])]).unwrap();
    let view = store.view().unwrap();
    store.commit(&one_more()).unwrap();
    store.maintain(true).unwrap();
    let lab = "lab".parse().unwrap();
    assert_eq!(view.load(&lab).unwrap().pools().count(), 0);
    assert_eq!(store.load(&lab).unwrap().pools().count(), 1);
    drop(store);
    // Nobody is left who has the file open.
    assert!(view.load(&lab).is_err() || view.load(&lab).unwrap().pools().count() == 0);
}

#[test]
fn a_backup_is_a_ledger_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = filled(directory.path());
    store.set_note("site-id", "one").unwrap();
    let backup = directory.path().join("backup.redb");
    fs::write(directory.path().join("backup.redb.partial"), "cut short").unwrap();
    store.view().unwrap().backup(&backup).unwrap();
    store.commit(&one_more()).unwrap();

    let copy = tempfile::tempdir().unwrap();
    fs::copy(&backup, copy.path().join("ledger.redb")).unwrap();
    let (mut copied, opened) = DurableStore::open(copy.path(), Retention::default()).unwrap();
    assert!(opened.was_closed && !opened.is_new, "{opened:?}");
    assert!(found(&mut copied).unwrap() == expected(&script(12)).pop().unwrap());
    assert_eq!(copied.note("site-id").unwrap().as_deref(), Some("one"));
    copied.commit(&one_more()).unwrap();
    assert!(found(&mut copied).unwrap() == found(&mut store).unwrap());

    let before = fs::read(&backup).unwrap();
    let refused = store.view().unwrap().backup(&backup).unwrap_err().to_string();
    assert!(refused.contains("backup.redb"), "{refused}");
    assert_eq!(fs::read(&backup).unwrap(), before, "nothing of it was touched");
    assert!(!directory.path().join("backup.redb.partial").exists());
}

#[test]
fn a_damaged_ledger_has_no_backup() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path()).close().unwrap();
    let path = directory.path().join("ledger.redb");
    let mut bytes = fs::read(&path).unwrap();
    let text = b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    let hits: Vec<usize> =
        (0..bytes.len() - text.len()).filter(|at| bytes[*at..].starts_with(text)).collect();
    hits.into_iter().for_each(|at| bytes[at] = b'y');
    fs::write(&path, bytes).unwrap();
    let mut store = open(directory.path());
    let backup = directory.path().join("backup.redb");
    let refused = store.view().unwrap().backup(&backup).unwrap_err().to_string();
    assert!(refused.contains("row") && refused.contains("table"), "{refused}");
    assert!(!backup.exists());
}
