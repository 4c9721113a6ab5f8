//! `netbox`: what a real NetBox 4.6.8 with two hosts showed, fault by fault of issue 16.

use crate::{lab::Lab, netbox_server::NetBox};
use ipam_tests::daemon::wait;
use serde_json::{Value, json};
use std::{
    sync::{Arc, Barrier},
    thread,
};

const HOST: &str = "host = \"node-1\"";

/// The driver of the README, for that NetBox, as that host, with more in its table.
fn lab(netbox: &NetBox, host: &str, more: &str) -> Lab {
    let url = format!("http://{}/api", netbox.address);
    let table = format!("host = \"{host}\"\n{more}");
    Lab::new("netbox", &[("https://netbox.example/api", &url), (HOST, &table)])
}

fn two(netbox: &NetBox) -> (Lab, Lab) {
    (lab(netbox, "node-1", ""), lab(netbox, "node-2", ""))
}

fn any(lab: &Lab, pool: &str) -> Result<String, u16> {
    lab.lease(pool, "", &Value::Null)
}

fn gateway() -> Value {
    json!({"RequestAddressType": "com.docker.network.gateway"})
}

fn endpoint() -> Value {
    json!({"com.docker.network.endpoint.macaddress": "02:42:0a:40:00:02"})
}

fn release_pool(lab: &Lab, pool: &str) {
    assert_eq!(lab.ask("ReleasePool", &json!({ "PoolID": pool })), (200, json!({})));
}

