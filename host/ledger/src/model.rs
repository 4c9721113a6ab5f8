//! The ledger against the dumbest thing that works: two lists, searched from
//! end to end.

use crate::{Caller, Course, Event, Session, State};
use ipam_api::{
    AddressGrant, AddressRequest, Code, Error, Family, IpNet, Options, PoolChoice, PoolGrant,
    PoolId, PoolRequest, Receipt, names,
};
use proptest::prelude::*;
use std::net::IpAddr;

const GLOBAL: &str = "global";

#[derive(Debug, Clone)]
enum Step {
    Pool {
        request: PoolRequest,
        proposal: PoolGrant,
        session: Option<Session>,
    },
    Address {
        request: AddressRequest,
        proposal: AddressGrant,
        session: Option<Session>,
    },
    ReleasePool {
        pool_id: PoolId,
        session: Option<Session>,
    },
    ReleaseAddress {
        pool_id: PoolId,
        address: IpAddr,
    },
    /// Of the receipt with that number, counted from the last one.
    Undo(usize),
}

/// Pools with their holds, and leases with their generations, sorted.
type Contents = (Vec<(PoolId, u64)>, Vec<(IpNet, u64)>);

#[derive(Debug, PartialEq)]
enum Outcome {
    Refused(Code),
    Violation,
    Granted,
    Released,
}

#[derive(Debug, Clone)]
struct ModelPool {
    id: PoolId,
    space: String,
    prefix: IpNet,
    sub_pool: Option<IpNet>,
    is_no_pool: bool,
    generation: u64,
    created_in: Option<Session>,
    /// Everybody but the first, with the generation and session of claims.
    others: Vec<Option<(u64, Session)>>,
    /// The claim that stands.
    claim: Option<(u64, Session)>,
}

#[derive(Debug, Clone)]
struct ModelLease {
    id: PoolId,
    space: String,
    address: IpNet,
    generation: u64,
    created_in: Option<Session>,
    claimed_in: Option<Session>,
}

#[derive(Debug, Default)]
struct Model {
    pools: Vec<ModelPool>,
    leases: Vec<ModelLease>,
    generation: u64,
}

fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}

impl Model {
    fn pool(&self, id: &PoolId) -> Option<&ModelPool> {
        self.pools.iter().find(|pool| pool.id == *id)
    }

    fn lease_at(&self, pool: &ModelPool, address: IpAddr) -> Option<usize> {
        let key = (&pool.space, pool.prefix, address);
        self.leases
            .iter()
            .position(|lease| (&lease.space, lease.address.trunc(), lease.address.addr()) == key)
    }

    fn request_pool(
        &mut self,
        request: &PoolRequest,
        proposal: &PoolGrant,
        session: Option<Session>,
    ) -> Outcome {
        let space = &request.address_space;
        let is_exact = matches!(request.pool, PoolChoice::Exact(_));
        if let PoolChoice::Exact(prefix) = request.pool {
            let repeated = self.pools.iter_mut().find(|pool| {
                !pool.is_no_pool
                    && (&pool.space, pool.prefix, pool.sub_pool)
                        == (space, prefix, request.sub_pool)
            });
            if let Some(pool) = repeated {
                let claims = session.filter(|_| space == GLOBAL);
                let Some(session) = claims.filter(|&session| {
                    pool.created_in != Some(session)
                        && pool.claim.map(|claim| claim.1) != Some(session)
                }) else {
                    return Outcome::Refused(Code::PoolOverlap);
                };
                self.generation += 1;
                pool.claim = Some((self.generation, session));
                pool.others.push(pool.claim);
                return Outcome::Granted;
            }
        }
        let is_no_pool = !is_exact && proposal.pool.prefix_len() == 0;
        let fits = match request.pool {
            PoolChoice::Exact(prefix) => proposal.pool == prefix,
            PoolChoice::Automatic(family) => Family::of(&proposal.pool) == family,
            PoolChoice::Sized(family, length) => {
                Family::of(&proposal.pool) == family && proposal.pool.prefix_len() == length
            }
        };
        if !fits || proposal.pool.trunc() != proposal.pool {
            return Outcome::Violation;
        }
        if let Some(pool) = self.pools.iter_mut().find(|pool| pool.id == proposal.pool_id) {
            if pool.is_no_pool && is_no_pool && (&pool.space, pool.prefix) == (space, proposal.pool)
            {
                pool.others.push(None);
                return Outcome::Granted;
            }
            return Outcome::Violation;
        }
        let collides = |pool: &ModelPool| {
            !pool.is_no_pool && pool.space == *space && overlap(&pool.prefix, &proposal.pool)
        };
        if !is_exact && !is_no_pool && self.pools.iter().any(collides) {
            return Outcome::Violation;
        }
        self.generation += 1;
        self.pools.push(ModelPool {
            id: proposal.pool_id.clone(),
            space: space.clone(),
            prefix: proposal.pool,
            sub_pool: request.sub_pool,
            is_no_pool,
            generation: self.generation,
            created_in: session,
            others: Vec::new(),
            claim: None,
        });
        Outcome::Granted
    }

