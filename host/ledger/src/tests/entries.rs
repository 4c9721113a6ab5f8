//! What is refused before a driver is asked, released, taken back and replayed.

use super::*;

#[test]
fn what_the_ledger_refuses_before_a_driver_is_asked() {
    let before = |request: &AddressRequest| filled().before_address(request, &NOBODY).unwrap_err();
    let unknown = before(&address("nowhere", None));
    assert_eq!(unknown.code(), Code::Other(Kind::NotFound));
    assert_eq!(unknown.to_string(), "cannot find address pool for poolID:nowhere");
    assert_eq!(before(&address("bare", Some("10.1.0.1"))).code(), Code::IpOutOfRange);
    assert_eq!(before(&address("bare", Some("fd00::1"))).code(), Code::IpOutOfRange);
    assert_eq!(before(&address("bare", Some("10.0.0.1"))).code(), Code::IpAlreadyAllocated);

    let repeat = filled().before_pool(&exact("local", "10.0.0.0/16"), &NOBODY).unwrap_err();
    assert_eq!(repeat.code(), Code::PoolOverlap);
    assert_eq!(
        repeat.to_string(),
        "invalid pool request: Pool overlaps with other one on this address space"
    );
    let repeat = filled().before_pool(&within("local", "10.0.0.0/16", "10.0.9.0/24"), &NOBODY);
    assert_eq!(repeat.unwrap_err().code(), Code::PoolOverlap);
    assert_eq!(filled().before_pool(&exact("other", "10.0.0.0/16"), &NOBODY), Ok(Decision::Ask));
}

#[test]
fn only_the_host_says_that_a_request_is_a_replay() {
    let replay = Options::from([(names::REPLAY.to_owned(), "explicit".to_owned())]);
    let pool = PoolRequest { options: replay.clone(), ..automatic("local") };
    let address = AddressRequest { options: replay, ..address("bare", None) };
    let state = filled();
    assert_eq!(state.before_pool(&pool, &NOBODY).unwrap_err().code(), Code::InvalidRequest);
    assert_eq!(state.before_address(&address, &NOBODY).unwrap_err().code(), Code::InvalidRequest);
}

#[test]
fn an_owner_is_what_the_wire_told() {
    let owner = |options: &[(&str, &str)]| {
        let options = options.iter().map(|(key, value)| (key.to_string(), value.to_string()));
        let request = AddressRequest { options: options.collect(), ..address("bare", None) };
        let grant = address_grant(Some("10.0.0.7/16"));
        let event = filled().check_address(&request, &grant, &NOBODY);
        let Ok(Some(Event::AddressLeased(lease))) = event else { panic!("{event:?}") };
        (lease.owner().map(str::to_owned), lease.is_gateway())
    };
    let (name, mac) = ((names::ENDPOINT_NAME, "web"), (names::MAC_ADDRESS, "02:42:ac:11:00:02"));
    assert_eq!(owner(&[name, mac]), (Some("web".into()), false));
    assert_eq!(owner(&[mac]), (Some(mac.1.into()), false));
    assert_eq!(owner(&[(names::REQUEST_ADDRESS_TYPE, names::GATEWAY)]), (None, true));
    assert_eq!(owner(&[]), (None, false));
}

#[test]
fn releases_of_what_is_not_there() {
    let state = filled();
    let bad_pool = Err(Error::as_the_engine(Code::BadPool));
    assert_eq!(state.release_pool(&id("nowhere"), &NOBODY), bad_pool);
    let unknown = state.release_address(&id("nowhere"), "10.0.0.1".parse().unwrap());
    assert_eq!(unknown.unwrap_err().code(), Code::Other(Kind::NotFound));
    let outside = state.release_address(&id("bare"), "10.1.0.1".parse().unwrap());
    assert_eq!(outside, Err(Error::as_the_engine(Code::IpOutOfRange)));
    assert_eq!(state.release_address(&id("bare"), "10.0.0.9".parse().unwrap()), Ok(None));
}

