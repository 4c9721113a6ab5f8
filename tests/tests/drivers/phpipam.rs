//! `phpipam`: pools and addresses are phpIPAM's, and are given back to it.

use crate::{
    lab::Lab,
    phpipam_server::{PhpIpam, TOKEN},
};
use ipam_tests::{daemon::wait, operator::wipam};
use serde_json::{Value, json};
use std::{collections::BTreeSet, thread};

const TAG: &str = "wipam driver=phpipam host=node-1";

/// The driver of the README, for that phpIPAM, as that host.
fn lab(phpipam: &PhpIpam, host: &str) -> Lab {
    let url = format!("http://{}/api/wipam", phpipam.address);
    let host = format!("host = \"{host}\"");
    Lab::new(
        "phpipam",
        &[("https://phpipam.example/api/wipam", &url), ("host = \"node-1\"", &host)],
    )
}

fn two(phpipam: &PhpIpam) -> [Lab; 2] {
    ["node-1", "node-2"].map(|host| lab(phpipam, host))
}

fn any(lab: &Lab, pool: &str) -> Result<String, u16> {
    lab.lease(pool, "", &Value::Null)
}

fn gateway() -> Value {
    json!({"RequestAddressType": "com.docker.network.gateway"})
}

fn release_pool(lab: &Lab, pool: &str) {
    assert_eq!(lab.ask("ReleasePool", &json!({ "PoolID": pool })), (200, json!({})));
}

#[test]
fn what_is_granted_is_written_at_phpipam_and_what_is_released_deleted() {
    let phpipam = PhpIpam::new(&["10.64.0.0/16", "10.9.0.0/29"]);
    let mut lab = lab(&phpipam, "node-1");
    let pool = lab.pool("phpipam", "");
    assert_eq!(pool, "phpipam/3/10.64.0.0/24");
    assert_eq!(phpipam.subnets()[2], ("10.64.0.0/24".to_owned(), TAG.to_owned()));
    phpipam.add(3, "10.64.0.2", "a printer");

    let web = json!({"com.docker.network.endpoint.name": "web"});
    assert_eq!(lab.lease(&pool, "", &gateway()).unwrap(), "10.64.0.1");
    assert_eq!(lab.lease(&pool, "", &web).unwrap(), "10.64.0.3", "a printer has 10.64.0.2");
    assert_eq!(lab.lease(&pool, "10.64.0.9", &Value::Null).unwrap(), "10.64.0.9");
    assert_eq!(lab.lease(&pool, "10.64.0.2", &web), Err(403));
    let ours = |ip: &str, more: &str| (ip.to_owned(), format!("{TAG} pool=3{more}"));
    let printer = ("10.64.0.2".to_owned(), "a printer".to_owned());
    let mut want = vec![printer.clone(), ours("10.64.0.1", " gateway")];
    want.extend([ours("10.64.0.3", ""), ours("10.64.0.9", "")]);
    assert_eq!(phpipam.owners(), want);
    assert!(phpipam.state().addresses.values().any(|it| it.description == "for=web"));

    // What is leased is not left over; what a crash left behind is.
    phpipam.add(3, "10.64.0.77", &format!("{TAG} pool=3"));
    lab.restart();
    let next: Vec<String> = (0..2).map(|_| any(&lab, &pool).unwrap()).collect();
    assert_eq!(next, ["10.64.0.77", "10.64.0.4"]);
    for address in ["10.64.0.1", "10.64.0.3", "10.64.0.4", "10.64.0.9", "10.64.0.77"] {
        lab.release(&pool, address);
    }
    assert_eq!(phpipam.owners(), [printer]);
    // A printer is in it.
    release_pool(&lab, &pool);
    wait(|| phpipam.subnets()[2] == ("10.64.0.0/24".to_owned(), String::new()));

    // What phpIPAM has stays, and is used until it is full.
    let known = lab.pool("phpipam", "10.9.0.0/29");
    assert_eq!(known, "phpipam/2/10.9.0.0/29");
    phpipam.add(2, "10.9.0.6", "a router");
    assert_eq!(lab.lease(&known, "10.9.0.6", &gateway()).unwrap(), "10.9.0.6");
    for last in 1..=5 {
        assert_eq!(lab.lease(&known, "", &web).unwrap(), format!("10.9.0.{last}"));
    }
    assert_eq!(lab.lease(&known, "", &web), Err(503));
    release_pool(&lab, &known);
    wait(|| phpipam.owners().len() == 2);
    assert!(phpipam.state().subnets.contains_key(&2));

    // What it does not have is made, and deleted.
    let other = lab.pool("phpipam", "10.8.0.0/24");
    lab.lease(&other, "", &web).unwrap();
    lab.release(&other, "10.8.0.1");
    release_pool(&lab, &other);
    wait(|| !phpipam.subnets().iter().any(|(net, _)| net == "10.8.0.0/24"));
    let log = lab.daemon().log();
    assert!(!log.contains(TOKEN) && !log.contains("ERROR"), "{log}");
}

