//! What a driver writes to its store while it is called.

use crate::{
    guest::guest,
    lab::{AnyName, any_address, any_pool, any_start, reason, runtime},
};
use ipam_api::{Driver, Factory as _, Failure, PoolId, Start, Stored, Writes};
use ipam_runtime::{CallLimits, Grants, Limits, StoreLimits};
use std::sync::Arc;

const IMPORTS: &str = r#"
    (import "ipam:driver/store@0.1.0" "set" (func $set (param i32 i32 i32 i32 i32)))
    (import "ipam:driver/store@0.1.0" "get" (func $get (param i32 i32 i32)))
    (import "ipam:driver/store@0.1.0" "delete" (func $delete (param i32 i32 i32)))"#;

/// Key and value are the first bytes of what is at 6144.
const SET: &str = "(call $set (i32.const 6144) (i32.const 1)
    (i32.const 6145) (i32.const LENGTH) (i32.const 4096))";
const TEXT: (&str, &str) = ("", r#"(data (i32.const 6144) "kv") (data (i32.const 5120) "\01")"#);
/// An error, without words.
const REFUSED: &str = "(i32.const 5120)";

fn set(length: usize) -> String {
    SET.replace("LENGTH", &length.to_string())
}

fn driver(functions: &[(&str, &str)], stored: &Stored, limits: Limits) -> Box<dyn Driver> {
    let component = guest(IMPORTS, &[&[TEXT][..], functions].concat());
    let store = Some(StoreLimits { bytes_max: 4096, keys_max: 1 });
    let grants = Grants { store, ..Grants::default() };
    let loaded = runtime().load_granted("guest", &component, limits, &grants).unwrap();
    let start = Start { stored: Arc::new(stored.clone()), ..any_start() };
    loaded.make(&start, Box::new(AnyName)).unwrap()
}

fn written() -> Writes {
    Writes::from([("k".to_owned(), Some(b"v".to_vec()))])
}

#[test]
fn what_a_call_writes_is_handed_over_once() {
    let sets = format!("{} (i32.const 3072)", set(1));
    let released = format!("{} (i32.const 1024)", set(1));
    let functions = [("request-pool", &*sets), ("release-pool", &*released)];
    let mut driver = driver(&functions, &Stored::new(), Limits::default());
    let id = PoolId::try_from("p").unwrap();
    driver.request_pool(&any_pool()).unwrap();
    assert_eq!((driver.take_writes(), driver.take_writes()), (written(), Writes::new()));
    driver.release_pool(&id).unwrap();
    assert_eq!(driver.take_writes(), written());
    driver.request_pool(&any_pool()).unwrap();
    driver.request_address(&any_address()).unwrap();
    assert_eq!(driver.take_writes(), Writes::new(), "of an earlier call");
}

#[test]
fn what_is_stored_is_there_at_the_start_and_is_read() {
    // The value becomes the pool's id, when there is one.
    let reads = "
        (call $get (i32.const 6144) (i32.const 1) (i32.const 4096))
        (if (i32.load8_u (i32.const 4100)) (then
            (i32.store (i32.const 3076) (i32.load (i32.const 4104)))
            (i32.store (i32.const 3080) (i32.load (i32.const 4108)))))
        (i32.const 3072)";
    let started = "
        (call $get (i32.const 6144) (i32.const 1) (i32.const 4096))
        (if (i32.eqz (i32.load8_u (i32.const 4100))) (then unreachable))
        (i32.const 1024)";
    let deletes = "(call $delete (i32.const 6144) (i32.const 1) (i32.const 4096)) (i32.const 1024)";
    let functions = [("start", started), ("request-pool", reads), ("request-address", deletes)];
    let stored = Stored::from([("k".to_owned(), b"kept".to_vec())]);
    let mut driver = driver(&functions, &stored, Limits::default());
    let id = |driver: &mut dyn Driver| driver.request_pool(&any_pool()).unwrap().pool_id;
    assert_eq!(id(&mut *driver).as_str(), "kept");
    driver.request_address(&any_address()).unwrap();
    // Not taken, as in replay: it is there again.
    assert_eq!(id(&mut *driver).as_str(), "kept");
    driver.request_address(&any_address()).unwrap();
    assert_eq!(driver.take_writes(), Writes::from([("k".to_owned(), None)]));
    driver.request_pool(&any_pool()).unwrap();
    assert_eq!(driver.take_writes(), Writes::new());
}

#[test]
fn only_requests_and_releases_write() {
    let started = format!("{} (i32.const 1024)", set(1));
    let asked = format!("{} (i32.const 2048)", set(1));
    let functions = [("start", &*started), ("get-default-address-spaces", &*asked)];
    let mut driver = driver(&functions, &Stored::new(), Limits::default());
    assert_eq!(driver.take_writes(), Writes::new());
    driver.default_address_spaces().unwrap();
    assert_eq!(driver.take_writes(), Writes::new());
}

#[test]
fn refusals_traps_and_lies_write_nothing() {
    let refused = format!("{} {REFUSED}", set(1));
    let mut lab = driver(&[("request-address", &*refused)], &Stored::new(), Limits::default());
    assert!(matches!(lab.request_address(&any_address()), Err(Failure::Refused(_))));
    assert_eq!(lab.take_writes(), Writes::new());

    let trapped = format!("{} unreachable", set(1));
    // A prefix of length 255.
    let lied = format!("{} (i32.store8 (i32.const 3102) (i32.const 255)) (i32.const 3072)", set(1));
    for body in [trapped, lied] {
        let mut lab = driver(&[("request-pool", &*body)], &Stored::new(), Limits::default());
        reason(lab.request_pool(&any_pool()));
        assert_eq!(lab.take_writes(), Writes::new());
    }
}

#[test]
fn what_is_too_much_is_not_written() {
    let much = format!("{} (i32.const 3072)", set(4096));
    let mut lab = driver(&[("request-pool", &*much)], &Stored::new(), Limits::default());
    lab.request_pool(&any_pool()).unwrap();
    assert_eq!(lab.take_writes(), Writes::new(), "with its key it is one byte too much");

    let limits = Limits {
        call: CallLimits { hostcall_fuel: 1024, ..CallLimits::default() },
        ..Limits::default()
    };
    let mut lab = driver(&[("request-pool", &*much)], &Stored::new(), limits);
    reason(lab.request_pool(&any_pool()));

    let all = format!("{} (i32.const 3072)", set(4095));
    let mut lab = driver(&[("request-pool", &*all)], &Stored::new(), Limits::default());
    lab.request_pool(&any_pool()).unwrap();
    assert_eq!(lab.take_writes().len(), 1);
}
