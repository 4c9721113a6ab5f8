//! A driver that lies about its system of record: what it says is bounded, and nothing
//! that is held is removed for it.

use crate::harness::{BOUND, Harness};
use ipam_tests::operator::wipam;
use serde_json::{Value, json};
use std::time::Instant;

/// A daemon with the program, which has leased 10.66.0.1.
fn harness(does: &str) -> Harness {
    let harness = Harness::with("records", &format!("[driver.config]\ndoes = {does:?}"));
    let pool = harness.pool("registry");
    let (status, body) = harness.client("registry").ask("RequestAddress", &json!({"PoolID": pool}));
    assert_eq!((status, &body["Address"]), (200, &json!("10.66.0.1/24")));
    harness
}

/// What `wipam check` prints of the driver's system of record.
fn checked(harness: &Harness) -> Value {
    let ran = wipam(&harness.daemon, &["check", "registry"]);
    assert_eq!(ran.code, 1, "{}", ran.said);
    ran.items[0].clone()
}

/// Its list is refused with these words, as often as it is asked for; the failures of the
/// driver are counted, what it leased is held, and it serves on.
#[track_caller]
fn refused(does: &str, words: &str, failures: u64) {
    let harness = harness(does);
    harness.beside(does, || {
        let begin = Instant::now();
        let checked = checked(&harness);
        let why = checked["records_error"].as_str().unwrap_or_default().to_owned();
        assert!(why.contains(words), "{does}: {why:?} does not say {words:?}");
        assert!(checked["records"].is_null(), "{does}: a part is not told: {checked}");
        assert!(begin.elapsed() < BOUND, "{does}: {:?}", begin.elapsed());
    });
    let run = ["reconcile", "registry", "--grace", "0", "--dry-run", "--exclusive"];
    let said = wipam(&harness.daemon, &run).refused();
    assert!(said.contains("nothing was changed"), "{does}: {said}");
    let driver = harness.driver("registry");
    assert_eq!((&driver["condition"], &driver["addresses"]), (&json!("serving"), &json!(1)));
    assert_eq!(driver["failures"], failures, "{does}");
    let (status, _) =
        harness.client("registry").ask("RequestAddress", &json!({"PoolID": "10.66.0.0/24"}));
    assert_eq!(status, 200, "{does}");
}

#[test]
fn a_list_ends() {
    let pages = "lists more than 1000 pages";
    refused("lists-for-ever", pages, 0);
    refused("turns", pages, 0);
}

#[test]
fn what_is_no_list_breaks_the_driver() {
    for (does, words) in [
        ("stands-still", "answered a page of records whose next page is itself"),
        ("begins-nowhere", "answered a cursor of 0 bytes"),
        ("floods", "answered a page of 101 records, where 100 were asked for"),
        ("shouts", "hostcall"),
        ("names-nothing", "the id of a record has 1 to 256 bytes, not 0"),
        ("names-too-much", "the id of a record has 1 to 256 bytes, not 257"),
        ("leaves-the-pool", "answered a record of 10.67.0.9 in the pool 10.66.0.0/24"),
        ("leaves-the-space", "a record of the address space \"somewhere\", which is not its own"),
        ("panics", "unreachable"),
    ] {
        refused(does, words, 2);
    }
}

#[test]
fn a_list_that_does_not_end_is_stopped() {
    refused("loops", "took more than 5s", 2);
}

#[test]
fn a_system_that_is_away_is_no_failure_of_the_driver() {
    refused("is-away", "the system is away", 0);
}

#[test]
fn words_are_cut_and_do_nothing_to_a_terminal() {
    let harness = harness("paints");
    let leftover = checked(&harness)["records"]["leftover"][0].clone();
    assert_eq!(leftover["id"], "\u{1b}[2J\u{202e}7", "an id is opaque");
    let label = leftover["label"].as_str().unwrap();
    assert!(label.len() <= 256 && label.starts_with("\\u{1b}[31m"), "{label:?}");
    let mut command = std::process::Command::new(ipam_tests::daemon::binary());
    let state = harness.daemon.state_dir();
    let output = command.args(["check", "registry", "--state-dir"]).arg(state).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("only there: address 10.66.0.9"), "{printed}");
    let is_plain = |it: char| it == '\n' || !(it.is_control() || it == '\u{202e}');
    assert!(printed.chars().all(is_plain), "{printed:?}");
}

#[test]
fn what_is_held_is_never_removed_whatever_it_is_called() {
    let harness = harness("moves");
    let checked = checked(&harness);
    assert_eq!(checked["records"]["differing"][0]["held"], "10.66.0.0/24", "{checked}");
    assert_eq!(checked["records"]["leftover"], json!([]));
    let run = ["reconcile", "registry", "--grace", "0", "--dry-run", "--exclusive"];
    let report = wipam(&harness.daemon, &run).done().remove(0);
    assert_eq!(report["would_remove"], json!([]), "{report}");
}
