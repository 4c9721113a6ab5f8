//! What a swarm's manager and its node ask for, as Docker 20.10 and 28 were
//! seen to ask, and another user's network in between.

use super::*;

const POOL: &str = "10.0.0.0/16";
const GATEWAY: &str = "10.0.0.1";

/// One engine and the ledger it asks, with a driver that agrees.
struct Engine {
    state: State,
    session: u64,
}

impl Engine {
    /// A manager with one network: its pool and its gateway.
    fn with_a_network() -> Self {
        let mut engine = Self { state: State::default(), session: 0 };
        engine.begins_a_session();
        engine.takes_pool("global").unwrap();
        engine.takes_gateway(None, GATEWAY).unwrap();
        engine
    }

    fn begins_a_session(&mut self) {
        self.session += 1;
    }

    fn takes_pool(&mut self, space: &str) -> Result<(), Error> {
        let (request, caller) = (exact(space, POOL), session(self.session));
        let event = match self.state.before_pool(&request, &caller)? {
            Course::Claim { event, .. } => event,
            Course::Ask => {
                self.state.check_pool(&request, &pool_grant(space, POOL), &caller).unwrap()
            }
        };
        self.state.apply(&event);
        Ok(())
    }

    fn takes(&mut self, space: &str, named: Option<&str>, proposed: &str) -> Result<(), Error> {
        let request = match named {
            Some(named) if space == "global" => serial(space, named),
            _ => address(space, named),
        };
        self.asks(&request, proposed)
    }

    fn takes_gateway(&mut self, named: Option<&str>, proposed: &str) -> Result<(), Error> {
        let request = named.map_or_else(|| address("global", None), |it| serial("global", it));
        self.asks(&gateway(request), proposed)
    }

    fn asks(&mut self, request: &AddressRequest, proposed: &str) -> Result<(), Error> {
        let caller = session(self.session);
        let event = match self.state.before_address(request, &caller)? {
            Course::Claim { event, .. } => event,
            Course::Ask => {
                let proposal = address_grant(Some(&format!("{proposed}/16")));
                self.state.check_address(request, &proposal, &caller).unwrap().unwrap()
            }
        };
        self.state.apply(&event);
        Ok(())
    }

    fn releases(&mut self, space: &str, address: &str) {
        let event = self.state.release_address(&id(space), address.parse().unwrap()).unwrap();
        self.state.apply_all(event.as_slice());
    }

    fn releases_pool(&mut self, space: &str) {
        let events = self.state.release_pool(&id(space), &session(self.session)).unwrap();
        self.state.apply_all(&events);
    }

    /// What a manager sends when it is started again, before anything else.
    fn replays(&mut self, addresses: &[&str]) {
        self.begins_a_session();
        self.begins_a_session();
        self.takes_pool("global").unwrap();
        for &address in addresses {
            self.takes("global", Some(address), address).unwrap();
        }
    }

    /// What a node sends when the first task of a network comes to it.
    fn node_takes(&mut self, addresses: &[&str]) -> Result<(), Error> {
        self.takes_pool("local")?;
        addresses.iter().try_for_each(|&address| self.takes("local", Some(address), address))
    }

    fn leased(&self, space: &str) -> Vec<String> {
        let leases = self.state.leases().filter(|lease| lease.pool_id == id(space));
        let mut leased: Vec<String> = leases.map(|lease| lease.ip().to_string()).collect();
        leased.sort();
        leased
    }
}

#[test]
fn a_manager_restarted_often_leaves_nothing_when_its_network_is_removed() {
    for restarts in 0..4 {
        let mut engine = Engine::with_a_network();
        engine.takes("global", None, "10.0.0.2").unwrap();
        (0..restarts).for_each(|_| engine.replays(&[GATEWAY, "10.0.0.2"]));
        // Docker forgets the tasks that end while their network is removed.
        engine.releases("global", GATEWAY);
        engine.releases_pool("global");
        assert_eq!(engine.state.holds(&id("global")), 0, "after {restarts} restarts");
        assert_eq!(engine.leased("global"), [""; 0]);
    }
}

#[test]
fn a_manager_that_replays_in_vain_gives_back_no_more_than_it_took() {
    let mut engine = Engine::with_a_network();
    engine.replays(&[]);
    // Docker releases the pool when its gateway is refused, and tries again.
    for _ in 0..3 {
        engine.releases_pool("global");
        assert_eq!(engine.leased("global"), [GATEWAY]);
        engine.takes_pool("global").unwrap();
    }
    engine.takes_gateway(Some(GATEWAY), GATEWAY).unwrap();
}