    fn request_address(
        &mut self,
        request: &AddressRequest,
        proposal: &AddressGrant,
        session: Option<Session>,
    ) -> Outcome {
        let Some(pool) = self.pool(&request.pool_id).cloned() else {
            return Outcome::Refused(Code::Other(ipam_api::Kind::NotFound));
        };
        if let Some(address) = request.address {
            if !pool.prefix.contains(&address) {
                return Outcome::Refused(Code::IpOutOfRange);
            }
            if let Some(at) = self.lease_at(&pool, address) {
                let lease = &mut self.leases[at];
                let is_serial = request.options.get(names::ALLOC_SERIAL_PREFIX).map(String::as_str)
                    == Some("true");
                let claims = session.filter(|&session| {
                    is_serial
                        && pool.space == GLOBAL
                        && lease.id == request.pool_id
                        && lease.created_in != Some(session)
                        && lease.claimed_in != Some(session)
                });
                let Some(session) = claims else {
                    return Outcome::Refused(Code::IpAlreadyAllocated);
                };
                lease.claimed_in = Some(session);
                return Outcome::Granted;
            }
        }
        let Some(proposed) = proposal.address else {
            let is_fine = request.address.is_none() || pool.is_no_pool;
            return if is_fine { Outcome::Granted } else { Outcome::Violation };
        };
        let fits = !pool.is_no_pool
            && pool.prefix.contains(&proposed.addr())
            && proposed.prefix_len() == pool.prefix.prefix_len()
            && match (request.address, pool.sub_pool) {
                (Some(asked), _) => asked == proposed.addr(),
                (None, Some(sub_pool)) => sub_pool.contains(&proposed.addr()),
                (None, None) => true,
            }
            && self.lease_at(&pool, proposed.addr()).is_none();
        if !fits {
            return Outcome::Violation;
        }
        self.generation += 1;
        self.leases.push(ModelLease {
            id: request.pool_id.clone(),
            space: pool.space,
            address: proposed,
            generation: self.generation,
            created_in: session,
            claimed_in: None,
        });
        Outcome::Granted
    }

    /// Drops one hold: that claim, or anybody's.
    fn drop_hold(&mut self, id: &PoolId, claim: Option<(u64, Session)>) {
        let Some(at) = self.pools.iter().position(|pool| pool.id == *id) else { return };
        let pool = &mut self.pools[at];
        if pool.others.pop().is_some() {
            if claim.is_some() {
                pool.claim = None;
            }
        } else {
            self.leases.retain(|lease| lease.id != *id);
            self.pools.remove(at);
        }
    }

    fn release_pool(&mut self, id: &PoolId, session: Option<Session>) -> Outcome {
        let Some(pool) = self.pool(id) else { return Outcome::Refused(Code::BadPool) };
        let claims = session.filter(|_| pool.space == GLOBAL);
        let claim = pool.claim.filter(|claim| Some(claim.1) == claims);
        self.drop_hold(id, claim);
        Outcome::Released
    }

    fn release_address(&mut self, id: &PoolId, address: IpAddr) -> Outcome {
        let Some(pool) = self.pool(id) else {
            return Outcome::Refused(Code::Other(ipam_api::Kind::NotFound));
        };
        if !pool.prefix.contains(&address) {
            return Outcome::Refused(Code::IpOutOfRange);
        }
        if let Some(at) = self.lease_at(pool, address) {
            self.leases.remove(at);
        }
        Outcome::Released
    }

    fn undo(&mut self, receipt: &Receipt) {
        let Receipt { pool_id, address, generation } = receipt;
        if address.is_some() {
            self.leases.retain(|lease| lease.generation != *generation);
        } else if let Some(pool) = self.pool(pool_id) {
            let claim = pool.claim.filter(|claim| claim.0 == *generation);
            if claim.is_some() || pool.generation == *generation {
                self.drop_hold(pool_id, claim);
            }
        }
    }