#[test]
fn two_hosts_at_once_get_no_address_twice() {
    let phpipam = PhpIpam::new(&["10.9.0.0/24"]);
    phpipam.state().subnets.values_mut().for_each(|subnet| subnet.is_pool = true);
    let labs = two(&phpipam);
    let pools = labs.each_ref().map(|lab| lab.pool("phpipam", "10.9.0.0/24"));
    assert_eq!(pools[0], pools[1]);
    let got: Vec<String> = thread::scope(|scope| {
        let runs = labs.iter().flat_map(|lab| (0..3).map(move |_| lab));
        let runs = runs.map(|lab| {
            let pool = &pools[0];
            scope.spawn(move || (0..7).map(|_| any(lab, pool).unwrap()).collect::<Vec<_>>())
        });
        let runs: Vec<_> = runs.collect();
        runs.into_iter().flat_map(|run| run.join().unwrap()).collect()
    });
    let distinct: BTreeSet<&String> = got.iter().collect();
    assert_eq!((got.len(), distinct.len()), (42, 42), "{got:?}");
    assert!(!distinct.contains(&"10.9.0.0".to_owned()), "which phpIPAM offers");
    for (lab, pool) in labs.iter().zip(&pools) {
        release_pool(lab, pool);
    }
    wait(|| phpipam.owners().is_empty());
    assert_eq!(phpipam.subnets().len(), 1);
}

#[test]
fn two_hosts_share_a_subnet_and_its_gateway_and_the_last_deletes_it() {
    let phpipam = PhpIpam::new(&[]);
    let labs = two(&phpipam);
    let pools = labs.each_ref().map(|lab| lab.pool("phpipam", "10.9.0.0/24"));
    for (lab, pool) in labs.iter().zip(&pools) {
        assert_eq!(lab.lease(pool, "10.9.0.1", &gateway()).unwrap(), "10.9.0.1");
    }
    let leased = [0, 1].map(|host| any(&labs[host], &pools[host]).unwrap());
    for host in 0..2 {
        labs[host].release(&pools[host], &leased[host]);
        labs[host].release(&pools[host], "10.9.0.1");
        release_pool(&labs[host], &pools[host]);
        wait(|| match phpipam.subnets().first() {
            Some((_, text)) => host == 0 && text.ends_with("host=node-2"),
            None => host == 1,
        });
    }
    assert_eq!(phpipam.owners(), []);
}

#[test]
fn what_a_lost_answer_left_is_taken_over_by_the_next_request() {
    let phpipam = PhpIpam::new(&[]);
    phpipam.state().lost = 1;
    let lab = lab(&phpipam, "node-1");
    // The subnet is there, and its answer is not.
    let request = json!({"AddressSpace": "phpipam", "Pool": "10.9.0.0/24"});
    assert_eq!(lab.ask("RequestPool", &request).0, 503);
    assert_eq!(phpipam.subnets().len(), 1);
    let pool = lab.pool("phpipam", "10.9.0.0/24");
    assert_eq!(phpipam.subnets().len(), 1);
    for _ in 0..4 {
        phpipam.state().lost = 1;
        assert!(any(&lab, &pool).is_err());
        let left = phpipam.owners().last().unwrap().0.clone();
        assert_eq!(any(&lab, &pool).unwrap(), left);
    }
    phpipam.state().lost = 1;
    let nine = |lab: &Lab| lab.lease(&pool, "10.9.0.9", &Value::Null);
    assert!(nine(&lab).is_err());
    assert_eq!(nine(&lab).unwrap(), "10.9.0.9");
    assert_eq!(phpipam.owners().len(), 5);
    // Of a release, too: it is told again.
    phpipam.state().lost = 1;
    lab.ask("ReleaseAddress", &json!({"PoolID": pool, "Address": "10.9.0.9"}));
    wait(|| phpipam.owners().len() == 4);
    release_pool(&lab, &pool);
    wait(|| phpipam.subnets().is_empty());
}

