//! The rules of the ledger, one by one.

use crate::{Actor, Audit, Caller, Decision, Event, Replay, State, Time, Violation};
use ipam_api::{
    AddressGrant, AddressRequest, Code, Error, Family, IpNet, Kind, Options, PoolChoice, PoolGrant,
    PoolId, PoolRequest, Receipt, Server, names,
};

mod checks;
mod entries;
mod gateway;
mod readers;
mod recorded;
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
