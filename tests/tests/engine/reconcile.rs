//! What this engine has forgotten is found and freed; what it uses is not.
//!
//! The leaks are Docker's own: it never releases the IPv4 address of a
//! container whose IPv6 address it could not get, and a pool that nobody
//! released is as good as one whose release was lost.

use super::{Engine, address, create, inspect, refused, run};
use ipam_tests::http::Client;
use serde_json::{Value, json};
use std::path::Path;

/// Runs `wipam reconcile docker` on the engine's socket.
fn reconcile(engine: &Engine, directory: &Path, words: &[&str]) -> Value {
    let socket = directory.join("docker.sock");
    let head = ["reconcile", "docker", "--socket", socket.to_str().unwrap()];
    engine.operate(&[&head, words].concat()).done().remove(0)
}

/// What is in a list of the report, as addresses or else prefixes.
fn found(report: &Value, list: &str) -> Vec<String> {
    let found = report[list].as_array().unwrap().iter();
    let text = |it: &Value| it["address"].as_str().or(it["prefix"].as_str()).unwrap().to_owned();
    found.map(text).collect()
}

/// Whose an address is, is told by engines that were asked for MAC addresses.
pub(crate) fn owners(engine: &Engine) {
    let mac = inspect(engine, "next", "{{(index .NetworkSettings.Networks \"full\").MacAddress}}");
    let next = address(engine, "next", "full");
    let shown = engine.operate(&["addresses", &next]).done();
    assert_eq!(shown[0]["owner"], mac, "{shown:?}");
    let history = engine.operate(&["history", &next]).done();
    assert!(history.len() > 1, "others had it before: {history:?}");
    assert_eq!(history.last().unwrap()["owner"], mac);
    assert_eq!(history[0]["released_by"], "docker");
}

/// Needs the networks and containers of the test before it: `full` with
/// `named` and `next`.
pub(crate) fn leaks(engine: &Engine, directory: &Path) {
    create(engine, &["--ipv6", "--subnet", "10.54.0.0/24", "--subnet", "fd54::/126", "leaky"]);
    run(engine, "first", &["--network", "leaky"]);
    run(engine, "second", &["--network", "leaky"]);
    let third = ["run", "-d", "--name", "third", "--network", "leaky", "bb:1", "true"];
    let error = engine.docker(&third).expect_err("there is no third IPv6 address");
    assert!(error.contains("no available addresses on this pool"), "{error}");
    engine.docker(&["rm", "-f", "third"]).unwrap();

    // A network whose release never came.
    let mut plugin = Client::connect(&directory.join("run/plugins/wipam.sock")).unwrap();
    let mut lost = |call: &str, body: Value| {
        let answer = plugin.post(&format!("/IpamDriver.{call}"), &body.to_string()).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    lost("RequestPool", json!({"AddressSpace": "LocalDefault", "Pool": "10.55.0.0/24"}));
    let pool_id = "LocalDefault/10.55.0.0/24";
    lost("RequestAddress", json!({"PoolID": pool_id, "Address": "10.55.0.1"}));

    let by_hand = |number: u8| {
        let address = format!("10.54.0.{number}");
        let name = format!("hand{number}");
        ["run", "--rm", "--name", &name, "--network", "leaky", "--ip", &address, "bb:1", "true"]
            .map(str::to_owned)
    };
    let asks = |number: u8| engine.docker(&by_hand(number).each_ref().map(String::as_str));
    assert!(asks(4).unwrap_err().contains("Address already in use"), "it is leaked");

    let seen = reconcile(engine, directory, &["--dry-run", "--grace", "0"]);
    assert_eq!(found(&seen, "would_free"), ["10.54.0.4"], "{seen}");
    assert_eq!(found(&seen, "pools_unknown"), ["10.55.0.0/24"], "{seen}");
    assert!(asks(4).unwrap_err().contains("Address already in use"), "nothing was changed");

    let done = reconcile(engine, directory, &["--exclusive", "--grace", "30"]);
    assert_eq!(found(&done, "freed"), ["10.54.0.4"], "{done}");
    assert_eq!(found(&done, "pools_freed"), ["10.55.0.0/24"], "{done}");
    assert_eq!(done["left"], json!([]));
    let history = engine.operate(&["history", "10.54.0.4"]).done();
    assert_eq!(history.last().unwrap()["released_by"], "reconciler", "{history:?}");
    assert_eq!(engine.operate(&["check", "default"]).code, 0);

    engine.docker(&["stop", "-t", "0", "second"]).unwrap();
    engine.docker(&by_hand(4).each_ref().map(String::as_str)).expect("it is free again");
    create(engine, &["--subnet", "10.55.0.0/24", "lost"]);
    refused(engine, &["--subnet", "10.54.0.0/24", "again"], "overlaps");
    engine.docker(&["rm", "-f", "first", "second"]).unwrap();
    engine.docker(&["network", "rm", "leaky", "lost"]).unwrap();
}
