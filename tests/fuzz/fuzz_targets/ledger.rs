//! Whatever is asked and however a driver lies: what the ledger grants keeps
//! to the contract, and its events alone make the same ledger again.

#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use ipam_api::{
    AddressGrant, AddressRequest, Family, IpNet, Options, PoolChoice, PoolGrant, PoolId,
    PoolRequest, Receipt, names,
};
use ipam_ledger::{Asked, Audit, Caller, Decision, Event, State};
use libfuzzer_sys::fuzz_target;
use std::{collections::HashSet, net::IpAddr};

const SPACES: [&str; 2] = ["local", "global"];

#[derive(Debug, Arbitrary)]
enum Step {
    Pool {
        global: bool,
        choice: Choice,
        sub_pool: Option<Net>,
        id: u8,
        answer: Option<Net>,
    },
    Address {
        id: u8,
        asked: Option<Ip>,
        answer: Option<Ip>,
        length: u8,
        flags: u8,
    },
    ReleasePool {
        id: u8,
    },
    /// An engine asks what is needed, perhaps of a process just started.
    Begin {
        is_restart: bool,
    },
    ReleaseAddress {
        id: u8,
        address: Ip,
    },
    Undo {
        back: u8,
    },
    TakeBack {
        back: u8,
        as_of: u8,
    },
}

#[derive(Debug, Arbitrary)]
enum Choice {
    Automatic(bool),
    Sized(bool, u8),
    Exact(Net),
}

/// Few networks, so that they meet: 10.x.0.0 or fd00:x::.
#[derive(Debug, Clone, Copy)]
struct Net(IpNet);

#[derive(Debug, Clone, Copy)]
struct Ip(IpAddr);

impl Arbitrary<'_> for Ip {
    fn arbitrary(u: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
        let (v6, net, host): (bool, u8, u8) = u.arbitrary()?;
        Ok(Self(if v6 {
            IpAddr::from([0xfd00, u16::from(net % 3), 0, 0, 0, 0, 0, u16::from(host)])
        } else {
            IpAddr::from([10, net % 3, 0, host])
        }))
    }
}

impl Arbitrary<'_> for Net {
    fn arbitrary(u: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
        let Ip(ip) = u.arbitrary()?;
        let bits = if ip.is_ipv4() { 32 } else { 128 };
        let length = u.int_in_range(0..=bits)?;
        Ok(Self(IpNet::new(ip, length).expect("it is in range")))
    }
}

fn id(number: u8) -> PoolId {
    PoolId::try_from(&*format!("p{}", number % 6)).expect("an id")
}

fn family(v6: bool) -> Family {
    if v6 { Family::Ipv6 } else { Family::Ipv4 }
}