#[test]
fn every_address_is_of_a_no_pool_and_none_is_held() {
    let state = filled();
    let any = address("none", Some("fd00::1"));
    assert_eq!(state.before_address(&any, &NOBODY), Ok(Decision::Ask));
    assert_eq!(state.release_address(&id("none"), "fd00::1".parse().unwrap()), Ok(None));
}

#[test]
fn an_address_is_released_under_any_id_of_its_prefix_and_told_under_its_own() {
    let event = filled().release_address(&id("sub"), "10.0.0.1".parse().unwrap());
    let Ok(Some(Event::AddressReleased(lease))) = event else { panic!("{event:?}") };
    assert_eq!(lease.pool_id, id("bare"));
}

#[test]
fn a_pool_takes_its_own_leases_with_it_and_no_others() {
    let mut state = filled().leased_out("sub", None, "10.0.9.4/16");
    let events = state.release_pool(&id("sub"), &NOBODY).unwrap();
    assert!(
        matches!(&events[..], [Event::AddressReleased(_), Event::PoolReleased(_)]),
        "{events:?}"
    );
    state.apply_all(&events);
    let left: Vec<String> = state.leases().map(|lease| lease.address.to_string()).collect();
    assert_eq!(left, ["10.0.0.1/16"]);
}

#[test]
fn the_same_no_pool_is_granted_again_and_ends_with_its_last_holder() {
    let mut state = filled();
    let again = state.check_pool(&automatic("local"), &pool_grant("none", "0.0.0.0/0"), &NOBODY);
    state.apply(&again.unwrap());
    assert_eq!(state.holds(&id("none")), 2);
    for left in [1, 0] {
        let events = state.release_pool(&id("none"), &NOBODY).unwrap();
        state.apply_all(&events);
        assert_eq!(state.holds(&id("none")), left);
    }
}

#[test]
fn undo_takes_back_only_what_its_own_request_created() {
    let request = exact("local", "10.0.0.0/16");
    let mut state = State::default().pooled(&request, "pool", "10.0.0.0/16");
    let lease = |state: &State| {
        let proposal = address_grant(Some("10.0.0.1/16"));
        state.check_address(&address("pool", None), &proposal, &NOBODY).unwrap().unwrap()
    };
    let first = lease(&state);
    state.apply(&first);
    let stale = first.receipt().unwrap();
    let released = state.release_address(&id("pool"), "10.0.0.1".parse().unwrap()).unwrap();
    state.apply(&released.unwrap());
    assert_eq!(state.undo(&stale), [], "gone already");
    let second = lease(&state);
    state.apply(&second);
    assert_eq!(state.undo(&stale), [], "granted again, to somebody else");
    let undone = state.undo(&second.receipt().unwrap());
    state.apply_all(&undone);
    assert_eq!(state.leases().count(), 0);
    assert_eq!(state.undo(&Receipt { pool_id: id("gone"), address: None, generation: 1 }), []);
}

#[test]
fn replay_tells_pools_then_sub_pools_then_leases_in_order_of_grant() {
    let told: Vec<String> = State::default()
        .pooled(&within("local", "10.0.0.0/16", "10.0.9.0/24"), "sub", "10.0.0.0/16")
        .leased_out("sub", Some("10.0.9.9"), "10.0.9.9/16")
        .pooled(&exact("local", "10.0.0.0/16"), "bare", "10.0.0.0/16")
        .pooled(&automatic("local"), "auto", "10.1.0.0/16")
        .leased_out("auto", None, "10.1.0.1/16")
        .replay()
        .map(|entry| match entry {
            Replay::Pool(request, granted, _) => {
                assert_eq!(request.pool, PoolChoice::Exact(granted.pool));
                format!("{} {}", granted.pool_id, request.options[names::REPLAY])
            }
            Replay::Address(request, leased, _) => {
                assert_eq!(request.address, leased.address.map(|address| address.addr()));
                format!("{} {}", leased.address.unwrap(), request.options[names::REPLAY])
            }
        })
        .collect();
    let want = [
        "bare explicit",
        "auto automatic",
        "sub explicit",
        "10.0.9.9/16 explicit",
        "10.1.0.1/16 automatic",
    ];
    assert_eq!(told, want);
}
