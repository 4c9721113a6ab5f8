//! `netbox` and `kill -9`: what NetBox had made or not yet deleted by then is no loss.

use crate::{lab::Lab, netbox_server::NetBox};
use ipam_tests::{daemon::wait, http::Client, operator::wipam};
use serde_json::{Value, json};
use std::{collections::BTreeSet, path::Path, sync::Mutex, thread, time::Duration};

const KILLS: usize = 4;
const CLIENTS: usize = 8;
/// Pools that are made by their name meanwhile.
const POOLS: u32 = 200;

fn lab(netbox: &NetBox) -> Lab {
    netbox.state().page_max = 1000;
    let url = format!("http://{}/api", netbox.address);
    Lab::new("netbox", &[("https://netbox.example/api", url.as_str())])
}

/// What only NetBox has: addresses, or prefixes.
fn left_over(lab: &Lab) -> BTreeSet<String> {
    let ran = wipam(lab.daemon(), &["check", "netbox"]);
    let records = &ran.items[0]["records"];
    assert_eq!(records["missing"], json!([]), "what is granted is at NetBox: {}", ran.said);
    let left = records["leftover"].as_array().unwrap().iter();
    let text = |it: &Value| {
        let found = [&it["address"], &it["pool"]].into_iter().find_map(Value::as_str);
        found.unwrap().to_owned()
    };
    left.map(text).collect()
}

/// Asks until nobody answers any more.
fn load(socket: &Path, call: &str, mut body: impl FnMut() -> Value, granted: &Mutex<Vec<String>>) {
    let Ok(mut client) = Client::connect(socket) else { return };
    while let Ok(answer) = client.post(&format!("/IpamDriver.{call}"), &body().to_string()) {
        let text = [&answer.body["Address"], &answer.body["Pool"]];
        let text = text.into_iter().find_map(Value::as_str).map(str::to_owned);
        granted.lock().unwrap().extend(text);
    }
}

#[test]
fn what_kill_9_under_load_leaves_at_netbox_the_next_requests_take_over() {
    let netbox = NetBox::new(&["10.9.0.0/20"]);
    let mut lab = lab(&netbox);
    let pool = lab.pool("netbox", "10.9.0.0/20");
    // So that most kills come between NetBox's deed and the ledger's.
    netbox.state().write_time = Duration::from_millis(50);
    let granted = Mutex::new(Vec::new());
    let mut third = 0;
    for kill in 1..=KILLS {
        let socket = lab.daemon().socket("netbox");
        let any = json!({"PoolID": pool, "Options": {}});
        let next_pool = || {
            third += 1;
            json!({"AddressSpace": "netbox", "Pool": format!("10.77.{}.0/24", third % POOLS)})
        };
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| load(&socket, "RequestAddress", || any.clone(), &granted));
            }
            scope.spawn(|| load(&socket, "RequestPool", next_pool, &granted));
            // NetBox has made what nobody was told of yet.
            wait(|| {
                let answered = granted.lock().unwrap().len();
                let made = netbox.addresses().len() + netbox.state().prefixes.len();
                answered >= kill * 6 && made > answered + 1
            });
            lab.restart();
        });
    }
    netbox.state().write_time = Duration::ZERO;
    let granted = granted.into_inner().unwrap();
    let distinct: BTreeSet<_> = granted.iter().collect();
    assert!(distinct.len() == granted.len(), "{granted:?}");

    let left = left_over(&lab);
    println!("{} granted, left over by {KILLS} kills: {left:?}", granted.len());
    let (pools, addresses): (Vec<_>, Vec<_>) = left.into_iter().partition(|it| it.contains('/'));
    for prefix in &pools {
        lab.pool("netbox", prefix);
    }
    let taken = addresses.iter().map(|_| lab.lease(&pool, "", &Value::Null).unwrap());
    assert_eq!(taken.collect::<BTreeSet<_>>(), addresses.into_iter().collect());
    assert_eq!(left_over(&lab), BTreeSet::new());
}

#[test]
fn kill_9_while_a_pool_is_taken_back_loses_no_release() {
    let netbox = NetBox::new(&[]);
    let mut lab = lab(&netbox);
    let pool = lab.pool("netbox", "10.9.0.0/24");
    for _ in 0..12 {
        lab.lease(&pool, "", &Value::Null).unwrap();
    }
    {
        let mut state = netbox.state();
        state.write_time = Duration::from_millis(60);
        state.hangs_at = Some("DELETE /api/ipam/ip-addresses/ ");
    }
    assert_eq!(lab.ask("ReleasePool", &json!({ "PoolID": pool })), (200, json!({})));
    let together = |netbox: &NetBox| {
        let state = netbox.state();
        let all = state.asked.iter();
        all.filter(|line| line.starts_with("DELETE /api/ipam/ip-addresses/ ")).count()
    };
    wait(|| together(&netbox) == 1);
    let left = netbox.addresses().len();
    assert!(left > 8, "{left} of 12: the first ones are told by themselves");
    netbox.state().hangs_at = None;
    lab.restart();
    wait(|| netbox.state().prefixes.is_empty());
    assert_eq!((netbox.addresses().len(), together(&netbox)), (0, 2));
    assert_eq!(netbox.state().deleted_at_once, [left]);
    assert_eq!(left_over(&lab), BTreeSet::new());
}
