//! The ledger against two plain lists.

use crate::{
    Audit, Caller, Decision, Event, State,
    model::{Contents, GLOBAL, Model, Outcome},
};
use ipam_api::{
    AddressGrant, AddressRequest, Error, Family, IpNet, Options, PoolChoice, PoolGrant, PoolId,
    PoolRequest, Receipt, Writes, names,
};
use proptest::prelude::*;
use std::{net::IpAddr, sync::Arc};

#[derive(Debug, Clone)]
enum Step {
    Pool {
        request: PoolRequest,
        proposal: PoolGrant,
    },
    Address {
        request: AddressRequest,
        proposal: AddressGrant,
    },
    ReleasePool {
        pool_id: PoolId,
    },
    /// An engine asks what is needed, perhaps of a process that was started
    /// right before.
    Begin {
        is_restart: bool,
    },
    ReleaseAddress {
        pool_id: PoolId,
        address: IpAddr,
    },
    /// Of the receipt with that number, counted from the last one.
    Undo(usize),
    Write(Arc<Writes>),
}

fn contents(state: &State) -> Contents {
    let mut pools: Vec<_> = state
        .pools()
        .map(|pool| (pool.pool_id.clone(), state.holds(&pool.pool_id), pool.generation))
        .collect();
    let mut leases: Vec<_> =
        state.leases().map(|lease| (lease.address, lease.generation)).collect();
    pools.sort();
    leases.sort();
    let stored = state.stored().iter().map(|(key, value)| (key.clone(), value.clone()));
    (pools, leases, stored.collect())
}

fn caller() -> Caller<'static> {
    let cause = Audit::default();
    Caller { cause, global_space: Some(GLOBAL), loaded: 0, asked_at: None }
}

