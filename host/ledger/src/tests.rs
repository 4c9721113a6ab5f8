//! The rules of the ledger, one by one.

use crate::{Actor, Audit, Caller, Decision, Event, Replay, State, Time, Violation};
use ipam_api::{
    AddressGrant, AddressRequest, Code, Error, Family, IpNet, Kind, Options, PoolChoice, PoolGrant,
    PoolId, PoolRequest, Receipt, Server, names,
};

mod gateway;
mod readers;
mod swarm;
mod take_back;
mod undo;

const CAUSE: Audit = Audit { at: Time(1), by: Actor::Asked(Server::Library) };
const NOBODY: Caller<'static> =
    Caller { cause: CAUSE, global_space: Some("global"), loaded: 0, asked_at: None };

/// Who may claim all that is held now, as far as it may be claimed at all.
fn back(state: &State) -> Caller<'static> {
    let generation = state.generation();
    Caller { loaded: generation, asked_at: Some(generation), ..NOBODY }
}

fn id(text: &str) -> PoolId {
    PoolId::try_from(text).unwrap()
}

fn automatic(space: &str) -> PoolRequest {
    PoolRequest {
        address_space: space.to_owned(),
        pool: PoolChoice::Automatic(Family::Ipv4),
        sub_pool: None,
        options: Options::new(),
        exclude: Vec::new(),
    }
}

fn exact(space: &str, pool: &str) -> PoolRequest {
    PoolRequest { pool: PoolChoice::Exact(pool.parse().unwrap()), ..automatic(space) }
}

fn within(space: &str, pool: &str, sub_pool: &str) -> PoolRequest {
    PoolRequest { sub_pool: Some(sub_pool.parse().unwrap()), ..exact(space, pool) }
}

fn address(pool_id: &str, address: Option<&str>) -> AddressRequest {
    let address = address.map(|text| text.parse().unwrap());
    AddressRequest { pool_id: id(pool_id), address, options: Options::new() }
}

fn serial(pool_id: &str, named: &str) -> AddressRequest {
    let options = Options::from([(names::ALLOC_SERIAL_PREFIX.to_owned(), "true".to_owned())]);
    AddressRequest { options, ..address(pool_id, Some(named)) }
}

fn gateway(mut request: AddressRequest) -> AddressRequest {
    request.options.insert(names::REQUEST_ADDRESS_TYPE.to_owned(), names::GATEWAY.to_owned());
    request
}

fn pool_grant(pool_id: &str, pool: &str) -> PoolGrant {
    PoolGrant { pool_id: id(pool_id), pool: pool.parse().unwrap(), data: Options::new() }
}

fn address_grant(address: Option<&str>) -> AddressGrant {
    let address = address.map(|text| text.parse().unwrap());
    AddressGrant { address, data: Options::new() }
}

impl State {
    #[track_caller]
    fn pooled(mut self, request: &PoolRequest, pool_id: &str, pool: &str) -> Self {
        assert_eq!(self.before_pool(request, &NOBODY), Ok(Decision::Ask));
        let event = self.check_pool(request, &pool_grant(pool_id, pool), &NOBODY).unwrap();
        self.apply(&event);
        self
    }

    #[track_caller]
    fn leased_out(mut self, pool_id: &str, named: Option<&str>, proposed: &str) -> Self {
        let request = address(pool_id, named);
        assert_eq!(self.before_address(&request, &NOBODY), Ok(Decision::Ask));
        let event = self.check_address(&request, &address_grant(Some(proposed)), &NOBODY);
        self.apply(&event.unwrap().unwrap());
        self
    }

    fn apply_all(&mut self, events: &[Event]) {
        events.iter().for_each(|event| self.apply(event));
    }
}

/// A /16 with one lease, a sub-pool of it, and an unrelated "no pool".
fn filled() -> State {
    State::default()
        .pooled(&exact("local", "10.0.0.0/16"), "bare", "10.0.0.0/16")
        .pooled(&within("local", "10.0.0.0/16", "10.0.9.0/24"), "sub", "10.0.0.0/16")
        .pooled(&automatic("local"), "none", "0.0.0.0/0")
        .leased_out("bare", None, "10.0.0.1/16")
}

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
