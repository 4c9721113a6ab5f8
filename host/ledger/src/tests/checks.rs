//! The four checks of what a driver proposes.

use super::*;

#[track_caller]
fn check_pool(request: &PoolRequest, pool_id: &str, pool: &str, want: Option<Violation>) {
    let got = filled().check_pool(request, &pool_grant(pool_id, pool), &NOBODY);
    assert_eq!(got.err(), want, "{request:?} answered {pool_id} {pool}");
}

#[test]
fn check_1_an_id_is_new_or_means_the_same() {
    let taken = |pool_id: &str, means: &str, proposed: &str| {
        let (means, proposed) = (means.to_owned(), proposed.to_owned());
        Some(Violation::PoolIdTaken { pool_id: id(pool_id), means, proposed })
    };
    let bare = r#"10.0.0.0/16 of "local""#;
    let sub = r#"10.0.0.0/16 of "local", 10.0.9.0/24 of it"#;
    check_pool(
        &automatic("local"),
        "bare",
        "10.1.0.0/16",
        taken("bare", bare, r#"10.1.0.0/16 of "local""#),
    );
    check_pool(
        &exact("other", "10.0.0.0/16"),
        "bare",
        "10.0.0.0/16",
        taken("bare", bare, r#"10.0.0.0/16 of "other""#),
    );
    check_pool(
        &within("local", "10.0.0.0/16", "10.0.8.0/24"),
        "sub",
        "10.0.0.0/16",
        taken("sub", sub, r#"10.0.0.0/16 of "local", 10.0.8.0/24 of it"#),
    );
    check_pool(&within("local", "10.0.0.0/16", "10.0.8.0/24"), "new", "10.0.0.0/16", None);
    check_pool(&automatic("local"), "none", "0.0.0.0/0", None);
    let none = r#"0.0.0.0/0 of "local""#;
    check_pool(
        &automatic("other"),
        "none",
        "0.0.0.0/0",
        taken("none", none, r#"0.0.0.0/0 of "other""#),
    );
}

#[test]
fn check_2_a_pool_is_what_was_asked_for() {
    let net = |text: &str| text.parse::<IpNet>().unwrap();
    let sized = |length| PoolRequest {
        pool: PoolChoice::Sized(Family::Ipv4, length),
        ..automatic("local")
    };
    let not_it = |asked, proposed| {
        Some(Violation::NotThePool { asked: net(asked), proposed: net(proposed) })
    };
    check_pool(&exact("local", "10.2.0.0/16"), "new", "10.2.0.0/16", None);
    check_pool(
        &exact("local", "10.2.0.0/16"),
        "new",
        "10.3.0.0/16",
        not_it("10.2.0.0/16", "10.3.0.0/16"),
    );
    check_pool(
        &exact("local", "10.2.0.0/16"),
        "new",
        "0.0.0.0/0",
        not_it("10.2.0.0/16", "0.0.0.0/0"),
    );
    check_pool(
        &automatic("local"),
        "new",
        "10.2.0.7/16",
        Some(Violation::HostBits { proposed: net("10.2.0.7/16") }),
    );
    check_pool(
        &automatic("local"),
        "new",
        "fd00::/64",
        Some(Violation::PoolFamily { proposed: net("fd00::/64") }),
    );
    check_pool(
        &automatic("local"),
        "new",
        "::/0",
        Some(Violation::PoolFamily { proposed: net("::/0") }),
    );
    check_pool(&sized(24), "new", "10.2.0.0/24", None);
    check_pool(
        &sized(24),
        "new",
        "10.2.0.0/16",
        Some(Violation::PoolLength { asked: 24, proposed: net("10.2.0.0/16") }),
    );
}

#[test]
fn check_2_an_automatic_pool_overlaps_no_live_one_of_its_space() {
    let overlap = |proposed: &str| {
        Some(Violation::PoolOverlap {
            proposed: proposed.parse().unwrap(),
            live: "10.0.0.0/16".parse().unwrap(),
        })
    };
    for inside_or_around in ["10.0.0.0/16", "10.0.4.0/24", "10.0.0.0/8"] {
        check_pool(&automatic("local"), "new", inside_or_around, overlap(inside_or_around));
        check_pool(&automatic("other"), "new", inside_or_around, None);
        // Exact pools that overlap are the driver's policy.
        let is_repeat = inside_or_around == "10.0.0.0/16";
        if !is_repeat {
            check_pool(&exact("local", inside_or_around), "new", inside_or_around, None);
        }
    }
    check_pool(&automatic("local"), "new", "10.1.0.0/16", None);
    check_pool(&automatic("local"), "new", "0.0.0.0/0", None);
}

#[track_caller]
fn check_address(request: &AddressRequest, proposed: Option<&str>, want: Option<Violation>) {
    let got = filled().check_address(request, &address_grant(proposed), &NOBODY);
    assert_eq!(got.err(), want, "{request:?} answered {proposed:?}");
}

#[test]
fn checks_3_and_4_an_address_is_of_its_pool_free_and_the_one_asked_for() {
    let net = |text: &str| text.parse::<IpNet>().unwrap();
    let pool = net("10.0.0.0/16");
    let any = address("bare", None);
    let proposed = net;
    check_address(&any, Some("10.0.0.2/16"), None);
    check_address(&any, None, None);
    check_address(
        &any,
        Some("10.1.0.2/16"),
        Some(Violation::OutsidePool { proposed: proposed("10.1.0.2/16"), pool }),
    );
    check_address(
        &any,
        Some("fd00::1/16"),
        Some(Violation::OutsidePool { proposed: proposed("fd00::1/16"), pool }),
    );
    check_address(
        &any,
        Some("10.0.0.2/24"),
        Some(Violation::AddressLength { proposed: proposed("10.0.0.2/24"), pool }),
    );
    check_address(
        &any,
        Some("10.0.0.1/16"),
        Some(Violation::AlreadyLeased { proposed: proposed("10.0.0.1/16") }),
    );
    check_address(
        &address("none", None),
        Some("10.0.0.2/0"),
        Some(Violation::LeaseOfNoPool { proposed: proposed("10.0.0.2/0") }),
    );
    check_address(&address("none", Some("10.0.0.2")), None, None);
    check_address(&address("nowhere", None), None, None);
    check_address(
        &address("nowhere", None),
        Some("10.0.0.2/16"),
        Some(Violation::LeaseOfNoPool { proposed: proposed("10.0.0.2/16") }),
    );

    let sub_pool = net("10.0.9.0/24");
    let outside = Violation::OutsideSubPool { proposed: proposed("10.0.8.1/16"), sub_pool };
    check_address(&address("sub", None), Some("10.0.9.0/16"), None);
    check_address(&address("sub", None), Some("10.0.8.1/16"), Some(outside));
    check_address(&address("sub", Some("10.0.8.1")), Some("10.0.8.1/16"), None);

    let asked = "10.0.0.5".parse().unwrap();
    let other = Some(proposed("10.0.0.6/16"));
    check_address(
        &address("bare", Some("10.0.0.5")),
        Some("10.0.0.6/16"),
        Some(Violation::NotTheAddress { asked, proposed: other }),
    );
    check_address(
        &address("bare", Some("10.0.0.5")),
        None,
        Some(Violation::NotTheAddress { asked, proposed: None }),
    );
}

#[test]
fn leases_are_unique_whatever_the_pool_id() {
    let held = Err(Error::from(Code::IpAlreadyAllocated));
    assert_eq!(filled().before_address(&address("sub", Some("10.0.0.1")), &NOBODY), held);
    let proposal = address_grant(Some("10.0.0.1/16"));
    assert!(filled().check_address(&address("sub", None), &proposal, &NOBODY).is_err());
}
