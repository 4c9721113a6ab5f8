//! `netbox`: pools and addresses are NetBox's, whatever happens to either.

use crate::{
    lab::Lab,
    netbox_server::{Fault, NetBox, TOKEN},
};
use ipam_tests::daemon::wait;
use serde_json::{Value, json};

const TAG: &str = "wipam driver=netbox host=node-1";

/// The driver of the README, for that NetBox.
fn lab(netbox: &NetBox, more: &[(&str, &str)]) -> Lab {
    let url = format!("http://{}/api", netbox.address);
    let mut replaced = vec![("https://netbox.example/api", url.as_str())];
    replaced.extend(more);
    Lab::new("netbox", &replaced)
}

fn any(lab: &Lab, pool: &str) -> Result<String, u16> {
    lab.lease(pool, "", &Value::Null)
}

#[test]
fn what_is_granted_is_written_at_netbox_and_what_is_released_deleted() {
    let netbox = NetBox::new(&["10.64.0.0/16"]);
    let mut lab = lab(&netbox, &[]);
    let pool = lab.pool("netbox", "");
    assert_eq!(pool, "netbox/2/10.64.0.0/24");
    assert_eq!(netbox.described(), [("10.64.0.0/24".to_owned(), TAG.to_owned())]);
    netbox.add("10.64.0.2/24");

    let gateway = json!({"RequestAddressType": "com.docker.network.gateway"});
    assert_eq!(lab.lease(&pool, "", &gateway).unwrap(), "10.64.0.1");
    let web = json!({"com.docker.network.endpoint.name": "web"});
    assert_eq!(lab.lease(&pool, "", &web).unwrap(), "10.64.0.3", "a printer has 10.64.0.2");
    assert_eq!(lab.lease(&pool, "10.64.0.9", &Value::Null).unwrap(), "10.64.0.9");
    assert_eq!(lab.lease(&pool, "10.64.0.2", &web), Err(403));
    let of = |text: &str| format!("{TAG} pool=2{text}");
    let want = [
        ("10.64.0.2/24", "a printer".to_owned()),
        ("10.64.0.1/24", of(" gateway")),
        ("10.64.0.3/24", of(" for=web")),
        ("10.64.0.9/24", of("")),
    ];
    let want = want.map(|(address, text)| (address.to_owned(), text));
    assert_eq!(netbox.addresses(), want);

    // Nothing is told to a new instance, and nothing need be.
    lab.restart();
    assert_eq!(any(&lab, &pool).unwrap(), "10.64.0.4");
    for address in ["10.64.0.1", "10.64.0.3", "10.64.0.4", "10.64.0.9"] {
        lab.release(&pool, address);
    }
    assert_eq!(netbox.addresses(), &want[..1]);
    assert_eq!(lab.ask("ReleasePool", &json!({"PoolID": pool})), (200, json!({})));
    assert_eq!(netbox.described(), []);
    let log = lab.daemon().log();
    assert!(!log.contains(TOKEN) && !log.contains("ERROR"), "{log}");
}