/// What a service does with the state, and the events that came of it.
fn take(
    state: &State,
    caller: &mut Caller<'_>,
    step: &Step,
    receipts: &[Receipt],
) -> (Option<Outcome>, Vec<Event>) {
    let refused = |error: Error| (Some(Outcome::Refused(error.code())), Vec::new());
    let granted = |events| (Some(Outcome::Granted), events);
    let violated = (Some(Outcome::Violation), Vec::new());
    match step {
        Step::Pool { request, proposal } => match state.before_pool(request, caller) {
            Err(error) => refused(error),
            Ok(Decision::Claim { event, .. }) => granted(vec![event]),
            Ok(Decision::Ask) => match state.check_pool(request, proposal, caller) {
                Ok(event) => granted(vec![event]),
                Err(_) => violated,
            },
        },
        Step::Address { request, proposal } => match state.before_address(request, caller) {
            Err(error) => refused(error),
            Ok(Decision::Claim { event, .. }) => granted(vec![event]),
            Ok(Decision::Ask) => match state.check_address(request, proposal, caller) {
                Ok(event) => granted(event.into_iter().collect()),
                Err(_) => violated,
            },
        },
        Step::ReleasePool { pool_id } => match state.release_pool(pool_id, caller) {
            Ok(events) => (Some(Outcome::Released), events),
            Err(error) => refused(error),
        },
        Step::Begin { is_restart } => {
            caller.asked_at = Some(state.generation());
            if *is_restart {
                caller.loaded = state.generation();
            }
            (None, Vec::new())
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
        Step::Write(writes) => (None, vec![Event::Stored(writes.clone())]),
    }
}

/// The same with two lists.
fn take_plainly(model: &mut Model, step: &Step, receipts: &[Receipt]) -> Option<Outcome> {
    Some(match step {
        Step::Pool { request, proposal } => model.request_pool(request, proposal),
        Step::Address { request, proposal } => model.request_address(request, proposal),
        Step::ReleasePool { pool_id } => model.release_pool(pool_id),
        Step::Begin { is_restart } => {
            model.begin(*is_restart);
            return None;
        }
        Step::ReleaseAddress { pool_id, address } => model.release_address(pool_id, *address),
        Step::Undo(back) => {
            receipts.iter().rev().nth(*back).into_iter().for_each(|receipt| model.undo(receipt));
            return None;
        }
        Step::Write(writes) => {
            model.write(writes);
            return None;
        }
    })
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

/// Gateways that may come with a pool: of one that there is, mostly.
fn gateway() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        5 => Just("10.0.0.1/24"),
        2 => Just("10.0.0.2/24"),
        1 => prop::sample::select(vec!["fd00::1/64", "10.0.0.1/8", "0.0.0.0/0", "::/0"]),
    ]
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
        (any::<bool>(), prop::option::of(gateway())),
    )
        .prop_map(|(space, pool, sub_pool, pool_id, other, (is_honest, gateway))| {
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
            let data = gateway.map(|text| (names::GATEWAY.to_owned(), text.to_owned()));
            let data = data.into_iter().collect();
            let proposal = PoolGrant { pool_id, pool: prefix, data };
            Step::Pool { request, proposal }
        });
    let lengths = prop::sample::select(vec![24, 24, 24, 24, 24, 24, 64, 8]);
    let lease = (
        pool_id(),
        prop::option::of(address()),
        prop::option::of(address()),
        lengths,
        any::<(bool, bool, bool)>(),
    )
        .prop_map(|(pool_id, asked, proposed, length, signs)| {
            let (is_serial, is_gateway, is_honest) = signs;
            let serial = is_serial.then_some((names::ALLOC_SERIAL_PREFIX, "true"));
            let gateway = is_gateway.then_some((names::REQUEST_ADDRESS_TYPE, names::GATEWAY));
            let options = serial.into_iter().chain(gateway);
            let options: Options = options.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
            let proposed = if is_honest { asked.or(proposed) } else { proposed };
            let address = proposed.and_then(|address| IpNet::new(address, length).ok());
            let request = AddressRequest { pool_id, address: asked, options };
            let proposal = AddressGrant { address, data: Options::new() };
            Step::Address { request, proposal }
        });
    let release_pool = pool_id().prop_map(|pool_id| Step::ReleasePool { pool_id });
    let begin = any::<bool>().prop_map(|is_restart| Step::Begin { is_restart });
    let release_address = (pool_id(), address())
        .prop_map(|(pool_id, address)| Step::ReleaseAddress { pool_id, address });
    let key = prop::sample::select(vec!["", "a", "aa", "b", "ß"]).prop_map(str::to_owned);
    let value = prop::option::of(prop::collection::vec(any::<u8>(), 0..4));
    let writes = prop::collection::btree_map(key, value, 1..3);
    prop_oneof![
        3 => pool,
        12 => lease,
        1 => release_pool,
        2 => begin,
        3 => release_address,
        3 => (0..6usize).prop_map(Step::Undo),
        2 => writes.prop_map(|writes| Step::Write(Arc::new(writes))),
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
        }
    };
    vec![
        pool("a", GLOBAL, "10.0.0.0/24", None),
        pool("b", GLOBAL, "10.0.0.0/24", Some("10.0.0.0/30")),
        pool("c", "local", "fd00::/64", None),
    ]
}

/// What came of random steps, step by step.
pub(crate) fn events() -> impl Strategy<Value = Vec<Vec<Event>>> {
    prop::collection::vec(step(), 0..60).prop_map(|steps| {
        let (mut state, mut receipts, mut all) = (State::default(), Vec::new(), Vec::new());
        let mut caller = caller();
        for step in prologue().iter().chain(&steps) {
            let (_, events) = take(&state, &mut caller, step, &receipts);
            events.iter().for_each(|event| state.apply(event));
            let made = events.iter().filter(|event| !event.is_release());
            receipts.extend(made.filter_map(Event::receipt));
            all.push(events);
        }
        all
    })
}

proptest! {
    /// Whatever is asked and however the driver lies, the ledger decides like
    /// the two lists and holds what they hold; and whoever applies its events
    /// to nothing holds the same.
    #[test]
    fn decides_and_holds_like_two_lists(steps in prop::collection::vec(step(), 0..120)) {
        let (mut state, mut model) = (State::default(), Model::default());
        let (mut receipts, mut history) = (Vec::new(), Vec::new());
        let mut caller = caller();
        for step in prologue().iter().chain(&steps) {
            let (outcome, events) = take(&state, &mut caller, step, &receipts);
            let expected = take_plainly(&mut model, step, &receipts);
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
