//! `netbox` with a token that does not view everything, and a NetBox with short pages.

use crate::{lab::Lab, netbox_server::NetBox};
use ipam_tests::daemon::wait;
use serde_json::{Value, json};

fn lab(netbox: &NetBox, more: &str) -> Lab {
    let url = format!("http://{}/api", netbox.address);
    let table = format!("host = \"node-1\"\n{more}");
    Lab::new("netbox", &[("https://netbox.example/api", &url), ("host = \"node-1\"", &table)])
}

#[test]
fn what_the_token_does_not_view_is_refused_with_words_and_stays() {
    let netbox = NetBox::new(&["10.8.0.0/24"]);
    let ours = json!({"slug": "team-a"});
    netbox.prefix(json!({"prefix": "10.64.0.0/16", "tenant": ours}));
    netbox.prefix(json!({"prefix": "10.9.0.0/24", "tenant": ours}));
    netbox.add("10.9.0.1/24");
    netbox.state().tenant = Some("team-a".to_owned());
    netbox.state().hides_others = true;
    let lab = lab(&netbox, "made = { tenant = \"team-a\" }");
    let words = |call: &str, body: &Value| {
        let (status, body) = lab.ask(call, body);
        (status, body["Err"].as_str().unwrap_or_default().to_owned())
    };
    let hidden = "does not show it to this token";
    let (status, text) =
        words("RequestPool", &json!({"AddressSpace": "netbox", "Pool": "10.8.0.0/24"}));
    assert!(status == 403 && text.contains(hidden), "{status} {text}");
    let pool = lab.pool("netbox", "10.9.0.0/24");
    let (status, text) = words("RequestAddress", &json!({"PoolID": pool, "Address": "10.9.0.1"}));
    assert!(status == 403 && text.contains(hidden), "{status} {text}");
    assert_eq!(lab.lease(&pool, "", &Value::Null).unwrap(), "10.9.0.2");
    let made = lab.pool("netbox", "");
    assert_eq!(lab.lease(&made, "", &Value::Null).unwrap(), "10.64.0.1");
    for pool in [pool, made] {
        assert_eq!(lab.ask("ReleasePool", &json!({ "PoolID": pool })).0, 200);
    }
    wait(|| netbox.addresses().len() == 1 && netbox.state().prefixes.len() == 3);
    assert_eq!(netbox.addresses()[0].0, "10.9.0.1/24");
}

#[test]
fn a_pool_is_taken_back_page_by_page() {
    let netbox = NetBox::new(&[]);
    // The driver asks for a thousand.
    netbox.state().page_max = 3;
    let lab = lab(&netbox, "");
    let pool = lab.pool("netbox", "10.9.0.0/24");
    for _ in 0..10 {
        lab.lease(&pool, "", &Value::Null).unwrap();
    }
    assert_eq!(lab.ask("ReleasePool", &json!({ "PoolID": pool })).0, 200);
    wait(|| netbox.state().prefixes.is_empty());
    assert_eq!(netbox.addresses(), []);
}