/// What `wipam check` finds in one of its two lists, as addresses or else prefixes.
fn checked(lab: &Lab, list: &str) -> Vec<String> {
    let ran = wipam(lab.daemon(), &["check", "phpipam"]);
    let text = |it: &Value| {
        let parts = [&it["address"], &it["pool"], &it["prefix"]];
        parts.into_iter().find_map(Value::as_str).unwrap().to_owned()
    };
    let records = &ran.items[0]["records"];
    let list = records[list].as_array().unwrap_or_else(|| panic!("{:?} {}", ran.items, ran.said));
    let mut found: Vec<String> = list.iter().map(text).collect();
    found.sort();
    found
}

#[test]
fn ledger_and_phpipam_are_compared_and_what_only_phpipam_has_is_given_back() {
    let phpipam = PhpIpam::new(&["10.64.0.0/16"]);
    let first = lab(&phpipam, "node-1");
    let pool = first.pool("phpipam", "");
    for _ in 0..3 {
        any(&first, &pool).unwrap();
    }
    assert_eq!(checked(&first, "missing"), Vec::<String>::new());
    assert_eq!(checked(&first, "leftover"), Vec::<String>::new());
    phpipam.state().addresses.retain(|_, it| it.ip.to_string() != "10.64.0.2");
    assert_eq!(checked(&first, "missing"), ["10.64.0.2"]);
    drop(first);

    // Another ledger with the same name there: all of it is left over.
    let second = lab(&phpipam, "node-1");
    assert_eq!(checked(&second, "leftover"), ["10.64.0.0/24", "10.64.0.1", "10.64.0.3"]);
    phpipam.add(2, "10.64.0.77", "a printer");
    let run = ["reconcile", "phpipam", "--grace", "30", "--exclusive"];
    let ran = wipam(second.daemon(), &run);
    // The subnet has a printer in it.
    assert_eq!(ran.code, 1, "{}", ran.said);
    let printer = ("10.64.0.77".to_owned(), "a printer".to_owned());
    assert_eq!(phpipam.owners(), std::slice::from_ref(&printer));
    phpipam.state().addresses.clear();
    let ran = wipam(second.daemon(), &run);
    assert_eq!((ran.code, phpipam.subnets().len()), (0, 1), "{}", ran.said);
}

#[test]
fn a_wrong_token_and_a_phpipam_that_is_away_are_said_so() {
    let phpipam = PhpIpam::new(&["10.64.0.0/16"]);
    let url = format!("http://{}/api/wipam", phpipam.address);
    let wrong = "f".repeat(32);
    let wrong =
        Lab::new("phpipam", &[("https://phpipam.example/api/wipam", &url), (TOKEN, &wrong)]);
    let request = json!({"AddressSpace": "phpipam"});
    let (status, body) = wrong.ask("RequestPool", &request);
    assert_eq!(status, 403, "{body}");
    assert!(body["Err"].as_str().unwrap().contains("phpIPAM answers 401"), "{body}");
    let log = wrong.daemon().log();
    assert!(log.contains("phpIPAM answers 401") && !log.contains("ffffffff"), "{log}");
    let away = [("https://phpipam.example/api/wipam", "http://127.0.0.1:1/api/wipam")];
    let away = Lab::new("phpipam", &away);
    let (status, body) = away.ask("RequestPool", &request);
    assert_eq!(status, 503, "{body}");
    assert!(body["Err"].as_str().unwrap().contains("phpIPAM does not answer"), "{body}");
}
