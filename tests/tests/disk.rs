//! The daemon on a disk that is full, or can only be read: nothing is granted
//! that could be lost, everybody is told, and it goes on when there is room.
//!
//! Each test has a small file system of its own, which needs root.

#![expect(clippy::unwrap_used, reason = "a test may")]

use ipam_tests::{
    books::{Books, POOL_ID, ask, post, request_pool},
    daemon::{self, Daemon},
    http::Client,
    mount::Mount,
    operator::{Ran, run},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs,
    process::Command,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

const CONNECTIONS: usize = 8;
/// More than the longest pause between two attempts at a store that fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A daemon's directory, whose `state` is a file system of its own.
struct Disk {
    directory: tempfile::TempDir,
    mount: Mount,
}

impl Disk {
    /// Nothing without root.
    fn new(script: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        for name in ["state", "plugins"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        let mount = Mount::new(&directory.path().join("state"), script)?;
        Some(Self { directory, mount })
    }

    fn command(&self) -> Command {
        self.mount.command(&daemon::binary())
    }

    fn start(&self) -> Daemon {
        let path = self.directory.path();
        // What was said before is not its own.
        let _ = fs::remove_file(path.join("wipam.log"));
        Daemon::start_as(self.command(), path, &path.join("plugins"), &[]).ready()
    }

    /// Why it does not start: one line that names the directory.
    #[track_caller]
    fn refuses_to_start(&self, words: &str) {
        let said = Daemon::refuses_to_start(self.command(), self.directory.path(), &[]);
        let path = self.directory.path().join("state").display().to_string();
        assert!(said.contains(&path) && said.contains(words), "{said}");
    }

    #[track_caller]
    fn sh(&self, script: &str) {
        self.mount.sh(script).unwrap();
    }

    /// Takes all room that is left.
    fn fill(&self) {
        self.sh("! cat /dev/zero > $1/filler 2>/dev/null");
    }

    fn make_room(&self) {
        self.sh("rm $1/filler");
    }
}

/// Asks for addresses on many connections, until each was refused.
fn lease_until_refused(daemon: &Daemon, books: &mut Books) -> Vec<(u16, Value)> {
    // The journal has room for a few hundred of these.
    let body = json!({"PoolID": POOL_ID, "Options": {"note": "x".repeat(4096)}});
    let shared = Mutex::new(books);
    thread::scope(|scope| {
        let lease = || {
            let mut client = daemon.client();
            for _ in 0..1000 {
                let (status, answer) = post(&mut client, "RequestAddress", &body).unwrap();
                if status != 200 {
                    return (status, answer);
                }
                shared.lock().unwrap().granted(&answer);
            }
            panic!("the disk has room for everything");
        };
        let all: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(lease)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

#[track_caller]
fn is_unavailable((status, answer): &(u16, Value)) {
    assert_eq!(*status, 503, "{answer}");
    assert_eq!(answer["Err"], "the ledger cannot be written now");
}

/// Waits for the first grant after an outage.
fn lease_when_it_recovers(client: &mut Client) -> Value {
    let begin = Instant::now();
    loop {
        match ask(client, "RequestAddress", "").unwrap() {
            (200, grant) => return grant,
            refusal => is_unavailable(&refusal),
        }
        assert!(begin.elapsed() < PATIENCE, "it does not recover");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Releases some of what is held while nothing can be written: refused, kept.
fn release_some(client: &mut Client, books: &mut Books) -> Vec<String> {
    let some: Vec<String> = ["10.0.0.3", "10.0.0.5", "10.0.0.6"].map(str::to_owned).into();
    for address in &some {
        assert!(books.held.remove(address), "{address}");
        let (status, answer) = ask(client, "ReleaseAddress", address).unwrap();
        let text = answer["Err"].as_str().unwrap_or_default();
        assert_eq!(status, 503, "{answer}");
        // The first may be in the commit that fails.
        assert!(text.starts_with("the ledger cannot be written now"), "{answer}");
    }
    some
}

const TMPFS: &str = "mount -t tmpfs -o size=8m,mode=0700 tmpfs $1";

#[test]
fn a_full_disk_grants_nothing_and_keeps_releases_until_there_is_room() {
    let Some(disk) = Disk::new(TMPFS) else { return };
    let daemon = disk.start();
    let mut client = daemon.client();
    request_pool(&mut client);
    let mut books = Books::default();
    disk.fill();
    lease_until_refused(&daemon, &mut books).iter().for_each(is_unavailable);
    assert!(books.held.len() > 50, "what the journal has room for: {}", books.held.len());
    let pool = json!({"AddressSpace": "LocalDefault", "Pool": "192.0.2.0/24"});
    is_unavailable(&post(&mut client, "RequestPool", &pool).unwrap());
    let mut kept = release_some(&mut client, &mut books);
    // It is tried again meanwhile.
    thread::sleep(Duration::from_secs(1));
    is_unavailable(&ask(&mut client, "RequestAddress", "").unwrap());
    let log = daemon.log();
    assert!(log.contains("No space left on device") && !log.contains("panicked"), "{log}");

    disk.make_room();
    // The lowest that is free comes first.
    let mut again = vec![books.granted(&lease_when_it_recovers(&mut client))];
    for _ in &kept[1..] {
        let (_, grant) = ask(&mut client, "RequestAddress", "").unwrap();
        again.push(books.granted(&grant));
    }
    kept.sort();
    assert_eq!(again, kept, "kept releases come before anything is granted");
    drop(daemon);
    books.check(&mut disk.start().client(), 2 * CONNECTIONS);
}

/// A daemon with leases ended as its disk was full; a journal may have gone
/// since, as from a backup, or the cache, as with another version.
fn ended_on_a_full_disk(is_killed: bool, without: &str) -> Option<(Disk, Books)> {
    let disk = Disk::new(TMPFS)?;
    let daemon = disk.start();
    request_pool(&mut daemon.client());
    let mut books = Books::default();
    disk.fill();
    lease_until_refused(&daemon, &mut books).iter().for_each(is_unavailable);
    if !without.is_empty() {
        // What is closed is whole without it.
        disk.make_room();
    }
    if is_killed {
        drop(daemon);
    } else {
        assert_eq!(daemon.terminate().unwrap().code(), Some(0));
    }
    if !without.is_empty() {
        disk.sh(&format!("cd $1 && rm -r {without}"));
        disk.fill();
    }
    Some((disk, books))
}

#[test]
fn a_daemon_that_starts_on_a_full_disk_keeps_releases_and_grants_nothing_until_there_is_room() {
    for (is_killed, without) in [(true, ""), (false, ""), (false, "journal lock site-id")] {
        let Some((disk, mut books)) = ended_on_a_full_disk(is_killed, without) else { return };
        let daemon = disk.start();
        let mut client = daemon.client();
        let log = daemon.log();
        assert!(log.contains("the ledger cannot be written: new requests are refused"), "{log}");
        assert!(log.contains("No space left on device"), "{log}");
        let mut kept = release_some(&mut client, &mut books);
        is_unavailable(&ask(&mut client, "RequestAddress", "").unwrap());
        disk.make_room();
        let mut again = vec![books.granted(&lease_when_it_recovers(&mut client))];
        for _ in &kept[1..] {
            again.push(books.granted(&ask(&mut client, "RequestAddress", "").unwrap().1));
        }
        kept.sort();
        assert_eq!(again, kept, "{without}: kept releases come before anything is granted");
        books.check(&mut client, 2 * CONNECTIONS);
        assert_eq!(daemon.terminate().unwrap().code(), Some(0));
        books.check(&mut disk.start().client(), 2 * CONNECTIONS);
    }
}

#[test]
fn a_daemon_that_must_compile_on_a_full_disk_serves() {
    let Some((disk, mut books)) = ended_on_a_full_disk(false, "cache/*") else { return };
    let daemon = disk.start();
    let log = daemon.log();
    assert!(log.contains("no space for compiled code"), "{log}");
    // The journal has room of its own.
    books.check(&mut daemon.client(), 2 * CONNECTIONS);
}

#[test]
fn a_disk_without_room_for_a_ledger_is_named_and_nothing_is_left_half_made() {
    // No room for the site's id; for redb's header, and its pages; for all of
    // the journal; for what is noted at the opening.
    for kib in [4, 8, 12, 500, 1060, 1064, 1080] {
        let Some(disk) = Disk::new(&format!("mount -t tmpfs -o size={kib}k,mode=0700 tmpfs $1"))
        else {
            return;
        };
        disk.refuses_to_start("No space left on device");
        disk.sh("mount -o remount,size=8m $1");
        request_pool(&mut disk.start().client());
    }
}

#[test]
fn a_directory_that_can_only_be_read_is_named() {
    let Some(disk) = Disk::new(TMPFS) else { return };
    for is_new in [true, false] {
        disk.sh("mount -o remount,ro $1");
        disk.refuses_to_start("Read-only file system");
        disk.sh("mount -o remount,rw $1");
        let daemon = disk.start();
        if is_new {
            request_pool(&mut daemon.client());
        }
        assert_eq!(daemon.terminate().unwrap().code(), Some(0));
    }
}

/// An ext4 that becomes read-only at the first error, as most are mounted.
const EXT4: &str = "truncate -s 16M $1.img && mkfs.ext4 -q -F $1.img &&
    mount -o loop,errors=remount-ro $1.img $1";
const EXT4_AGAIN: &str = "umount $1 && mount -o loop,errors=remount-ro $1.img $1";
const EXT4_ERROR: &str =
    "echo 1 > /sys/fs/ext4/$(basename $(findmnt -no SOURCE $1))/trigger_fs_error";

#[test]
fn a_file_system_that_becomes_read_only_grants_nothing_and_loses_nothing() {
    let Some(disk) = Disk::new(EXT4) else { return };
    let daemon = disk.start();
    let mut client = daemon.client();
    request_pool(&mut client);
    // Nobody makes it so on purpose while the ledger is open.
    let busy = disk.mount.sh("mount -o remount,ro $1").unwrap_err();
    assert!(busy.contains("busy"), "{busy}");
    let mut books = Books::default();
    for _ in 0..10 {
        books.granted(&ask(&mut client, "RequestAddress", "").unwrap().1);
    }
    disk.sh(EXT4_ERROR);
    is_unavailable(&ask(&mut client, "RequestAddress", "").unwrap());
    let kept = release_some(&mut client, &mut books);
    is_unavailable(&ask(&mut client, "RequestAddress", "").unwrap());
    let log = daemon.log();
    assert!(log.contains("Read-only file system") && !log.contains("panicked"), "{log}");
    assert_eq!(daemon.terminate().unwrap().code(), Some(0));
    disk.refuses_to_start("Read-only file system");

    // Such a file system has to be mounted anew, by whoever repaired it. What
    // was kept ended with the process: that is held for ever, not twice.
    disk.sh(EXT4_AGAIN);
    books.held.extend(kept);
    books.check(&mut disk.start().client(), CONNECTIONS);
}

#[test]
fn operators_see_and_release_while_the_disk_is_full() {
    let Some(disk) = Disk::new(TMPFS) else { return };
    let daemon = disk.start();
    request_pool(&mut daemon.client());
    let mut books = Books::default();
    disk.fill();
    lease_until_refused(&daemon, &mut books).iter().for_each(is_unavailable);
    let (driver, left_out) = ("default", "drivers that are not loaded are missing here");

    // Where the daemon's directory is seen.
    let wipam = |words: &[&str]| run(disk.command(), daemon.state_dir(), words);
    let Ran { code, items, said } = wipam(&["drivers"]);
    let row = items.iter().find(|it| it["name"] == driver).unwrap();
    assert_eq!((code, &row["condition"], &row["pools"]), (0, &json!("failing"), &json!(1)));
    assert!(said.contains(left_out), "{said}");
    let shown = |words: &[&str]| {
        let Ran { code, items, said } = wipam(words);
        assert_eq!(code, 0, "{said}");
        (items, said)
    };
    assert!(shown(&["pools"]).1.contains(left_out));
    assert_eq!(shown(&["pools", "--driver", driver]).0.len(), 1);
    let addresses = || {
        let (items, said) = shown(&["addresses", "--driver", driver]);
        assert!(!said.contains(left_out), "{said}");
        let text = |item: &Value| item["address"].as_str().unwrap().to_owned();
        let all = items.iter().map(text);
        all.map(|it| it.split('/').next().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    assert_eq!(addresses(), books.held);

    let gone = books.held.pop_first().unwrap();
    let said = wipam(&["release", "--driver", driver, &gone]).refused();
    assert!(said.contains("the release is kept until it can be"), "{said}");
    assert!(!addresses().contains(&gone));
    let backup = disk.directory.path().join("backup");
    for words in [&["history", &gone][..], &["backup", backup.to_str().unwrap()]] {
        let said = wipam(words).refused();
        assert!(said.contains("No space left on device"), "{words:?}: {said}");
    }
    disk.make_room();
    assert_eq!(books.granted(&lease_when_it_recovers(&mut daemon.client())), gone);
}
