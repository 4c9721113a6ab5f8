//! Who asks again for what is held, over the socket of the real daemon: a
//! swarm's managers and nodes, as Docker was seen to ask, and everybody else.

#![expect(clippy::unwrap_used, reason = "a test may")]

use ipam_tests::{daemon::Daemon, http::Client, operator::wipam};
use serde_json::{Value, json};

const SUBNET: &str = "10.90.0.0/24";
const GATEWAY: &str = "10.90.0.1";
const TASK: &str = "10.90.0.7";

/// One plane of an engine's network: a manager's or a node's.
struct Plane {
    space: &'static str,
    is_serial: bool,
}

const MANAGER: Plane = Plane { space: "GlobalDefault", is_serial: true };
const NODE: Plane = Plane { space: "LocalDefault", is_serial: false };

impl Plane {
    fn id(&self) -> String {
        format!("{}/{SUBNET}", self.space)
    }

    fn pool(&self, client: &mut Client) -> u16 {
        let body = json!({"AddressSpace": self.space, "Pool": SUBNET, "SubPool": "",
            "Options": null, "V6": false});
        client.ask("RequestPool", &body).0
    }

    fn address(&self, client: &mut Client, address: &str) -> u16 {
        let mut options = json!({});
        if self.is_serial {
            options["com.docker.network.ipam.serial"] = json!("true");
        }
        if address == GATEWAY {
            options["RequestAddressType"] = json!("com.docker.network.gateway");
        }
        let body = json!({"PoolID": self.id(), "Address": address, "Options": options});
        client.ask("RequestAddress", &body).0
    }

    fn release(&self, client: &mut Client, address: &str) -> u16 {
        let body = json!({"PoolID": self.id(), "Address": address});
        client.ask("ReleaseAddress", &body).0
    }

    fn release_pool(&self, client: &mut Client) -> u16 {
        client.ask("ReleasePool", &json!({"PoolID": self.id()})).0
    }

    /// All of it, in the order in which engines ask.
    fn network(&self, client: &mut Client) -> [u16; 3] {
        [self.pool(client), self.address(client, GATEWAY), self.address(client, TASK)]
    }
}

/// An engine begins with the plugin, a manager begins to lead, or somebody
/// looks whether the plugin lives.
fn asks_what_is_needed(client: &mut Client) {
    assert_eq!(client.post("/IpamDriver.GetCapabilities", "").unwrap().status, 200);
}

fn listed(daemon: &Daemon, words: &[&str], key: &str) -> Vec<String> {
    wipam(daemon, words).done().iter().map(|item| item[key].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_change_of_leaders_gives_nothing_away() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(directory.path(), &[]);
    let client = &mut daemon.client();
    asks_what_is_needed(client);
    assert_eq!(MANAGER.network(client), [200; 3]);
    assert_eq!(NODE.network(client), [200; 3]);
    for _ in 0..3 {
        asks_what_is_needed(client);
        assert_eq!(NODE.network(client), [403; 3], "a user repeats what lives on the node");
        assert_eq!(MANAGER.address(client, TASK), 403, "a container wants a task's address");
        // The new leader asks for all of it again, and nobody after it gets any.
        assert_eq!(MANAGER.network(client), [200; 3]);
        assert_eq!(MANAGER.network(client), [403; 3]);
        assert_eq!(MANAGER.release_pool(client), 200, "another network goes");
        assert_eq!(MANAGER.address(client, TASK), 403);
    }
    // The network goes once, with what its manager forgot.
    assert_eq!(MANAGER.release(client, GATEWAY), 200);
    assert_eq!(MANAGER.release_pool(client), 200);
    assert_eq!(MANAGER.release_pool(client), 400);
    assert_eq!(listed(&daemon, &["pools"], "pool_id"), [NODE.id()]);
}

#[test]
fn a_node_that_was_killed_with_its_plugin_gets_its_network_again_once() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(directory.path(), &[]);
    asks_what_is_needed(&mut daemon.client());
    assert_eq!(NODE.network(&mut daemon.client()), [200; 3]);
    drop(daemon);

    for _ in 0..2 {
        let daemon = Daemon::start(directory.path(), &[]);
        let client = &mut daemon.client();
        assert_eq!(NODE.network(client), [403; 3], "the plugin alone was started again");
        asks_what_is_needed(client);
        assert_eq!(NODE.address(client, TASK), 403, "a user wants a live address");
        assert_eq!(NODE.network(client), [200; 3]);
        assert_eq!(NODE.network(client), [403; 3]);
        asks_what_is_needed(client);
        assert_eq!(NODE.network(client), [403; 3]);
        let history = wipam(&daemon, &["history", TASK]).done();
        assert_eq!(history.iter().filter(|it| it["released_at"].is_null()).count(), 1);
    }
    // A driver that is still loading is busy, and nobody can look at what it has.
    let daemon = Daemon::start(directory.path(), &[]).ready();
    let history: Vec<Value> = wipam(&daemon, &["history", TASK]).done();
    assert_eq!(history.len(), 3, "each claim is a tenure of its own: {history:?}");
    let until = |at: usize| (&history[at]["released_at"], &history[at + 1]["granted_at"]);
    for (until, from) in [until(0), until(1)] {
        assert_eq!(until, from);
    }
}

