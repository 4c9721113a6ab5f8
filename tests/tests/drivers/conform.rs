//! What the suite finds: `wipam test`, as whoever wrote such a driver runs it.

use crate::{
    netbox_server::{NetBox, TOKEN},
    phpipam_server::{self, PhpIpam},
};
use ipam_tests::{
    daemon::{binary, cache_home},
    programs,
};
use serde_json::{Value, json};
use std::process::Command;

/// The promises that a driver breaks, and that it keeps many.
#[track_caller]
fn check(driver: &str, arguments: &[&str], broken: &[&str]) {
    let mut command = Command::new(binary());
    command.args(["test", "--json"]).arg(programs::driver(driver)).args(arguments);
    let output = command.env("XDG_CACHE_HOME", cache_home()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |outcome: &str| -> Vec<&Value> {
        lines
            .iter()
            .filter(|line| line["outcome"] == outcome)
            .map(|line| &line["promise"])
            .collect()
    };
    assert_eq!(of("fail"), broken, "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(of("pass").len() > 50, "{text}");
}

#[test]
fn sticky_keeps_every_promise() {
    check("sticky", &["--store", "--operations", "20000"], &[]);
}

#[test]
fn cooldown_keeps_every_promise_and_what_rests_comes_back() {
    check("cooldown", &["--store", "--operations", "20000"], &[]);
}

#[test]
fn netbox_keeps_every_promise() {
    let netbox = NetBox::new(&["10.64.0.0/16", "fd64::/48"]);
    let url = format!("http://{}/api", netbox.address);
    let pools = json!([{"base": "10.64.0.0/16", "size": 24}, {"base": "fd64::/48", "size": 64}]);
    let config = json!({
        "url": url, "token": TOKEN, "host": "node-1", "default-address-pools": pools,
    });
    let arguments = ["--http", &url, "--config", &config.to_string(), "--operations", "300"];
    check("netbox", &arguments, &[]);
}

#[test]
fn phpipam_keeps_every_promise() {
    let phpipam = PhpIpam::new(&["10.64.0.0/16", "fd64::/48"]);
    let url = format!("http://{}/api/wipam", phpipam.address);
    let pools = json!([{"base": "10.64.0.0/16", "size": 24}, {"base": "fd64::/48", "size": 64}]);
    let config = json!({
        "url": url, "token": phpipam_server::TOKEN, "host": "node-1", "section": 1,
        "default-address-pools": pools,
    });
    let arguments = ["--http", &url, "--config", &config.to_string(), "--operations", "300"];
    check("phpipam", &arguments, &[]);
}