#[test]
fn another_network_of_a_session_is_refused_the_pool() {
    let mut engine = Engine::with_a_network();
    let refused = Err(Code::PoolOverlap);
    assert_eq!(engine.takes_pool("global").map_err(|error| error.code()), refused);
    engine.replays(&[GATEWAY]);
    assert_eq!(engine.takes_pool("global").map_err(|error| error.code()), refused);
}

/// The plugin was restarted and the engine was not: a session begins without
/// a replay, and another network gets what looks like one.
#[test]
fn a_network_that_shares_a_pool_takes_only_its_own_with_it() {
    for first_to_go in [GATEWAY, "10.0.0.3"] {
        let mut engine = Engine::with_a_network();
        engine.takes("global", None, "10.0.0.2").unwrap();
        engine.begins_a_session();
        engine.takes_pool("global").unwrap();
        engine.takes_gateway(None, "10.0.0.3").unwrap();
        engine.releases("global", first_to_go);
        engine.releases_pool("global");
        assert_eq!(engine.leased("global").len(), 2, "{first_to_go} went");
        for gateway in [GATEWAY, "10.0.0.3"] {
            engine.releases("global", gateway);
        }
        engine.releases_pool("global");
        assert_eq!(engine.state.holds(&id("global")), 0, "{first_to_go} went first");
    }
}

/// Such a gateway is leased only by who names it, as a manager's replay does.
#[test]
fn where_the_driver_names_the_gateway_any_lease_may_be_of_a_network() {
    let mut engine = Engine { state: State::default(), session: 1 };
    let (request, caller) = (exact("global", POOL), session(1));
    let mut grant = pool_grant("global", POOL);
    grant.data.insert(names::GATEWAY.to_owned(), "10.0.0.1/16".to_owned());
    engine.state.apply(&engine.state.check_pool(&request, &grant, &caller).unwrap());
    engine.takes("global", None, "10.0.0.2").unwrap();
    engine.begins_a_session();
    engine.takes_pool("global").unwrap();
    engine.releases_pool("global");
    assert_eq!(engine.leased("global"), ["10.0.0.2"]);
}

#[test]
fn a_node_whose_engine_was_killed_gets_its_pool_again_once() {
    let mut engine = Engine::with_a_network();
    engine.node_takes(&[GATEWAY, "10.0.0.2"]).unwrap();
    let refused = Err(Code::PoolOverlap);
    assert_eq!(engine.node_takes(&[]).map_err(|error| error.code()), refused);
    for _ in 0..3 {
        engine.replays(&[GATEWAY]);
        engine.node_takes(&[GATEWAY, "10.0.0.2"]).unwrap();
        let taken = engine.takes("local", Some("10.0.0.2"), "10.0.0.2");
        assert_eq!(taken, Err(Code::IpAlreadyAllocated.into()), "asked for since it came back");
        assert_eq!(engine.node_takes(&[]).map_err(|error| error.code()), refused);
    }
    engine.begins_a_session();
    let taken = engine.takes("local", Some("10.0.0.2"), "10.0.0.2");
    assert_eq!(taken, Err(Code::IpAlreadyAllocated.into()), "the plugin alone was restarted");
    // What it forgot goes with the pool.
    engine.releases("local", GATEWAY);
    engine.releases_pool("local");
    assert_eq!(engine.state.holds(&id("local")), 0);
    assert_eq!(engine.leased("local"), [""; 0]);
}

#[test]
fn nobody_but_a_swarms_node_repeats_in_the_local_space() {
    let refused = Err(Code::PoolOverlap);
    // A network of the host's own: its gateway was the driver's choice.
    let mut engine = Engine::with_a_network();
    engine.takes_pool("local").unwrap();
    engine.takes("local", None, GATEWAY).unwrap();
    engine.begins_a_session();
    assert_eq!(engine.takes_pool("local").map_err(|error| error.code()), refused);
    let taken = engine.takes("local", Some(GATEWAY), GATEWAY);
    assert_eq!(taken, Err(Code::IpAlreadyAllocated.into()));

    // One that no manager of this host knows of.
    let mut engine = Engine { state: State::default(), session: 1 };
    engine.node_takes(&[GATEWAY]).unwrap();
    engine.begins_a_session();
    assert_eq!(engine.takes_pool("local").map_err(|error| error.code()), refused);
}

#[test]
fn what_a_node_was_granted_since_it_came_back_is_not_left_behind() {
    let mut engine = Engine::with_a_network();
    engine.node_takes(&[GATEWAY]).unwrap();
    engine.begins_a_session();
    engine.node_takes(&["10.0.0.7"]).unwrap();
    let taken = engine.takes("local", Some("10.0.0.7"), "10.0.0.7");
    assert_eq!(taken, Err(Code::IpAlreadyAllocated.into()));
}