#[test]
fn what_nobody_asked_for_since_the_daemon_began_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(directory.path(), &[]);
    let client = &mut daemon.client();
    asks_what_is_needed(client);
    assert_eq!(MANAGER.network(client), [200; 3]);
    assert_eq!(MANAGER.address(client, "10.90.0.8"), 200);
    assert_eq!(NODE.network(client), [200; 3]);
    assert_eq!(listed(&daemon, &["pools", "--stale"], "pool_id"), [""; 0]);
    drop(daemon);

    let daemon = Daemon::start(directory.path(), &[]).ready();
    let client = &mut daemon.client();
    let stale = ["pools", "--stale"];
    assert_eq!(listed(&daemon, &stale, "pool_id").len(), 2);
    asks_what_is_needed(client);
    assert_eq!(MANAGER.network(client), [200; 3]);
    assert_eq!(NODE.network(client), [200; 3]);
    assert_eq!(listed(&daemon, &stale, "pool_id"), [MANAGER.id()]);
    assert_eq!(wipam(&daemon, &stale).done()[0]["stale_addresses"], 1);
    assert_eq!(listed(&daemon, &["addresses", "--stale"], "address"), ["10.90.0.8/24"]);
    let all = wipam(&daemon, &["addresses", "10.90.0.8"]).done();
    assert_eq!(all[0]["stale"], true);
    let text = std::process::Command::new(ipam_tests::daemon::binary())
        .args(["pools", "--stale", "--state-dir"])
        .arg(daemon.state_dir())
        .output();
    let text = String::from_utf8(text.unwrap().stdout).unwrap();
    assert!(text.contains("STALE") && text.contains("1 addresses"), "{text}");
}

/// The reference's answers: `reference/default-driver-observed.txt`.
#[test]
fn an_id_that_cannot_be_one_is_refused_in_the_words_of_the_engine_s_own_driver() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(directory.path(), &[]).ready();
    let pool = "LocalDefault/10.0.0.0/16";
    let asked = json!({"AddressSpace": "LocalDefault", "Pool": "10.0.0.0/16"});
    assert_eq!(daemon.client().ask("RequestPool", &asked).0, 200);
    let ask = |plugin: &str, call: &str, id: &str, address: &str| {
        let mut client = Client::connect(&daemon.socket(plugin)).unwrap();
        let (status, body) = client.ask(call, &json!({"PoolID": id, "Address": address}));
        (status, body["Err"].as_str().unwrap_or_default().to_owned())
    };
    let bad_pool = "address space does not contain specified address pool";
    for call in ["RequestAddress", "ReleaseAddress", "ReleasePool"] {
        for (id, words) in [
            ("", "invalid pool id: "),
            ("garbage", "invalid pool id: garbage"),
            ("LocalDefault", "invalid pool id: LocalDefault"),
            ("LocalDefault/10.0.0.0/xx", "invalid pool id: LocalDefault/10.0.0.0/xx"),
            ("nope/10.0.0.0/16", "cannot find address space nope"),
        ] {
            let want = (400, words.to_owned());
            assert_eq!(ask("wipam", call, id, "10.0.0.1"), want, "{call} {id:?}");
        }
        let (status, words) = ask("wipam", call, "LocalDefault/10.99.0.0/16", "10.99.0.1");
        match call {
            "ReleasePool" => assert_eq!((status, &*words), (400, bad_pool)),
            _ => assert!(status == 404 && words.contains("10.99.0.0/16/invalid Prefix"), "{words}"),
        }
    }
    assert_eq!(ask("wipam", "RequestAddress", pool, "10.0.0.1").0, 200, "it lives");

    for call in ["RequestAddress", "ReleaseAddress"] {
        let want = (400, "unknown pool id: x".to_owned());
        assert_eq!(ask("wipam-null", call, "x", "1.2.3.4"), want, "{call}");
    }
    let done = || (200, String::new());
    assert_eq!(ask("wipam-null", "ReleasePool", "x", ""), done());
    // Whether they were asked for or not.
    for is_held in [false, true] {
        for (id, v6) in [("null/0.0.0.0/0", false), ("null/::/0", true)] {
            if is_held {
                let mut client = Client::connect(&daemon.socket("wipam-null")).unwrap();
                let body = json!({"AddressSpace": "null", "Pool": "", "V6": v6});
                let (status, granted) = client.ask("RequestPool", &body);
                assert_eq!((status, &granted["PoolID"]), (200, &json!(id)));
            }
            for call in ["RequestAddress", "ReleaseAddress", "ReleasePool"] {
                assert_eq!(ask("wipam-null", call, id, "1.2.3.4"), done(), "{call} {id}");
            }
        }
    }
}
