//! What the wrapper promises. Runs natively: `cargo test`.

use wrapper::{Policy, Refusal};

fn policy(table: &str) -> (Policy, String) {
    Policy::new(table).unwrap()
}

#[test]
fn the_inner_driver_gets_its_own_table() {
    let (policy, rest) = policy(r#"{"ipv4":"10.9.0.0/16","wrap":{"audit":true}}"#);
    assert_eq!(rest, r#"{"ipv4":"10.9.0.0/16"}"#);
    assert!(policy.audits());
    let wrong = Policy::new(r#"{"wrap":{"qouta":1}}"#).unwrap_err();
    assert!(wrong.starts_with("wrap: unknown field `qouta`"), "{wrong}");
}

#[test]
fn without_a_table_nothing_is_refused() {
    let (policy, _) = policy("{}");
    assert_eq!(policy.may_name("192.0.2.0/24".parse().unwrap(), false), Ok(()));
    assert_eq!(policy.may_lease("a", false), Ok(()));
}

#[test]
fn a_pool_has_so_many_leases_and_no_more() {
    let (mut policy, _) = policy(r#"{"wrap":{"addresses-per-pool":1}}"#);
    let address = "192.0.2.1".parse().unwrap();
    policy.leased("a", address);
    assert_eq!(policy.may_lease("a", false), Err(Refusal::Quota));
    assert_eq!(policy.may_lease("a", true), Ok(()), "it is held already");
    assert_eq!(policy.may_lease("b", false), Ok(()));
    policy.released("a", address);
    policy.released("a", address);
    assert_eq!(policy.may_lease("a", false), Ok(()));
    policy.leased("a", address);
    policy.released_pool("a");
    assert_eq!(policy.may_lease("a", false), Ok(()));
}

#[test]
fn pools_by_name_are_those_that_are_allowed() {
    let (policy, _) = policy(r#"{"wrap":{"named-pools":["10.0.0.0/8"]}}"#);
    let [inside, outside] = ["10.1.0.0/16", "192.0.2.0/24"].map(|it| it.parse().unwrap());
    assert_eq!(policy.may_name(inside, false), Ok(()));
    assert_eq!(policy.may_name(outside, false), Err(Refusal::NotAllowed));
    assert_eq!(policy.may_name(outside, true), Ok(()), "it is held already");
}