fn status(lab: &Lab, request: &Value) -> (u16, String) {
    let (status, body) = lab.ask("RequestPool", request);
    (status, body["Err"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_prefix_that_another_host_uses_outlives_the_host_that_made_it() {
    let netbox = NetBox::new(&[]);
    let (one, two) = two(&netbox);
    let pool = one.pool("netbox", "10.9.0.0/24");
    assert_eq!(two.pool("netbox", "10.9.0.0/24"), pool);
    let (mine, theirs) = (any(&one, &pool).unwrap(), any(&two, &pool).unwrap());
    assert_ne!(mine, theirs);
    release_pool(&one, &pool);
    wait(|| one.daemon().log().contains("handed over"));
    assert_eq!((netbox.addresses().len(), netbox.state().prefixes.len()), (1, 1));
    let heir = "wipam driver=netbox host=node-2".to_owned();
    assert_eq!(netbox.described(), [("10.9.0.0/24".to_owned(), heir)]);
    assert!(any(&two, &pool).is_ok());

    // Somebody deletes it all the same, and makes it again.
    netbox.state().prefixes.clear();
    assert_eq!(any(&two, &pool), Err(400));
    netbox.prefix(json!({"prefix": "10.9.0.0/24"}));
    assert!(any(&two, &pool).is_ok());
    release_pool(&two, &pool);
    wait(|| netbox.addresses().is_empty());
    assert_eq!(netbox.state().prefixes.len(), 1);
}

/// Whoever leaves hands the prefix and its gateway over to one that stays.
#[test]
fn the_last_of_three_hosts_deletes_the_prefix() {
    let netbox = NetBox::new(&[]);
    let labs = ["node-1", "node-2", "node-3"].map(|host| lab(&netbox, host, ""));
    let pools = labs.each_ref().map(|lab| lab.pool("netbox", "10.9.0.0/24"));
    for (lab, pool) in labs.iter().zip(&pools) {
        assert_eq!(lab.lease(pool, "10.9.0.1", &gateway()).unwrap(), "10.9.0.1");
    }
    let leased = [0, 1, 2].map(|host| any(&labs[host], &pools[host]).unwrap());
    // As Docker does: what containers have, then the gateway, and then the pool.
    for host in 0..3 {
        labs[host].release(&pools[host], &leased[host]);
        labs[host].release(&pools[host], "10.9.0.1");
        release_pool(&labs[host], &pools[host]);
        wait(|| match netbox.described().first() {
            Some((_, text)) => host < 2 && !text.ends_with(&format!("node-{}", host + 1)),
            None => host == 2,
        });
    }
    assert_eq!((netbox.addresses().len(), netbox.state().prefixes.len()), (0, 0));
}

#[test]
fn addresses_that_were_deleted_at_netbox_cost_nothing() {
    let netbox = NetBox::new(&["10.64.0.0/16"]);
    let lab = lab(&netbox, "node-1", "");
    let pool = lab.pool("netbox", "");
    for last in 1..=8 {
        assert_eq!(any(&lab, &pool).unwrap(), format!("10.64.0.{last}"));
    }
    netbox.state().addresses.clear();
    assert_eq!(any(&lab, &pool).unwrap(), "10.64.0.9");
    assert_eq!(netbox.addresses().len(), 9, "what is leased is there again");
    let log = lab.daemon().log();
    assert!(log.contains("10.64.0.8") && log.contains("somebody deleted it"), "{log}");
    assert!(!log.contains("the driver failed"), "{log}");
}

#[test]
fn two_hosts_use_the_gateway_that_netbox_has() {
    let netbox = NetBox::new(&["10.9.0.0/24"]);
    netbox.add("10.9.0.1/24");
    netbox.add("10.9.0.254/24");
    let (one, two) = two(&netbox);
    let pool = one.pool("netbox", "10.9.0.0/24");
    assert_eq!(two.pool("netbox", "10.9.0.0/24"), pool);
    for lab in [&one, &two] {
        assert_eq!(lab.lease(&pool, "10.9.0.1", &gateway()).unwrap(), "10.9.0.1");
        assert_eq!(lab.lease(&pool, "10.9.0.254", &endpoint()), Err(403), "a container's");
        assert_eq!(lab.lease(&pool, "10.9.0.254", &Value::Null).unwrap(), "10.9.0.254");
    }
    let (mine, theirs) = (any(&one, &pool).unwrap(), any(&two, &pool).unwrap());
    assert_ne!(mine, theirs);
    for lab in [&one, &two] {
        release_pool(lab, &pool);
    }
    wait(|| netbox.addresses().len() == 2);
    assert_eq!(netbox.state().prefixes.len(), 1);
}

#[test]
fn the_gateway_that_netbox_has_is_offered_by_its_tag() {
    let netbox = NetBox::new(&["10.9.0.0/24"]);
    netbox.address(json!({"address": "10.9.0.77/24", "tags": [{"slug": "router"}]}));
    let lab = lab(&netbox, "node-1", "gateway-tag = \"router\"");
    let request = json!({"AddressSpace": "netbox", "Pool": "10.9.0.0/24"});
    let (_, answer) = lab.ask("RequestPool", &request);
    assert_eq!(answer["Data"]["com.docker.network.gateway"], "10.9.0.77/24");
    let pool = answer["PoolID"].as_str().unwrap();
    assert_eq!(any(&lab, pool).unwrap(), "10.9.0.1");
}

#[test]
fn the_ends_of_a_prefix_are_not_leased_though_netbox_offers_them() {
    let netbox = NetBox::new(&[]);
    netbox.prefix(json!({"prefix": "10.9.0.0/29", "is_pool": true}));
    let lab = lab(&netbox, "node-1", "");
    let pool = lab.pool("netbox", "10.9.0.0/29");
    for last in 1..=6 {
        assert_eq!(any(&lab, &pool).unwrap(), format!("10.9.0.{last}"));
    }
    assert_eq!(any(&lab, &pool), Err(503));
    release_pool(&lab, &pool);
    wait(|| netbox.addresses().is_empty());
}

#[test]
fn what_an_answer_that_was_lost_left_behind_is_taken_over() {
    let netbox = NetBox::new(&["10.9.0.0/24"]);
    let mut lab = lab(&netbox, "node-1", "");
    let pool = lab.pool("netbox", "10.9.0.0/24");
    assert_eq!(any(&lab, &pool).unwrap(), "10.9.0.1");
    let text = "wipam driver=netbox host=node-1 pool=1 for=lost";
    for last in [5, 9] {
        netbox.address(json!({"address": format!("10.9.0.{last}/24"), "description": text}));
    }
    netbox
        .prefix(json!({"prefix": "10.8.0.0/24", "description": "wipam driver=netbox host=node-1"}));
    // By its name at once; any address after a crash.
    assert_eq!(lab.lease(&pool, "10.9.0.5", &endpoint()).unwrap(), "10.9.0.5");
    lab.restart();
    assert_eq!(any(&lab, &pool).unwrap(), "10.9.0.9");
    assert_eq!(any(&lab, &pool).unwrap(), "10.9.0.2");
    let left = lab.pool("netbox", "10.8.0.0/24");
    release_pool(&lab, &left);
    wait(|| netbox.described().is_empty());
    let log = lab.daemon().log();
    assert!(!log.contains("somebody deleted it"), "{log}");
}

#[test]
fn a_release_that_deletes_nothing_says_so() {
    let netbox = NetBox::new(&["10.9.0.0/24"]);
    let lab = lab(&netbox, "node-1", "");
    let pool = lab.pool("netbox", "10.9.0.0/24");
    for _ in 0..2 {
        any(&lab, &pool).unwrap();
    }
    {
        let mut state = netbox.state();
        let first = *state.addresses.keys().next().unwrap();
        state.addresses.get_mut(&first).unwrap()["description"] = json!("Anna's web");
        let second = first + 1;
        state.addresses.remove(&second);
    }
    lab.release(&pool, "10.9.0.1");
    lab.release(&pool, "10.9.0.2");
    let log = lab.daemon().log();
    assert!(log.contains("10.9.0.1 was released, and stays"), "{log}");
    assert!(log.contains("/ipam/ip-addresses/2/"), "{log}");
    assert!(log.contains("10.9.0.2 was released, and NetBox does not have it"), "{log}");
    assert_eq!(netbox.addresses().len(), 1);
}

#[test]
fn two_hosts_that_make_the_same_prefix_share_it() {
    let netbox = NetBox::new(&[]);
    netbox.state().allows_duplicates = true;
    netbox.state().meeting = Some(Arc::new(Barrier::new(2)));
    let (one, two) = two(&netbox);
    for third in 1..=4 {
        let prefix = format!("10.9.{third}.0/24");
        let (mine, theirs) = thread::scope(|scope| {
            let mine = scope.spawn(|| one.pool("netbox", &prefix));
            (two.pool("netbox", &prefix), mine.join().unwrap())
        });
        assert_eq!(mine, theirs);
        assert_eq!(netbox.state().prefixes.len(), third);
        let state = netbox.state();
        let made = state.asked.iter().filter(|line| line.starts_with("POST /api/ipam/prefixes/ "));
        assert_eq!(made.count(), 2 * third, "both made it");
    }
}

#[test]
fn what_netbox_says_a_prefix_is_not_for_is_refused() {
    let netbox = NetBox::new(&["10.9.0.0/24", "10.9.0.128/25"]);
    let mut lab = lab(&netbox, "node-1", "");
    for (third, word) in [(1, "deprecated"), (2, "reserved"), (3, "container")] {
        let prefix = format!("10.9.{third}.0/24");
        netbox.prefix(json!({"prefix": prefix, "status": word}));
        let (status, text) = status(&lab, &json!({"AddressSpace": "netbox", "Pool": prefix}));
        assert!(status == 403 && text.contains(word), "{status} {text}");
    }
    lab.pool("netbox", "10.9.0.0/24");
    // One that NetBox has, and one that it does not; also after a restart, which the driver
    // remembers nothing over.
    for _ in 0..2 {
        for overlap in ["10.9.0.128/25", "10.9.0.0/26"] {
            let (status, text) = status(&lab, &json!({"AddressSpace": "netbox", "Pool": overlap}));
            assert!(status == 403 && text.contains("pool of this host"), "{status} {text}");
        }
        lab.restart();
    }
    let unknown = json!({"AddressSpace": "netbox", "Options": {"tennant": "a"}});
    let (status, text) = status(&lab, &unknown);
    assert!(status == 400 && text.contains("tennant"), "{status} {text}");
    let log = lab.daemon().log();
    assert!(log.contains("NetBox 4.6.8"), "{log}");
}

#[test]
fn pools_are_cut_from_containers_of_a_role_and_not_from_networks() {
    let netbox = NetBox::new(&[]);
    let docker = json!({"slug": "docker"});
    netbox.prefix(json!({"prefix": "10.72.5.0/24", "role": docker}));
    netbox.prefix(json!({"prefix": "10.73.0.0/16", "role": docker, "status": "container"}));
    netbox.add("10.72.5.9/24");
    let base = "base = \"10.64.0.0/16\"";
    let role = |more: &str| {
        let url = format!("http://{}/api", netbox.address);
        let role = format!("role = \"docker\"{more}");
        Lab::new("netbox", &[("https://netbox.example/api", &url), (base, &role)])
    };
    assert!(role("").pool("netbox", "").ends_with("/10.73.0.0/24"));
    // Unless the operator says so.
    assert!(role(", status = \"active\"").pool("netbox", "").ends_with("/10.72.5.0/24"));
}

/// The least token: it views all prefixes and addresses, and adds and deletes those of a
/// tenant.
#[test]
fn a_token_for_one_tenant_is_enough() {
    let netbox = NetBox::new(&["10.64.0.0/16", "10.9.0.0/24"]);
    netbox.state().tenant = Some("team-a".to_owned());
    let lab = lab(&netbox, "node-1", "made = { tenant = \"team-a\", tags = [\"docker\"] }");
    let (found, made) = (lab.pool("netbox", "10.9.0.0/24"), lab.pool("netbox", ""));
    for pool in [&found, &made] {
        let first = any(&lab, pool).unwrap();
        let tenant = netbox.state().addresses.values().last().unwrap()["tenant"].clone();
        assert_eq!(tenant["slug"], "team-a");
        any(&lab, pool).unwrap();
        lab.release(pool, &first);
        release_pool(&lab, pool);
    }
    wait(|| netbox.addresses().is_empty());
    assert_eq!(netbox.state().prefixes.len(), 2);
    // It may change nothing: a prefix that others use keeps its name.
    let used = lab.pool("netbox", "");
    netbox.add("10.64.0.77/24");
    release_pool(&lab, &used);
    wait(|| lab.daemon().log().contains("still has this host's name: NetBox answers 403"));
    // Without the tenant nothing is made.
    netbox.state().tenant = Some("team-b".to_owned());
    let (status, text) = status(&lab, &json!({"AddressSpace": "netbox"}));
    assert!(status == 403 && text.contains("permission"), "{status} {text}");
}

#[test]
fn an_ip_range_of_netbox_is_a_sub_pool() {
    let netbox = NetBox::new(&["10.9.0.0/24"]);
    netbox.range(json!({"start_address": "10.9.0.64/24", "end_address": "10.9.0.65/24"}));
    let lab = lab(&netbox, "node-1", "");
    let request =
        json!({"AddressSpace": "netbox", "Pool": "10.9.0.0/24", "SubPool": "10.9.0.64/28"});
    let (_, answer) = lab.ask("RequestPool", &request);
    let pool = answer["PoolID"].as_str().unwrap().to_owned();
    assert_eq!(any(&lab, &pool).unwrap(), "10.9.0.64");
    assert_eq!(any(&lab, &pool).unwrap(), "10.9.0.65");
    assert_eq!(any(&lab, &pool), Err(503));
    netbox.state().ranges.clear();
    assert_eq!(any(&lab, &pool), Err(503));
    assert!(lab.daemon().log().contains("NetBox has no IP range 2 any more"));
    let request =
        json!({"AddressSpace": "netbox", "Pool": "10.9.0.0/24", "SubPool": "10.9.0.32/28"});
    let (status, text) = status(&lab, &request);
    assert!(status == 400 && text.contains("IP ranges"), "{status} {text}");
}
