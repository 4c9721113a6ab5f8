//! A state directory that was damaged while no daemon had it: the next one
//! says in one line what is wrong and what to do, and repairs nothing.
//!
//! What every single byte does is tested in `host/ledger/tests/durable`; here
//! is what an operator sees.

#![expect(clippy::unwrap_used, reason = "a test may")]

use ipam_tests::{
    books::{Books, ask, request_pool},
    daemon::{self, Daemon},
};
use std::{fs, path::Path, process::Command};

/// Where the journal's records begin, and what each begins with.
const RECORDS_AT: usize = 4096;
const RECORD: &[u8] = b"\xff\xfeWJ";
/// In the rows of the tables of pools and of leases, and in the history.
const POOL_ID: &[u8] = b"LocalDefault/10.0.0.0/12";
/// In the keys of pools and of leases: the driver and the id.
const POOL_KEY: &[u8] = b"defaultLocalDefault/10.0.0.0/12";

/// How the daemon ended before.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Closed,
    Killed,
}
use End::{Closed, Killed};

const LEDGER: &str = "ledger.redb";
const JOURNAL: &str = "journal";

/// A state directory with a pool and a few addresses, and what is held there.
struct Ledger {
    directory: tempfile::TempDir,
    books: Books,
}

impl Ledger {
    fn new(end: End) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let daemon = Daemon::start(directory.path(), &[]).ready();
        let mut client = daemon.client();
        request_pool(&mut client);
        let mut books = Books::default();
        for _ in 0..6 {
            books.granted(&ask(&mut client, "RequestAddress", "").unwrap().1);
        }
        match end {
            Closed => drop(daemon.terminate().unwrap()),
            Killed => drop(daemon),
        }
        Self { directory, books }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The same once more, with one file damaged.
    fn damaged(&self, file: &str, damage: fn(&mut Vec<u8>)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("plugins")).unwrap();
        let (from, to) = (self.path().join("state"), directory.path().join("state"));
        assert!(Command::new("cp").arg("-a").arg(from).arg(&to).status().unwrap().success());
        let mut bytes = fs::read(to.join(file)).unwrap();
        damage(&mut bytes);
        if bytes.is_empty() {
            fs::remove_file(to.join(file)).unwrap();
        } else {
            fs::write(to.join(file), bytes).unwrap();
        }
        let held = self.books.held.clone();
        Self { directory, books: Books { held, ..Books::default() } }
    }

    /// A file that is missing is as good as an empty one.
    fn files(&self) -> [Vec<u8>; 2] {
        let read = |file| fs::read(self.path().join("state").join(file));
        [LEDGER, JOURNAL].map(|file| read(file).unwrap_or_default())
    }
}

/// Everywhere, so that no older copy of a page stands in for the newest.
fn replace_all(bytes: &mut [u8], what: &[u8], by: &[u8]) {
    let hits: Vec<usize> =
        (0..=bytes.len() - what.len()).filter(|at| bytes[*at..].starts_with(what)).collect();
    assert!(!hits.is_empty(), "nothing to damage");
    hits.into_iter().for_each(|at| bytes[at..at + by.len()].copy_from_slice(by));
}

fn records(journal: &[u8]) -> Vec<usize> {
    (RECORDS_AT..journal.len())
        .step_by(64)
        .filter(|at| journal[*at..].starts_with(RECORD))
        .collect()
}

/// What is damaged, how, and what is said.
type Row = (End, &'static str, fn(&mut Vec<u8>), &'static [&'static str]);

const REFUSED: &[Row] = &[
    (Closed, LEDGER, |bytes| bytes.clear(), &["file of entries is missing or empty"]),
    (Closed, LEDGER, |bytes| bytes.truncate(bytes.len() / 2), &[]),
    (Killed, LEDGER, |bytes| bytes.truncate(bytes.len() / 2), &[]),
    (Closed, LEDGER, |bytes| bytes.truncate(5000), &[]),
    // redb's magic number, its version, both its commits, all of its pages.
    (Closed, LEDGER, |bytes| bytes[2] ^= 4, &[]),
    (Closed, LEDGER, |bytes| bytes[64..320].fill(0x5a), &[]),
    (Killed, LEDGER, |bytes| bytes[64..320].fill(0x5a), &[]),
    (Closed, LEDGER, |bytes| bytes[4096..].fill(0), &[]),
    (Closed, LEDGER, |bytes| bytes[4096..].fill(0xff), &[]),
    (Closed, LEDGER, |bytes| replace_all(bytes, POOL_ID, b"LocalDefaulT"), &["row"]),
    (Closed, LEDGER, |bytes| replace_all(bytes, POOL_KEY, b"defaulT"), &["table pools"]),
    (Killed, JOURNAL, |bytes| bytes.clear(), &["journal is missing"]),
    (Killed, JOURNAL, |bytes| bytes.truncate(RECORDS_AT + 100), &["journal is missing, cut short"]),
    (Killed, JOURNAL, |bytes| bytes[13] ^= 1, &["without a header"]),
    (
        Killed,
        JOURNAL,
        |bytes| {
            let at = records(bytes)[1];
            bytes[at + 30] ^= 1;
        },
        &["of its journal", "is not whole"],
    ),
    (
        Killed,
        JOURNAL,
        |bytes| {
            let at = records(bytes)[0];
            bytes[at..at + 64].fill(0);
        },
        &["record 1 of its journal, at byte 0", "is not whole"],
    ),
];

#[test]
fn damage_is_named_in_one_line_and_not_repaired() {
    let whole = [Closed, Killed].map(|end| (end, Ledger::new(end)));
    for (number, &(end, file, damage, words)) in REFUSED.iter().enumerate() {
        let (_, ledger) = whole.iter().find(|(it, _)| *it == end).unwrap();
        let ledger = ledger.damaged(file, damage);
        let [_, journal] = ledger.files();
        let said = Daemon::refuses_to_start(Command::new(daemon::binary()), ledger.path(), &[]);
        let place = format!("row {number}, {file}, {end:?}: {said}");
        // What is wrong with one driver's part is found when that is loaded.
        let state = format!("state directory {}", ledger.path().join("state").display());
        assert!(said.contains(&state) || said.contains("driver builtin:default"), "{place}");
        for word in words.iter().chain(&["the ledger is damaged: ", "; restore a backup"]) {
            assert!(said.contains(word), "no {word:?} in {place}");
        }
        let again = Daemon::refuses_to_start(Command::new(daemon::binary()), ledger.path(), &[]);
        assert_eq!(again, said, "it was repaired: {place}");
        assert!(ledger.files()[1] == journal, "the journal was touched: {place}");
    }
}

/// A crash explains these, or nothing is missing.
#[test]
fn what_a_crash_leaves_is_dropped_and_said() {
    let tear: fn(&mut Vec<u8>) = |bytes| {
        let at = *records(bytes).last().unwrap();
        bytes[at + 40..at + 64].fill(0);
    };
    let killed = Ledger::new(Killed).damaged(JOURNAL, tear);
    let daemon = Daemon::start(killed.path(), &[]);
    assert!(daemon.log().contains("dropped_torn=true"), "{}", daemon.log());
    // The record that was torn is that of the last address.
    let mut books = killed.books;
    assert!(books.held.remove("10.0.0.6"));
    books.check(&mut daemon.client(), 4);

    let mut closed = Ledger::new(Closed).damaged(JOURNAL, Vec::clear);
    let daemon = Daemon::start(closed.path(), &[]);
    closed.books.check(&mut daemon.client(), 4);
}
