//! Drivers that were built for a released contract are loaded and served by
//! every later version, with the answers of their time.

#![expect(clippy::unwrap_used, reason = "a test may")]

use ipam_tests::{daemon::Daemon, exchange, http::Client, operator};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Where a script goes on with a daemon that was started again.
const RESTART: &str = "# --- the daemon is started again ---\n";

/// What the contract's own words were, and have become: `wit/README.md`.
const NEWER_WORDS: [(&str, &str); 7] = [
    ("\"invalid address space\"", "\"Invalid Address Space\""),
    ("\"invalid address pool\"", "\"Invalid Address Pool\""),
    ("\"invalid address subpool\"", "\"Invalid Address SubPool\""),
    ("\"no available addresses on this pool\"", "\"No available addresses on this pool\""),
    ("\"no address returned\"", "\"No address returned\""),
    ("\"requested address is out of range\"", "\"Requested address is out of range\""),
    (
        "\"address space does not contain specified address pool\"",
        "\"Address space does not contain specified address pool\"",
    ),
];

fn frozen(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("frozen/0.1").join(path)
}

/// Every file of the corpus, and its digest. What is said about it may change.
fn digests() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for directory in ["", "wit/"] {
        for entry in fs::read_dir(frozen(directory)).unwrap() {
            let path = entry.unwrap().path();
            let is_about_it = path.ends_with("SHA256SUMS") || path.ends_with("README.md");
            if path.is_file() && !is_about_it {
                let digest = Sha256::digest(fs::read(&path).unwrap());
                let digest = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                let name = path.file_name().unwrap().to_str().unwrap();
                found.insert(format!("{directory}{name}"), digest);
            }
        }
    }
    found
}

/// The list is as `sha256sum` prints it.
#[test]
fn nothing_of_a_release_is_changed() {
    let list = fs::read_to_string(frozen("SHA256SUMS")).unwrap();
    let listed: BTreeMap<String, String> = list
        .lines()
        .map(|line| line.split_once("  ").unwrap())
        .map(|(digest, file)| (file.to_owned(), digest.to_owned()))
        .collect();
    assert_eq!(digests(), listed, "what is frozen stays as it is");
    assert!(listed.len() > 10, "{listed:?}");
}

fn start(home: &Path) -> Daemon {
    // What the one before it said does not make this one ready.
    let _ = fs::remove_file(home.join("wipam.log"));
    let config = home.join("wipam.toml");
    let file = |name: &str| frozen(name).display().to_string();
    let text = format!(
        "[[driver]]\nfile = \"builtin:default\"\n\
         [[driver]]\nfile = {:?}\n\
         [[driver]]\nfile = {:?}\nname = \"frozen-null\"\n\
         [[driver]]\nfile = {:?}\nstore = {{ max-bytes = 4096, max-keys = 100 }}\n\
         config = {{ rack = \"r7\" }}\nlimits = {{ names = 2 }}\n",
        file("c.wasm"),
        file("null.wasm"),
        file("everything.wasm"),
    );
    fs::write(&config, text).unwrap();
    Daemon::start(home, &["--config", config.to_str().unwrap()]).ready()
}

#[test]
fn drivers_of_a_release_are_served_with_the_answers_of_their_time() {
    let home = tempfile::tempdir().unwrap();
    let names = ["lab", "frozen-null", "everything", "everything-mac"];
    let scripts = names.map(|name| fs::read_to_string(frozen(&format!("{name}.txt"))).unwrap());
    let mut played = names.map(|_| String::new());
    for part in 0..2 {
        let daemon = start(home.path());
        for ((name, script), played) in names.iter().zip(&scripts).zip(&mut played) {
            let mut client = Client::connect(&daemon.socket(name)).unwrap();
            let script = script.split(RESTART).nth(part).unwrap();
            *played += &exchange::play(&mut client, name, script);
        }
        if part == 0 {
            for played in &mut played {
                *played += RESTART;
            }
            status(&daemon);
            assert!(daemon.log().contains("everything starts with {\"rack\":\"r7\"}"));
        }
        let log = daemon.log();
        for trouble in ["ERROR", "panicked", "violation"] {
            assert!(!log.contains(trouble), "{trouble} in the log:\n{log}");
        }
        assert!(daemon.terminate().unwrap().success());
    }
    for ((name, want), got) in names.iter().zip(&scripts).zip(&played) {
        assert_eq!(*got, in_words_of_today(want), "{name}");
    }
}

/// An answer in which a driver left the words to the contract has those that
/// the contract has now. The host's own, and the drivers', are as they were.
fn in_words_of_today(script: &str) -> String {
    let mut is_the_drivers = false;
    let lines = script.split_inclusive('\n').map(|line| {
        if line.starts_with("> ") {
            is_the_drivers = line.starts_with("> RequestPool ");
        }
        let newer = NEWER_WORDS.iter().find(|(then, _)| line.contains(then));
        match newer {
            Some((then, now)) if is_the_drivers => line.replace(then, now),
            _ => line.to_owned(),
        }
    });
    lines.collect()
}

/// The one that exports `status` is asked for it.
fn status(daemon: &Daemon) {
    let pool = "far/192.0.2.0/24";
    let shown = operator::wipam(daemon, &["pools", "--driver", "everything", "--pool", pool]);
    assert_eq!(shown.items.len(), 1, "{}", shown.said);
    let status = &shown.items[0]["status"];
    assert_eq!(status["ips_in_use"], 2, "{:?}", shown.items);
    assert_eq!(status["dynamic_ips_available"], 998, "{:?}", shown.items);
}
