//! A driver that names a gateway with its pool, and one that chooses pools
//! where no network of containers may be.

use crate::harness::Harness;
use ipam_tests::daemon::{Daemon, wait};
use serde_json::{Value, json};

const DRIVER: &str = "gateways";

/// A pool with this gateway, by name or the driver's choice.
fn pool(harness: &Harness, options: &Value) -> (u16, Value) {
    let body = json!({"AddressSpace": "zoo", "Pool": "", "Options": options});
    harness.client(DRIVER).ask("RequestPool", &body)
}

fn address(harness: &Harness, pool: &Value, address: &str, options: &Value) -> (u16, Value) {
    let body = json!({"PoolID": pool, "Address": address, "Options": options});
    harness.client(DRIVER).ask("RequestAddress", &body)
}

fn internal((status, body): &(u16, Value)) {
    assert_eq!((*status, &body["Err"]), (500, &json!("IPAM Internal Error")));
}

/// Its caller hears of an internal error, the operator why, and it serves on.
#[track_caller]
fn violates(harness: &Harness, words: &str, ask: impl FnOnce() -> (u16, Value)) {
    let before = harness.daemon.log().len();
    internal(&ask());
    let said = harness.daemon.log()[before..].to_owned();
    assert!(said.contains("broke the contract") && said.contains(words), "{words:?}: {said}");
    // A breaker that opened is none of this test's business.
    let _ = ipam_tests::operator::wipam(&harness.daemon, &["driver", "reset", DRIVER]);
    wait(|| harness.driver(DRIVER)["condition"] == "serving");
}

#[test]
fn a_gateway_that_is_none_is_a_violation() {
    let harness = Harness::with(DRIVER, "");
    for gateway in ["10.66.9.1/24", "10.66.0.1/16", "10.66.0.1", "fd66::1/64", "\u{202e}", "::/0"] {
        let ask = || pool(&harness, &json!({"gateway": gateway}));
        violates(&harness, "is no address of pool 10.66.0.0/24 with its length", ask);
    }
    let v6 = json!({"AddressSpace": "zoo", "V6": true, "Options": {"gateway": "fd66:1::1/64"}});
    let ask = || harness.client(DRIVER).ask("RequestPool", &v6);
    violates(&harness, "is no address of pool fd66::/64", ask);
    // "There is none": Docker hears it, and does not ask.
    let (status, body) = pool(&harness, &json!({"gateway": "0.0.0.0/0"}));
    assert_eq!((status, &body["Data"]["com.docker.network.gateway"]), (200, &json!("0.0.0.0/0")));
}

#[test]
fn a_gateway_is_nobody_elses() {
    let harness = Harness::with(DRIVER, "");
    let (status, body) = pool(&harness, &json!({"gateway": "10.66.0.1/24"}));
    assert_eq!(status, 200, "{body}");
    let id = &body["PoolID"];
    let in_use = (403, "Address already in use");
    let refused = |address: &str, options: &Value| {
        let body = json!({"PoolID": id, "Address": address, "Options": options});
        let (status, body) = harness.client(DRIVER).ask("RequestAddress", &body);
        let words = body["Err"].as_str().unwrap_or_default().to_owned();
        assert_eq!((status, &*words), in_use, "{address} {options}");
    };
    refused("10.66.0.1", &Value::Null);
    violates(&harness, "10.66.0.1/24 is the gateway", || address(&harness, id, "", &Value::Null));
    // Docker releases it when the network is removed; that changes nothing.
    let release = json!({"PoolID": id, "Address": "10.66.0.1"});
    assert_eq!(harness.client(DRIVER).ask("ReleaseAddress", &release), (200, json!({})));
    refused("10.66.0.1", &Value::Null);
    // Its network may ask for it by name, as a manager's replay does, and once.
    let gateway = json!({"RequestAddressType": "com.docker.network.gateway"});
    let (status, body) = address(&harness, id, "10.66.0.1", &gateway);
    assert_eq!((status, &body["Address"]), (200, &json!("10.66.0.1/24")));
    refused("10.66.0.1", &gateway);
    assert_eq!(harness.client(DRIVER).ask("ReleaseAddress", &release), (200, json!({})));
    refused("10.66.0.1", &Value::Null);
    assert_eq!(harness.client(DRIVER).ask("ReleasePool", &json!({"PoolID": id})), (200, json!({})));
    let (status, body) = pool(&harness, &Value::Null);
    assert_eq!(status, 200, "{body}");
    assert_eq!(address(&harness, id, "10.66.0.1", &Value::Null).0, 200, "it is free");
}

