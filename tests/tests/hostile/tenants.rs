//! Two drivers of one component, one of them hostile: what the other answers,
//! and in which order, does not differ by one byte from a run alone.

use crate::harness::Harness;
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

/// What the honest tenant is asked: pools and addresses by name and without,
/// releases, and what must be refused.
fn script() -> Vec<(&'static str, Value)> {
    let mut script = Vec::new();
    for round in 0..20 {
        let id = format!("10.66.{round}.0/24");
        script.push(("RequestPool", json!({"AddressSpace": "zoo"})));
        script.push(("RequestPool", json!({"AddressSpace": "zoo", "Pool": id})));
        for host in [0, 9, 9, 0, 300] {
            let address = match host {
                0 => String::new(),
                host => format!("10.66.{round}.{host}"),
            };
            script.push(("RequestAddress", json!({"PoolID": id, "Address": address})));
        }
        let address = format!("10.66.{round}.1");
        script.push(("ReleaseAddress", json!({"PoolID": id, "Address": address})));
        script.push(("RequestAddress", json!({"PoolID": id})));
        if round % 3 == 0 {
            script.push(("ReleasePool", json!({"PoolID": id})));
        }
    }
    script
}

fn answers(harness: &Harness) -> Vec<String> {
    let mut client = harness.client("good");
    let ask = |(call, body): (&str, Value)| {
        let answer = client.post(&format!("/IpamDriver.{call}"), &body.to_string()).unwrap();
        format!("{} {}", answer.status, answer.body)
    };
    script().into_iter().map(ask).collect()
}

#[test]
fn a_tenant_does_not_hear_its_neighbour_by_one_byte() {
    let alone = answers(&Harness::with("tenants", "limits = { names = 2 }"));
    let ok = alone.iter().filter(|answer| answer.starts_with("200")).count();
    assert!(ok > 100 && ok < alone.len(), "{ok} of {}", alone.len());
    // One that traps at once, and one that uses up its time.
    for address in ["", "10.66.0.9"] {
        let harness = Harness::with("tenants", "limits = { names = 2 }");
        let mut bad = harness.client("bad");
        let pool = json!({"AddressSpace": "zoo", "Pool": "10.66.0.0/24"});
        assert_eq!(bad.post("/IpamDriver.RequestPool", &pool.to_string()).unwrap().status, 200);
        let is_over = AtomicBool::new(false);
        let (beside, failed) = thread::scope(|scope| {
            let neighbour = scope.spawn(|| {
                let mut failed = 0;
                while failed == 0 || !is_over.load(Relaxed) {
                    let body = json!({"PoolID": "10.66.0.0/24", "Address": address}).to_string();
                    let answer = bad.post("/IpamDriver.RequestAddress", &body).unwrap();
                    assert_ne!(answer.status, 200, "{answer:?}");
                    failed += usize::from(answer.status == 500);
                }
                failed
            });
            let beside = answers(&harness);
            is_over.store(true, Relaxed);
            (beside, neighbour.join().unwrap())
        });
        assert!(failed > 0);
        assert_eq!(beside, alone, "beside {address:?}");
        assert_eq!(harness.driver("good")["restarts"], 0);
    }
}