    fn contents(&self) -> Contents {
        let mut pools: Vec<_> =
            self.pools.iter().map(|pool| (pool.id.clone(), 1 + pool.others.len() as u64)).collect();
        let mut leases: Vec<_> =
            self.leases.iter().map(|lease| (lease.address, lease.generation)).collect();
        pools.sort();
        leases.sort();
        (pools, leases)
    }
}

fn contents(state: &State) -> Contents {
    let mut pools: Vec<_> =
        state.pools().map(|pool| (pool.pool_id.clone(), state.holds(&pool.pool_id))).collect();
    let mut leases: Vec<_> =
        state.leases().map(|lease| (lease.address, lease.generation)).collect();
    pools.sort();
    leases.sort();
    (pools, leases)
}

/// What a service does with the state, and the events that came of it.
fn take(state: &mut State, step: &Step, receipts: &[Receipt]) -> (Option<Outcome>, Vec<Event>) {
    let caller = |session| Caller { global_space: Some(GLOBAL), session };
    let refused = |error: Error| (Some(Outcome::Refused(error.code())), Vec::new());
    let granted = |events| (Some(Outcome::Granted), events);
    let violated = (Some(Outcome::Violation), Vec::new());
    match step {
        Step::Pool { request, proposal, session } => {
            match state.before_pool(request, &caller(*session)) {
                Err(error) => refused(error),
                Ok(Course::Claim { event, .. }) => granted(vec![event]),
                Ok(Course::Ask) => match state.check_pool(request, proposal, &caller(*session)) {
                    Ok(event) => granted(vec![event]),
                    Err(_) => violated,
                },
            }
        }
        Step::Address { request, proposal, session } => {
            match state.before_address(request, &caller(*session)) {
                Err(error) => refused(error),
                Ok(Course::Claim { event, .. }) => granted(vec![event]),
                Ok(Course::Ask) => {
                    match state.check_address(request, proposal, &caller(*session)) {
                        Ok(event) => granted(event.into_iter().collect()),
                        Err(_) => violated,
                    }
                }
            }
        }
        Step::ReleasePool { pool_id, session } => {
            match state.release_pool(pool_id, &caller(*session)) {
                Ok(events) => (Some(Outcome::Released), events),
                Err(error) => refused(error),
            }
        }
        Step::ReleaseAddress { pool_id, address } => {
            match state.release_address(pool_id, *address) {
                Ok(event) => (Some(Outcome::Released), event.into_iter().collect()),
                Err(error) => refused(error),
            }
        }
        Step::Undo(back) => {
            let receipt = receipts.iter().rev().nth(*back);
            (None, receipt.map(|receipt| state.undo(receipt)).unwrap_or_default())
        }
    }
}

/// Few of everything, so that all of it meets.
fn prefix() -> impl Strategy<Value = IpNet> {
    prop::sample::select(vec![
        "10.0.0.0/8",
        "10.0.0.0/24",
        "10.0.1.0/24",
        "10.0.0.0/30",
        "10.128.0.0/9",
        "0.0.0.0/0",
        "10.0.0.7/24",
        "fd00::/64",
        "fd00::/126",
        "::/0",
    ])
    .prop_map(|text| text.parse().expect("a prefix"))
}

fn address() -> impl Strategy<Value = IpAddr> {
    let text = prop_oneof![
        6 => Just("10.0.0.1"),
        3 => prop::sample::select(vec!["10.0.0.0", "10.0.0.2", "fd00::1"]),
        1 => Just("10.0.1.1"),
    ];
    text.prop_map(|text| text.parse().expect("an address"))
}

fn pool_id() -> impl Strategy<Value = PoolId> {
    let text =
        prop_oneof![3 => Just("a"), 2 => Just("b"), 2 => prop::sample::select(vec!["c", "d", "e"])];
    text.prop_map(|text| PoolId::try_from(text).expect("an id"))
}

fn session() -> impl Strategy<Value = Option<Session>> {
    prop::option::of((1..4u64).prop_map(Session))
}