/// What the service does with each step: what it grants, and the events.
fn take(state: &State, caller: &mut Caller<'_>, step: &Step, receipts: &[Receipt]) -> Vec<Event> {
    match step {
        Step::Pool { global, choice, sub_pool, id: number, answer } => {
            let pool = match choice {
                Choice::Automatic(v6) => PoolChoice::Automatic(family(*v6)),
                Choice::Sized(v6, bits) => {
                    PoolChoice::Sized(family(*v6), bits % (family(*v6).bits() + 1))
                }
                Choice::Exact(net) => PoolChoice::Exact(net.0.trunc()),
            };
            let exact = match pool {
                PoolChoice::Exact(net) => Some(net),
                PoolChoice::Automatic(_) | PoolChoice::Sized(..) => None,
            };
            // The edge lets nothing else through.
            let sub_pool = sub_pool
                .map(|net| net.0.trunc())
                .filter(|sub| exact.is_some_and(|pool| Family::of(&pool) == Family::of(sub)));
            let request = PoolRequest {
                address_space: SPACES[usize::from(*global)].to_owned(),
                pool,
                sub_pool,
                options: Options::new(),
                exclude: Vec::new(),
            };
            let Some(granted) = answer.map(|net| net.0).or(exact) else { return Vec::new() };
            let grant = PoolGrant { pool_id: id(*number), pool: granted, data: Options::new() };
            match state.before_pool(&request, caller) {
                Ok(Decision::Claim { event, .. }) => vec![event],
                Ok(Decision::Ask) => {
                    state.check_pool(&request, &grant, caller).into_iter().collect()
                }
                Err(_) => Vec::new(),
            }
        }
        Step::Address { id: number, asked, answer, length, flags } => {
            let options = [
                (names::ALLOC_SERIAL_PREFIX, "true", flags & 1),
                (names::REQUEST_ADDRESS_TYPE, names::GATEWAY, flags & 2),
            ];
            let options = options.into_iter().filter(|(.., is_set)| *is_set > 0);
            let request = AddressRequest {
                pool_id: id(*number),
                address: asked.map(|ip| ip.0),
                options: options.map(|(key, value, _)| (key.into(), value.into())).collect(),
            };
            // Mostly the right length, or nothing would ever be granted.
            let right = state.pool(&id(*number)).map(|pool| pool.prefix.prefix_len());
            let length = if flags & 4 > 0 { *length } else { right.unwrap_or(*length) };
            let answer = answer.or(*asked).and_then(|ip| IpNet::new(ip.0, length).ok());
            let grant = AddressGrant { address: answer, data: Options::new() };
            match state.before_address(&request, caller) {
                Ok(Decision::Claim { event, .. }) => vec![event],
                Ok(Decision::Ask) => state
                    .check_address(&request, &grant, caller)
                    .ok()
                    .flatten()
                    .into_iter()
                    .collect(),
                Err(_) => Vec::new(),
            }
        }
        Step::ReleasePool { id: number } => {
            state.release_pool(&id(*number), caller).unwrap_or_default()
        }
        Step::Begin { is_restart } => {
            caller.asked_at = Some(state.generation());
            if *is_restart {
                caller.loaded = state.generation();
            }
            Vec::new()
        }
        Step::ReleaseAddress { id: number, address } => {
            let released = state.release_address(&id(*number), address.0);
            released.ok().flatten().into_iter().collect()
        }
        Step::Undo { back } => {
            let receipt = receipts.iter().rev().nth(usize::from(*back));
            receipt.map(|receipt| state.undo(receipt)).unwrap_or_default()
        }
        Step::TakeBack { back, as_of } => {
            let receipt = receipts.iter().rev().nth(usize::from(*back));
            receipt.map(|receipt| state.take_back(receipt, u64::from(*as_of))).unwrap_or_default()
        }
    }
}

/// What must hold of everything that is granted.
fn holds(state: &State) {
    let mut leased = HashSet::new();
    for lease in state.leases() {
        let pool = state.pool(&lease.pool_id).expect("a lease is of a pool");
        assert!(pool.prefix.contains(&lease.ip()), "{lease:?} is outside {pool:?}");
        assert_eq!(lease.address.prefix_len(), pool.prefix.prefix_len(), "{lease:?}");
        let key = (pool.address_space.clone(), pool.prefix, lease.ip());
        assert!(leased.insert(key), "{lease:?} is held twice");
        assert!(lease.generation <= state.generation());
    }
    let pools: Vec<_> = state.pools().collect();
    for pool in &pools {
        assert!(state.holds(&pool.pool_id) >= 1);
        assert_eq!(pool.prefix, pool.prefix.trunc());
        assert_eq!(state.leases_of(&pool.pool_id).count(), state.lease_count(&pool.pool_id));
    }
    assert_eq!(state.lease_total(), leased.len());
}

/// An automatic pool overlaps none that is there already in its space.
fn is_apart(state: &State, event: &Event) {
    let Event::PoolGranted(pool) = event else { return };
    for other in state.pools().filter(|_| pool.asked == Asked::Automatic) {
        let is_apart = other.address_space != pool.address_space
            || pool.is_no_pool()
            || other.is_no_pool()
            || !(other.prefix.contains(&pool.prefix) || pool.prefix.contains(&other.prefix));
        assert!(is_apart, "{pool:?} overlaps {other:?}");
    }
}

fuzz_target!(|steps: Vec<Step>| {
    let (mut state, mut again) = (State::default(), State::default());
    let mut receipts = Vec::new();
    let cause = Audit::default();
    let mut caller = Caller { cause, global_space: Some("global"), loaded: 0, asked_at: None };
    for step in steps.iter().take(200) {
        for event in take(&state, &mut caller, step, &receipts) {
            is_apart(&state, &event);
            state.apply(&event);
            again.apply(&event);
            receipts.extend(event.receipt().filter(|_| !event.is_release()));
        }
        holds(&state);
    }
    assert_eq!(state, again);
});
