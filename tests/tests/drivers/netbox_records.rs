//! `netbox` and the ledger, compared both ways; what only NetBox has is given back.

use crate::{lab::Lab, netbox_server::NetBox};
use ipam_tests::operator::wipam;
use serde_json::{Value, json};

/// The driver of the README, for that NetBox.
fn lab(netbox: &NetBox) -> Lab {
    let url = format!("http://{}/api", netbox.address);
    Lab::new("netbox", &[("https://netbox.example/api", url.as_str())])
}

/// What `wipam check` says of NetBox, and its exit code.
fn checked(lab: &Lab) -> (i32, Value) {
    let ran = wipam(lab.daemon(), &["check", "netbox"]);
    let records = ran.items[0]["records"].clone();
    assert!(!records.is_null(), "{:?} {}", ran.items, ran.said);
    (ran.code, records)
}

/// What is in a list, as addresses or else prefixes.
fn found(report: &Value, list: &str) -> Vec<String> {
    let text = |it: &Value| {
        let parts = [&it["address"], &it["pool"], &it["prefix"]];
        parts.into_iter().find_map(Value::as_str).unwrap().to_owned()
    };
    report[list].as_array().unwrap().iter().map(text).collect()
}

#[test]
fn ledger_and_netbox_are_compared_both_ways() {
    let netbox = NetBox::new(&["10.64.0.0/16", "10.9.0.0/29"]);
    let first = lab(&netbox);
    // A pool of ours, and one that NetBox has: that is found, and not listed.
    let pool = first.pool("netbox", "");
    let found_pool = first.pool("netbox", "10.9.0.0/29");
    for _ in 0..3 {
        first.lease(&pool, "", &Value::Null).unwrap();
    }
    first.lease(&found_pool, "", &Value::Null).unwrap();
    let (code, records) = checked(&first);
    assert_eq!((code, &records["missing"], &records["leftover"]), (0, &json!([]), &json!([])));
    assert_eq!((&records["entries"], &records["records"]), (&json!(6), &json!(5)));

    // Somebody deletes one at NetBox.
    let deleted = |text: &str| {
        let mut state = netbox.state();
        state.addresses.retain(|_, object| object["address"] != text);
    };
    deleted("10.64.0.2/24");
    let (code, records) = checked(&first);
    assert_eq!((code, found(&records, "missing")), (1, vec!["10.64.0.2".to_owned()]));
    drop(first);

    // Another ledger with the same name there: all of it is left over.
    let second = lab(&netbox);
    let (code, records) = checked(&second);
    assert_eq!(code, 1);
    let mut left = found(&records, "leftover");
    left.sort();
    assert_eq!(left, ["10.64.0.0/24", "10.64.0.1", "10.64.0.3", "10.9.0.1"]);
    let run = ["reconcile", "netbox", "--grace", "0", "--dry-run"];
    let report = wipam(second.daemon(), &run).done().remove(0);
    assert_eq!((found(&report, "would_remove").len(), found(&report, "kept").len()), (0, 4));
    // Somebody writes an address into the pool.
    netbox.add("10.64.0.77/24");
    let run = ["reconcile", "netbox", "--grace", "30", "--exclusive"];
    let ran = wipam(second.daemon(), &run);
    assert_eq!(ran.code, 1, "{}", ran.said);
    let report = &ran.items[0];
    let mut removed = found(report, "removed");
    removed.sort();
    assert_eq!(removed, ["10.64.0.1", "10.64.0.3", "10.9.0.1"], "{report}");
    assert_eq!(report["refused"][0]["record"]["pool"], "10.64.0.0/24", "{report}");
    let addresses: Vec<_> = netbox.addresses().into_iter().map(|(address, _)| address).collect();
    assert_eq!(addresses, ["10.64.0.77/24"]);
    let log = second.daemon().log();
    assert!(!log.contains("0123456789abcdef"), "the token is in no text");
}
