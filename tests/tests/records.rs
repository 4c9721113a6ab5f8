//! A driver with a system of record in a real daemon: `wipam check` compares both ways,
//! and `wipam reconcile` gives back what only the system has.

#![expect(clippy::unwrap_used, reason = "a test may")]

use ipam_tests::{
    daemon::{Daemon, binary},
    http::Client,
    operator::{Ran, wipam},
    programs,
};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    process::Command,
};

const POOL: &str = "10.66.0.0/24";

struct Lab {
    _directory: tempfile::TempDir,
    daemon: Daemon,
}

impl Lab {
    /// A daemon whose driver has leased 10.66.0.1 and 10.66.0.2.
    fn new(config: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = programs::file("records");
        let table = format!(
            "[[driver]]\nfile = \"builtin:default\"\n[[driver]]\nfile = {:?}\n[driver.config]\n{config}\n",
            file.to_str().unwrap()
        );
        let path = directory.path().join("wipam.toml");
        fs::write(&path, table).unwrap();
        let daemon = Daemon::start(directory.path(), &["--config", path.to_str().unwrap()]);
        let lab = Self { _directory: directory, daemon: daemon.ready() };
        let mut client = lab.client();
        assert_eq!(client.pool("zoo", POOL), POOL);
        for want in ["10.66.0.1", "10.66.0.2"] {
            assert_eq!(client.lease(POOL, "", &Value::Null).unwrap(), want);
        }
        lab
    }

    fn client(&self) -> Client {
        Client::connect(&self.daemon.socket("registry")).unwrap()
    }

    fn check(&self) -> Ran {
        wipam(&self.daemon, &["check"])
    }

    /// What `wipam check` says of the driver.
    #[track_caller]
    fn checked(&self, code: i32) -> Value {
        let ran = self.check();
        assert_eq!(ran.code, code, "{}", ran.said);
        let mut drivers = ran.items.into_iter();
        drivers.find(|it| it["driver"] == "registry").unwrap()["records"].clone()
    }

    /// What it says to people.
    fn said(&self) -> String {
        let mut command = Command::new(binary());
        command.args(["check", "registry", "--state-dir"]).arg(self.daemon.state_dir());
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    }