fn choice() -> impl Strategy<Value = PoolChoice> {
    let family = prop::sample::select(vec![Family::Ipv4, Family::Ipv6]);
    prop_oneof![
        family.clone().prop_map(PoolChoice::Automatic),
        (family, prop::sample::select(vec![0, 8, 24, 64]))
            .prop_map(|(family, length)| PoolChoice::Sized(family, length)),
        prefix().prop_map(|prefix| PoolChoice::Exact(prefix.trunc())),
        prefix().prop_map(|prefix| PoolChoice::Exact(prefix.trunc())),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let space = prop::sample::select(vec!["local", GLOBAL]);
    let pool = (
        space,
        choice(),
        prop::option::of(prefix()),
        pool_id(),
        prefix(),
        any::<bool>(),
        session(),
    )
        .prop_map(|(space, pool, sub_pool, pool_id, other, is_honest, session)| {
            let prefix = match pool {
                PoolChoice::Exact(prefix) if is_honest => prefix,
                PoolChoice::Exact(_) | PoolChoice::Automatic(_) | PoolChoice::Sized(..) => other,
            };
            let sub_pool = sub_pool.filter(|_| matches!(pool, PoolChoice::Exact(_)));
            let address_space = space.to_owned();
            let request = PoolRequest {
                address_space,
                pool,
                sub_pool,
                options: Options::new(),
                exclude: Vec::new(),
            };
            let proposal = PoolGrant { pool_id, pool: prefix, data: Options::new() };
            Step::Pool { request, proposal, session }
        });
    let lengths = prop::sample::select(vec![24, 24, 24, 24, 24, 24, 64, 8]);
    let lease = (
        pool_id(),
        prop::option::of(address()),
        prop::option::of(address()),
        lengths,
        any::<(bool, bool)>(),
        session(),
    )
        .prop_map(|(pool_id, asked, proposed, length, (is_serial, is_honest), session)| {
            let options = if is_serial {
                Options::from([(names::ALLOC_SERIAL_PREFIX.to_owned(), "true".to_owned())])
            } else {
                Options::new()
            };
            let proposed = if is_honest { asked.or(proposed) } else { proposed };
            let address = proposed.and_then(|address| IpNet::new(address, length).ok());
            let request = AddressRequest { pool_id, address: asked, options };
            let proposal = AddressGrant { address, data: Options::new() };
            Step::Address { request, proposal, session }
        });
    prop_oneof![
        3 => pool,
        12 => lease,
        1 => (pool_id(), session()).prop_map(|(pool_id, session)| Step::ReleasePool { pool_id, session }),
        3 => (pool_id(), address()).prop_map(|(pool_id, address)| Step::ReleaseAddress { pool_id, address }),
        3 => (0..6usize).prop_map(Step::Undo),
    ]
}

/// Pools that most of the addresses are of, two of them with one prefix.
fn prologue() -> Vec<Step> {
    let pool = |id: &str, space: &str, prefix: &str, sub_pool: Option<&str>| {
        let prefix: IpNet = prefix.parse().expect("a prefix");
        Step::Pool {
            request: PoolRequest {
                address_space: space.to_owned(),
                pool: PoolChoice::Exact(prefix),
                sub_pool: sub_pool.map(|text| text.parse().expect("a prefix")),
                options: Options::new(),
                exclude: Vec::new(),
            },
            proposal: PoolGrant {
                pool_id: PoolId::try_from(id).expect("an id"),
                pool: prefix,
                data: Options::new(),
            },
            session: None,
        }
    };
    vec![
        pool("a", GLOBAL, "10.0.0.0/24", None),
        pool("b", GLOBAL, "10.0.0.0/24", Some("10.0.0.0/30")),
        pool("c", "local", "fd00::/64", None),
    ]
}

proptest! {
    /// Whatever is asked and however the driver lies, the ledger decides like
    /// the two lists and holds what they hold; and whoever applies its events
    /// to nothing holds the same.
    #[test]
    fn decides_and_holds_like_two_lists(steps in prop::collection::vec(step(), 0..120)) {
        let (mut state, mut model) = (State::default(), Model::default());
        let (mut receipts, mut history) = (Vec::new(), Vec::new());
        for step in prologue().iter().chain(&steps) {
            let (outcome, events) = take(&mut state, step, &receipts);
            let expected = match step {
                Step::Pool { request, proposal, session } => Some(model.request_pool(request, proposal, *session)),
                Step::Address { request, proposal, session } => Some(model.request_address(request, proposal, *session)),
                Step::ReleasePool { pool_id, session } => Some(model.release_pool(pool_id, *session)),
                Step::ReleaseAddress { pool_id, address } => Some(model.release_address(pool_id, *address)),
                Step::Undo(back) => {
                    receipts.iter().rev().nth(*back).into_iter().for_each(|receipt| model.undo(receipt));
                    None
                }
            };
            prop_assert_eq!(outcome, expected, "{:?}", step);
            for event in events {
                state.apply(&event);
                receipts.extend(event.receipt().filter(|_| !event.is_release()));
                history.push(event);
            }
            prop_assert_eq!(contents(&state), model.contents(), "after {:?}", step);
        }
        let mut again = State::default();
        history.iter().for_each(|event| again.apply(event));
        prop_assert_eq!(contents(&again), contents(&state));
        prop_assert!(again.replay().eq(state.replay()));
    }
}
