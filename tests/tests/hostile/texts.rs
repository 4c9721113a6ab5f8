//! What strangers write is bounded, and can be seen, wherever anybody reads it.

use crate::harness::{BOUND, Harness};
use ipam_api::text::is_plain;
use ipam_tests::daemon::{binary, cache_home, wait};
use serde_json::json;
use std::{fs, io::Write as _, path::Path, process::Command, time::Instant};

/// What the program writes: see there.
const INK: &str = "\u{202e}\u{9b}2J\u{85}\u{2028}\u{200b}";

/// What reporting a failure, or refusing a file of 60 MB, may cost.
const GROWTH_MAX_KIB: u64 = 256 << 10;

/// The most memory that the daemon ever had.
fn peak_kib(harness: &Harness) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", harness.daemon.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Every character of every line can be seen.
#[track_caller]
fn plain(what: &str, text: &str) {
    let hidden = text.chars().find(|&it| !is_plain(it) && it != '\n');
    assert_eq!(hidden, None, "{what}: {text:?}");
    assert!(!text.lines().any(|line| line.starts_with("ERROR it")), "{what}: {text}");
}

/// A C++ name that unfolds to a gigabyte is not unfolded for a backtrace.
#[test]
fn a_trap_costs_no_more_than_it_says() {
    let harness = Harness::with("unfolds", "");
    let before = peak_kib(&harness);
    let began = Instant::now();
    let body = json!({"AddressSpace": "zoo", "Pool": "10.66.0.0/24"});
    let (status, _) =
        harness.beside("unfolds", || harness.client("unfolds").ask("RequestPool", &body));
    assert_eq!(status, 500);
    wait(|| harness.driver("unfolds")["last_failure"].is_string());
    assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
    let driver = harness.driver("unfolds");
    let reason = driver["last_failure"].as_str().unwrap();
    assert!(reason.contains("unreachable") && reason.contains("!_Z1fSt4pair"), "{reason}");
    assert!(reason.len() < 20 << 10, "{} bytes", reason.len());
    plain("the failure", reason);
    let grown = peak_kib(&harness) - before;
    assert!(grown < GROWTH_MAX_KIB, "{grown} KiB more");
}

/// The same in a core module's start function, before it is asked anything.
#[test]
fn a_trap_before_the_start_costs_no_more_than_it_says() {
    let harness = Harness::new();
    // Programs are built by the first who asks for one.
    let file = ipam_tests::programs::file("unfolds_in_start");
    let (before, began) = (peak_kib(&harness), Instant::now());
    let refusal = harness.load(&file, "").unwrap_err();
    assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
    assert!(refusal.contains("unreachable") && refusal.contains("!_Z1fSt4pair"), "{refusal}");
    assert!(refusal.len() < 20 << 10, "{} bytes", refusal.len());
    let grown = peak_kib(&harness) - before;
    assert!(grown < GROWTH_MAX_KIB, "{grown} KiB more");
}

/// A component of 60 MB with 600 imports, and nothing else.
fn long_imports(file: &Path) {
    fn leb(mut number: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while number > 0x7f {
            bytes.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
            number >>= 7;
        }
        bytes.push(u8::try_from(number).unwrap());
        bytes
    }
    let mut imports = leb(600);
    for number in 0..600 {
        let name = format!("acme:secret/x{number:03}-{}@1.0.0", "y".repeat(99_900));
        imports.push(0); // a plain name
        imports.extend(leb(name.len()));
        imports.extend(name.into_bytes());
        imports.extend([5, 0]); // an instance of the first type
    }
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    bytes.extend([7, 3, 1, 0x42, 0]); // one type, of an instance that exports nothing
    bytes.push(10);
    bytes.extend(leb(imports.len()));
    bytes.extend(imports);
    fs::File::create(file).unwrap().write_all(&bytes).unwrap();
}

#[test]
fn a_file_of_long_names_is_refused_in_few_words() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("long.wasm");
    long_imports(&file);
    let harness = Harness::new();
    let before = (peak_kib(&harness), harness.daemon.log().len());
    let refusal = harness.load(&file, "").unwrap_err();
    assert!(refusal.len() < 10 << 10, "{} bytes", refusal.len());
    let said = harness.daemon.log().len() - before.1;
    assert!(said < 64 << 10, "{said} bytes in the log");
    let grown = peak_kib(&harness) - before.0;
    assert!(grown < GROWTH_MAX_KIB, "{grown} KiB more");
    for words in [&["driver", "inspect"][..], &["driver", "inspect", "--json"], &["test"]] {
        let mut command = Command::new(binary());
        let output =
            command.args(words).arg(&file).env("XDG_CACHE_HOME", cache_home()).output().unwrap();
        let said = output.stdout.len() + output.stderr.len();
        assert!(said < 512 << 10, "{words:?} says {said} bytes");
    }
}