#[test]
fn a_gateway_is_shown_and_remembered_and_held_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let file = ipam_tests::programs::file(DRIVER);
    let flags = ["--driver", "builtin:default", "--driver", file.to_str().unwrap()];
    let daemon = Daemon::start(directory.path(), &flags).ready();
    let client = |daemon: &Daemon| {
        // The log of the day before says "ready", too.
        wait(|| ipam_tests::http::Client::connect(&daemon.socket(DRIVER)).is_ok());
        ipam_tests::http::Client::connect(&daemon.socket(DRIVER)).unwrap()
    };
    let ask = |daemon: &Daemon, call: &str, body: Value| client(daemon).ask(call, &body);
    let pool = json!({"AddressSpace": "zoo", "V6": true, "Options": {"gateway": "fd66::7/64"}});
    let (status, body) = ask(&daemon, "RequestPool", pool);
    assert_eq!(status, 200, "{body}");
    let id = body["PoolID"].clone();
    let rows = |daemon: &Daemon, words: &[&str]| {
        let ran = ipam_tests::operator::wipam(daemon, words);
        assert_eq!(ran.code, 0, "{}", ran.said);
        ran.items
    };
    let shown = |daemon: &Daemon| {
        for words in [&["addresses"][..], &["addresses", "fd66::7"], &["history", "fd66::7"]] {
            let rows = rows(daemon, words);
            assert_eq!(rows.len(), 1, "{rows:?}");
            let row = &rows[0];
            let told = (&row["address"], &row["kind"], &row["comes_with_pool"]);
            assert_eq!(told, (&json!("fd66::7/64"), &json!("gateway"), &json!(true)), "{row}");
            assert_eq!(row["released_by"], Value::Null);
        }
        assert_eq!(rows(daemon, &["pools"])[0]["addresses"], 1);
        let drivers = rows(daemon, &["drivers"]);
        let driver = drivers.iter().find(|driver| driver["name"] == DRIVER).unwrap();
        assert_eq!(driver["addresses"], 1);
        let named = json!({"PoolID": id, "Address": "fd66::7"});
        assert_eq!(ask(daemon, "RequestAddress", named).0, 403);
    };
    shown(&daemon);
    let said = ipam_tests::operator::wipam(&daemon, &["release", "fd66::7"]);
    assert!(said.code == 1 && said.said.contains("release the pool instead"), "{}", said.said);

    assert!(daemon.terminate().unwrap().success());
    let daemon = Daemon::start(directory.path(), &flags).ready();
    shown(&daemon);
    assert_eq!(ask(&daemon, "ReleasePool", json!({"PoolID": id})).0, 200);
    assert_eq!(rows(&daemon, &["addresses"]), [Value::Null; 0]);
    let past = rows(&daemon, &["history", "fd66::7"]);
    assert_eq!((past.len(), &past[0]["released_by"]), (1, &json!("docker")));
    assert!(past[0]["digest"].is_string() && past[0]["granted_at"].is_string(), "{past:?}");
}

#[test]
fn no_automatic_pool_is_where_no_network_of_containers_may_be() {
    let harness = Harness::with(DRIVER, "");
    for chosen in
        ["127.1.0.0/16", "169.254.7.0/24", "224.0.0.0/24", "240.0.0.0/4", "0.1.0.0/16", "0.0.0.0/1"]
    {
        let ask = || pool(&harness, &json!({"pool": chosen}));
        violates(&harness, &format!("automatic pool {chosen} meets"), ask);
        // By name it is the caller's.
        let body = json!({"AddressSpace": "zoo", "Pool": chosen});
        let (status, body) = harness.client(DRIVER).ask("RequestPool", &body);
        // Docker's own words for a prefix at 0.0.0.0 are others.
        if !chosen.starts_with("0.0.") {
            assert_eq!((status, &body["Pool"]), (200, &json!(chosen)));
        }
    }
    for chosen in ["fe80::/64", "ff02::/64", "::/64"] {
        let body = json!({"AddressSpace": "zoo", "V6": true, "Options": {"pool": chosen}});
        let ask = || harness.client(DRIVER).ask("RequestPool", &body);
        violates(&harness, &format!("automatic pool {chosen} meets"), ask);
    }
    // 192.0.2.0/24 may be a link of this very machine.
    for chosen in ["198.51.100.0/24", "203.0.113.0/24", "0.0.0.0/0"] {
        let (status, body) = pool(&harness, &json!({"pool": chosen}));
        assert_eq!((status, &body["Pool"]), (200, &json!(chosen)));
    }
}

#[test]
fn a_grant_bounds_automatic_pools_from_the_next_hangup_on() {
    let harness = Harness::with(DRIVER, "pools = [\"10.66.2.0/23\"]");
    let any = json!({"AddressSpace": "zoo"});
    let got = |body: &Value| {
        let (status, body) = harness.client(DRIVER).ask("RequestPool", body);
        (status, body["Pool"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(got(&any), (200, "10.66.2.0/24".into()));
    let outside = json!({"AddressSpace": "zoo", "Options": {"pool": "192.0.2.0/24"}});
    // It chooses the same again: that is its own fault.
    assert_ne!(got(&outside).0, 200);
    assert_eq!(got(&json!({"AddressSpace": "zoo", "Pool": "192.0.2.0/24"})).0, 200);
    let file = ipam_tests::programs::file(DRIVER);
    harness.load(&file, "pools = [\"10.66.8.0/24\"]").unwrap();
    assert_eq!(got(&any), (200, "10.66.8.0/24".into()));
    let none = harness.client(DRIVER).ask("RequestPool", &any);
    assert_eq!((none.0, &none.1["Err"]), (503, &json!("No available pool")));
    assert!(
        harness.daemon.log().contains("no automatic pool within `pools`"),
        "{}",
        harness.daemon.log()
    );
    harness.load(&file, "").unwrap();
    assert_eq!(got(&any), (200, "10.66.0.0/24".into()));
}