#[test]
fn netbox_decides_what_is_there_and_what_is_left() {
    let netbox = NetBox::new(&["10.64.0.0/16", "10.9.0.0/29", "10.9.0.16/28"]);
    let mut lab = lab(&netbox, &[("size = 24", "size = 17")]);
    // What NetBox has is taken as it is, and stays.
    let known = lab.pool("netbox", "10.9.0.0/29");
    assert_eq!(known, "netbox/2/10.9.0.0/29");
    for last in 1..=6 {
        assert_eq!(any(&lab, &known).unwrap(), format!("10.9.0.{last}"));
    }
    assert_eq!(any(&lab, &known), Err(503));
    lab.release(&known, "10.9.0.5");
    assert_eq!(any(&lab, &known).unwrap(), "10.9.0.5");
    assert_eq!(lab.ask("ReleasePool", &json!({"PoolID": known})).0, 200);
    // On a busy machine the last leases are released after the answer.
    wait(|| netbox.addresses().is_empty());
    assert_eq!(netbox.state().prefixes.len(), 3);

    // What it does not have is made; three of them are a list of several pages.
    for third in 1..=3 {
        let prefix = format!("10.77.{third}.0/24");
        let pool = lab.pool("netbox", &prefix);
        assert!(pool.ends_with(&format!("/{prefix}")), "{pool}");
    }
    let overlaps = |lab: &Lab, pool: &str| {
        let status = lab.ask("RequestPool", &json!({"AddressSpace": "netbox", "Pool": pool})).0;
        assert_eq!(status, 403, "{pool}");
    };
    overlaps(&lab, "10.77.3.128/25");
    // Another instance does not remember them: the ledger does.
    lab.restart();
    overlaps(&lab, "10.77.3.128/25");
    overlaps(&lab, "10.77.0.0/16");
    // NetBox has what a lost answer left behind, on two pages.
    for third in 1..=3 {
        let prefix = format!("10.78.{third}.0/24");
        let text = "wipam driver=netbox host=node-1";
        netbox.prefix(json!({"prefix": prefix, "description": text}));
    }
    overlaps(&lab, "10.78.3.128/25");
    overlaps(&lab, "10.78.0.0/16");
    let asked = netbox.state().asked.clone();
    assert!(asked.iter().any(|line| line.contains("within_include=10.78.0.0%2F16")), "{asked:?}");
    assert!(asked.iter().any(|line| line.contains("&offset=2 ")), "a second page");
    assert_eq!(netbox.state().prefixes.len(), 9, "what was made to look is deleted");

    let automatic = json!({"AddressSpace": "netbox"});
    for _ in 0..2 {
        assert_eq!(lab.ask("RequestPool", &automatic).0, 200);
    }
    assert_eq!(lab.ask("RequestPool", &automatic).0, 400, "two /17s are all of a /16");
}

#[test]
fn whatever_netbox_does_is_refused_in_time_and_the_driver_lives_on() {
    let netbox = NetBox::new(&["10.64.0.0/16"]);
    let lab = lab(&netbox, &[("call.time = \"10s\"", "call.time = \"1s\"")]);
    let pool = lab.pool("netbox", "");
    for (fault, status) in [
        (Fault::Status(500), 503),
        (Fault::Status(429), 503),
        (Fault::Status(302), 500),
        (Fault::Garbage, 500),
        (Fault::Long, 503),
        (Fault::Close, 503),
        (Fault::Hang, 503),
    ] {
        netbox.state().fault = Some(fault);
        assert_eq!(any(&lab, &pool), Err(status), "{fault:?}");
        let request = json!({"AddressSpace": "netbox"});
        assert_eq!(lab.ask("RequestPool", &request).0, status, "{fault:?}");
        netbox.state().fault = None;
    }
    assert_eq!(any(&lab, &pool).unwrap(), "10.64.0.1");
    let log = lab.daemon().log();
    assert!(!log.contains("the driver failed"), "no instance was lost: {log}");

    // A release that NetBox does not hear of is told again.
    netbox.state().fault = Some(Fault::Status(502));
    lab.release(&pool, "10.64.0.1");
    wait(|| lab.daemon().log().contains("the driver failed"));
    assert_eq!(netbox.addresses().len(), 1);
    // As long as it cannot be told, nothing is granted.
    assert_eq!(any(&lab, &pool), Err(503));
    let before = {
        let mut state = netbox.state();
        state.fault = None;
        state.asked.len()
    };
    wait(|| any(&lab, &pool).is_ok());
    let deleted = "DELETE /api/ipam/ip-addresses/";
    assert!(netbox.state().asked[before..].iter().any(|line| line.starts_with(deleted)));
    assert_eq!(netbox.addresses().len(), 1, "the next one has it");
}

#[test]
fn a_wrong_token_is_refused_and_never_shown() {
    let netbox = NetBox::new(&["10.64.0.0/16"]);
    let wrong = "f".repeat(40);
    let lab = lab(&netbox, &[(TOKEN, &wrong)]);
    let (status, body) = lab.ask("RequestPool", &json!({"AddressSpace": "netbox"}));
    assert_eq!((status, &body["Err"]), (403, &json!("NetBox answers 403: Invalid v1 token")));
    assert!(!lab.daemon().log().contains(&wrong));
}