#[test]
fn a_name_that_cannot_be_seen_is_refused_so_that_it_can() {
    let harness = Harness::new();
    let file = ipam_tests::programs::file("hides");
    let refusal = harness.load(&file, "").unwrap_err();
    assert!(refusal.contains("a driver's name is"), "{refusal}");
    let log = harness.daemon.log();
    plain("the log", &log);
    let name = r"lab\u{202e}\u{200b}\u{85}\nERROR it is all over";
    assert!(log.contains(name), "{log}");
}

#[test]
fn whatever_a_driver_writes_can_be_seen_everywhere() {
    let harness = Harness::with("obscures", "");
    let mut client = harness.client("obscures");
    let pool = json!({"AddressSpace": "zoo", "Pool": "10.66.0.0/24"});
    let (status, body) = client.ask("RequestPool", &pool);
    assert_eq!(status, 200, "{body}");
    let id = body["PoolID"].as_str().unwrap();
    assert_eq!(id, format!("10.66.0.0/24{INK}"), "Docker gives it back as it got it");
    let owner = format!("web{INK}");
    let options = json!({"com.docker.network.endpoint.name": owner});
    let (status, body) = client.ask("RequestAddress", &json!({"PoolID": id, "Options": options}));
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["Data"][format!("key{INK}")], format!("value\n{INK}"), "{body}");

    // A caller's terminal shows refusals.
    let sized = json!({"AddressSpace": "zoo", "Pool": "0.0.0.0/25"});
    let (status, body) = client.ask("RequestPool", &sized);
    assert_eq!(status, 400, "{body}");
    let words = r"refused \u{202e}\u{9b}2J\u{85}\u{2028}\u{200b}\nERROR all over";
    assert_eq!(body["Err"], words);
    // A failure of it has what it was asked, which a client chose.
    let breaks = json!({"PoolID": id, "Options": {"break": INK}});
    assert_eq!(client.ask("RequestAddress", &breaks).0, 500);
    wait(|| harness.driver("obscures")["restarts"] == 1);
    plain("a failure", harness.driver("obscures")["last_failure"].as_str().unwrap());

    let run = |words: &[&str]| {
        let state = harness.daemon.state_dir();
        let output =
            Command::new(binary()).args(words).arg("--state-dir").arg(state).output().unwrap();
        let [out, said] = [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap());
        plain(&format!("{words:?}"), &out);
        plain(&format!("{words:?}"), &said);
        out + &said
    };
    let shown = r"10.66.0.0/24\u{202e}\u{9b}2J\u{85}\u{2028}\u{200b}";
    let in_json = r"10.66.0.0/24\u202e\u009b2J\u0085\u2028\u200b";
    for command in ["drivers", "pools", "addresses", "check"] {
        let (table, lines) = (run(&[command]), run(&[command, "--json"]));
        if ["pools", "addresses"].contains(&command) {
            assert!(table.contains(shown), "{table}");
            assert!(lines.contains(in_json), "{lines}");
            let row = lines.lines().find(|line| line.contains("obscures")).unwrap();
            let row: serde_json::Value = serde_json::from_str(row).unwrap();
            assert_eq!(row["pool_id"], id, "programs get what it is");
        }
    }
    assert!(run(&["addresses"]).contains(r"web\u{202e}"), "the owner is shown");
    run(&["history", "10.66.0.1"]);
    run(&["release", "--pool", id]);
    let released = run(&["release", "--pool", id, "--force"]);
    assert!(released.contains(shown), "{released}");

    let log = harness.daemon.log();
    plain("the log", &log);
    assert!(log.contains(r"said \u{202e}"), "{log}");
    // Each line of what it says is a line of ours, with our time and its name.
    let mut lines = log.lines().filter(|line| line.contains("ERROR it is all over")).peekable();
    assert!(lines.peek().is_some(), "{log}");
    assert!(lines.all(|line| line.starts_with("20") && line.contains("driver=")), "{log}");
}
