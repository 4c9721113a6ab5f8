//! What is held that a record may stand for.

use super::filled;
use ipam_api::{HeldRecord, RecordId};

/// Of `filled`: 10.0.0.0/16 of the space `local`, with 10.0.0.1 leased.
#[track_caller]
fn check(space: &str, pool: &str, address: Option<&str>, want: bool) {
    let record = HeldRecord {
        id: RecordId::try_from("17").unwrap(),
        address_space: space.to_owned(),
        pool: pool.parse().unwrap(),
        address: address.map(|address| address.parse().unwrap()),
        label: String::new(),
    };
    assert_eq!(filled().may_hold(&record), want, "{record:?}");
}

#[test]
fn a_record_is_compared_by_what_it_may_stand_for() {
    check("local", "10.0.0.0/16", None, true);
    check("local", "10.0.0.0/8", None, true);
    check("local", "10.0.7.0/24", None, true);
    check("local", "10.1.0.0/16", None, false);
    check("local", "10.0.0.0/16", Some("10.0.0.1"), true);
    check("local", "10.0.0.0/24", Some("10.0.0.1"), true);
    check("local", "10.0.0.0/16", Some("10.0.0.9"), false);
    check("local", "10.1.0.0/16", Some("10.1.0.1"), false);
    check("elsewhere", "10.0.0.0/16", None, false);
    check("elsewhere", "10.0.0.0/16", Some("10.0.0.1"), false);
}
