//! `cooldown`: a released address rests.

use crate::lab::Lab;
use serde_json::{Value, json};
use std::{thread, time::Duration};

fn lease(lab: &Lab, pool: &str) -> String {
    lab.lease(pool, "", &Value::Null).unwrap()
}

#[test]
fn a_rest_goes_on_through_kill_9() {
    let mut lab = Lab::new("cooldown", &[]);
    let pool = lab.pool("LocalDefault", "");
    let gateway = json!({"RequestAddressType": "com.docker.network.gateway"});
    assert_eq!(lab.lease(&pool, "", &gateway).unwrap(), "10.1.0.1");
    assert_eq!(lease(&lab, &pool), "10.1.0.2");
    lab.release(&pool, "10.1.0.2");
    assert_eq!(lease(&lab, &pool), "10.1.0.3");
    lab.restart();
    assert_eq!(lease(&lab, &pool), "10.1.0.4");
    lab.release(&pool, "10.1.0.1");
    assert_eq!(lease(&lab, &pool), "10.1.0.1", "it was a gateway");

    // Who asks by name does not wait; and it is nobody's twice.
    assert_eq!(lab.lease(&pool, "10.1.0.2", &Value::Null).unwrap(), "10.1.0.2");
    assert_eq!(lab.lease(&pool, "10.1.0.2", &Value::Null), Err(403));
}

#[test]
fn a_rest_ends_in_time_or_when_nothing_else_is_free() {
    let mut lab = Lab::new("cooldown", &[("rest = 300", "rest = 2")]);
    let large = lab.pool("LocalDefault", "10.9.0.0/24");
    assert_eq!(lease(&lab, &large), "10.9.0.1");
    lab.release(&large, "10.9.0.1");
    lab.restart();
    thread::sleep(Duration::from_secs(2));
    assert_eq!(lease(&lab, &large), "10.9.0.1");

    let small = lab.pool("LocalDefault", "10.8.0.0/30");
    for address in ["10.8.0.1", "10.8.0.2"] {
        assert_eq!(lease(&lab, &small), address);
    }
    assert_eq!(lab.lease(&small, "", &Value::Null), Err(503));
    for address in ["10.8.0.2", "10.8.0.1"] {
        lab.release(&small, address);
        thread::sleep(Duration::from_millis(5));
    }
    lab.restart();
    for address in ["10.8.0.2", "10.8.0.1"] {
        assert_eq!(lease(&lab, &small), address);
    }
    assert_eq!(lab.lease(&small, "", &Value::Null), Err(503));
}
