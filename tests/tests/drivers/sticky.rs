//! `sticky`: who comes back gets the address it had.

use crate::lab::Lab;
use serde_json::{Value, json};

fn endpoint(name: &str) -> Value {
    json!({"com.docker.network.endpoint.name": name})
}

fn mac(address: &str) -> Value {
    json!({"com.docker.network.endpoint.macaddress": address})
}

#[test]
fn an_address_waits_for_its_holder_through_kill_9() {
    let mut lab = Lab::new("sticky", &[]);
    let (status, capabilities) = lab.ask("GetCapabilities", &json!({}));
    assert_eq!((status, &capabilities["RequiresMACAddress"]), (200, &json!(true)));
    let pool = lab.pool("LocalDefault", "");
    assert_eq!(pool, "LocalDefault/10.1.0.0/24");
    let lease = |lab: &Lab, options: &Value| lab.lease(&pool, "", options).unwrap();
    assert_eq!(lease(&lab, &endpoint("web")), "10.1.0.1");
    assert_eq!(lease(&lab, &mac("02:42:0A:01:00:02")), "10.1.0.2");
    assert_eq!(lease(&lab, &endpoint("db")), "10.1.0.3");
    lab.release(&pool, "10.1.0.1");
    assert_eq!(lease(&lab, &endpoint("cache")), "10.1.0.4");
    assert_eq!(lease(&lab, &endpoint("web")), "10.1.0.1");
    lab.release(&pool, "10.1.0.1");
    lab.release(&pool, "10.1.0.2");

    for _ in 0..2 {
        lab.restart();
        assert_eq!(lease(&lab, &json!({})), "10.1.0.5");
        assert_eq!(lease(&lab, &endpoint("web")), "10.1.0.1");
        assert_eq!(lease(&lab, &mac("02-42-0a-01-00-02")), "10.1.0.2");
        for address in ["10.1.0.1", "10.1.0.2", "10.1.0.5"] {
            lab.release(&pool, address);
        }
    }
    // In use all the time.
    assert_eq!(lab.lease(&pool, "10.1.0.3", &endpoint("db")), Err(403));
}

#[test]
fn a_small_store_refuses_nobody() {
    let mut lab = Lab::new("sticky", &[("max-keys = 50000", "max-keys = 2")]);
    let pool = lab.pool("LocalDefault", "10.9.0.0/29");
    let lease = |lab: &Lab, name| lab.lease(&pool, "", &endpoint(name));
    for (name, address) in [("a", "10.9.0.1"), ("b", "10.9.0.2")] {
        assert_eq!(lease(&lab, name), Ok(address.to_owned()));
        lab.release(&pool, address);
    }
    // There is no room beside `a` and `b`, and `a` is gone for longer.
    assert_eq!(lease(&lab, "c"), Ok("10.9.0.3".to_owned()));
    lab.restart();
    assert_eq!(lease(&lab, "b"), Ok("10.9.0.2".to_owned()));
    assert_eq!(lease(&lab, "a"), Ok("10.9.0.1".to_owned()));
    for _ in 0..3 {
        assert!(lease(&lab, "").is_ok());
    }
    assert_eq!(lease(&lab, "d"), Err(503), "the pool is full, not the store");
}