    /// The first line of what the admin socket answers.
    fn asked(&self, question: &Value) -> Value {
        let mut socket = UnixStream::connect(self.daemon.state_dir().join("admin.sock")).unwrap();
        socket.write_all(format!("{question}\n").as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(socket).read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn reconcile(&self, words: &[&str]) -> Ran {
        wipam(&self.daemon, &[&["reconcile"], words].concat())
    }
}

/// What is in a list, as addresses or else prefixes.
fn found(report: &Value, list: &str) -> Vec<String> {
    let found = report[list].as_array().unwrap().iter();
    let text = |it: &Value| {
        let parts = [&it["address"], &it["pool"], &it["prefix"]];
        parts.into_iter().find_map(Value::as_str).unwrap().to_owned()
    };
    found.map(text).collect()
}

#[test]
fn both_sides_agree() {
    let lab = Lab::new("");
    let records = lab.checked(0);
    let none = json!([]);
    let want = json!({"entries": 3, "records": 3, "missing": none, "leftover": none,
        "differing": none, "duplicates": none, "not_looked_for": 0});
    assert_eq!(records, want);
    let words = "its system of record has 3 records of this host and agrees with 3 entries";
    assert!(lab.said().contains(words), "{}", lab.said());
    // Who has none is told of as before.
    assert!(
        lab.check().items.iter().any(|it| it["driver"] == "default" && it.get("records").is_none())
    );
    let drivers = wipam(&lab.daemon, &["drivers"]).done();
    let has =
        |name: &str| drivers.iter().find(|it| it["name"] == name).unwrap()["has_records"].clone();
    assert_eq!((has("registry"), has("default")), (json!(true), json!(false)));
    let said = lab.reconcile(&["records", "default", "--dry-run"]).refused();
    assert!(said.contains("default has no system of record to ask"), "{said}");
    let said = lab.reconcile(&["nobody", "--dry-run"]).refused();
    assert!(said.contains("nobody"), "{said}");
    let report = lab.reconcile(&["records", "registry", "--dry-run"]).done().remove(0);
    assert_eq!(report["would_remove"], none);
}

#[test]
fn what_is_on_one_side_is_told_with_what_to_do() {
    let lab = Lab::new("left = \"10.66.0.9 10.66.7.0/24\"\nlost = \"10.66.0.2\"");
    let records = lab.checked(1);
    assert_eq!(found(&records, "missing"), ["10.66.0.2"]);
    assert_eq!(found(&records, "leftover"), ["10.66.0.9", "10.66.7.0/24"]);
    let said = lab.said();
    for words in [
        "deleted there: address 10.66.0.2 of 10.66.0.0/24",
        "release them with `wipam release`",
        "only there: address 10.66.0.9 of 10.66.0.0/24 in \"zoo\": \"10.66.0.9\"",
        "`wipam reconcile records registry` gives them back",
    ] {
        assert!(said.contains(words), "{said:?} does not say {words:?}");
    }
}

#[test]
fn the_driver_and_the_ledger_have_a_say_in_each_removal() {
    let remove = |lab: &Lab, pool: &str, address: &str| {
        let answer = lab.asked(&json!({"ask": "remove-record", "driver": "registry",
            "id": address, "address_space": "zoo", "pool": pool, "address": address}));
        (answer["item"]["outcome"].clone(), answer["item"]["reason"].clone())
    };
    let lab = Lab::new("does = \"refuses\"\nleft = \"10.66.0.9\"");
    let refused = (json!("refused"), json!("others are in it"));
    assert_eq!(remove(&lab, POOL, "10.66.0.9"), refused);
    // The driver is not asked, whatever it would say.
    for pool in [POOL, "10.66.0.0/16"] {
        assert_eq!(remove(&lab, pool, "10.66.0.1"), (json!("held"), Value::Null));
    }
    let has = |address: &str| {
        lab.asked(&json!({"ask": "has-record", "driver": "registry", "pool_id": POOL,
            "address": address}))
    };
    assert_eq!(has("10.66.0.1"), json!({"item": {"has_record": true}}));
    assert_eq!(has("10.66.0.3"), json!({"item": {"has_record": null}}));
    // What says that it removes and does not is left over the next time.
    let lab = Lab::new("does = \"pretends\"\nleft = \"10.66.0.9\"");
    assert_eq!(remove(&lab, POOL, "10.66.0.9"), (json!("removed"), Value::Null));
    assert_eq!(found(&lab.checked(1), "leftover"), ["10.66.0.9"]);
}

/// It takes its time: what is left over must be so for half a minute.
#[test]
fn what_only_the_system_has_is_given_back_and_what_is_granted_meanwhile_stays() {
    let lab = Lab::new("left = \"10.66.0.8 10.66.0.9 10.66.7.0/24\"");
    let dry = |words: &[&str]| {
        let all = [&["registry", "--grace", "0", "--dry-run"], words].concat();
        lab.reconcile(&all).done().remove(0)
    };
    let report = dry(&[]);
    assert_eq!(found(&report, "would_remove"), ["10.66.0.8", "10.66.0.9"]);
    assert_eq!(found(&report, "kept"), ["10.66.7.0/24"]);
    let all = ["10.66.0.8", "10.66.0.9", "10.66.7.0/24"];
    assert_eq!(found(&dry(&["--exclusive"]), "would_remove"), all);
    assert_eq!(found(&lab.checked(1), "leftover"), all, "nothing was changed");

    let report = std::thread::scope(|scope| {
        let run = scope.spawn(|| lab.reconcile(&["registry", "--grace", "30"]));
        // In the grace period: it is granted after the first look.
        std::thread::sleep(std::time::Duration::from_secs(10));
        assert_eq!(lab.client().lease(POOL, "10.66.0.8", &Value::Null), Ok("10.66.0.8".to_owned()));
        run.join().unwrap().done().remove(0)
    });
    assert_eq!(found(&report, "removed"), ["10.66.0.9"]);
    assert_eq!(found(&report, "settled"), ["10.66.0.8"]);
    assert_eq!(found(&report, "kept"), ["10.66.7.0/24"]);
    assert_eq!(found(&lab.checked(1), "leftover"), ["10.66.7.0/24"]);
    let log = lab.daemon.log();
    assert!(
        log.contains("removed from the system of record") && log.contains("by=reconciler"),
        "{log}"
    );
}
