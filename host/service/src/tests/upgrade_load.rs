//! Versions change under load: nothing fails, nothing is granted twice, and the
//! ledger afterwards is the one that what callers were told adds up to.

use super::{
    harness::{FlakyStore, Harness, REPLAYED, id, lease, limits, pool, pool_request},
    upgrade::{upgrade, version},
};
use crate::sync::lock;
use ipam_api::{
    AddressGrant, AddressRequest, IpNet, Options, PoolChoice, PoolGrant, Receipt, Request,
};
use ipam_ledger::{Actor, Audit, Caller, Decision, Event, Lease, Pool, State, Store as _, Time};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

const POOL: &str = "10.0.0.0/24";
/// What one caller holds at once, at most.
const HELD_MAX: usize = 5;
const CAUSE: Audit = Audit { at: Time(0), by: Actor::Host };
const NOBODY: Caller<'static> =
    Caller { cause: CAUSE, global_space: None, loaded: 0, asked_at: None };

/// What callers were told.
#[derive(Debug, Default, PartialEq)]
struct Told {
    /// Leases, by their generations.
    leases: BTreeMap<u64, IpAddr>,
    /// Generations of those that were released.
    released: BTreeSet<u64>,
}

impl Told {
    fn leased(&mut self, receipt: &Receipt) {
        let address = receipt.address.unwrap();
        let is_held = |(generation, held): (&u64, &IpAddr)| {
            *held == address && !self.released.contains(generation)
        };
        assert!(!self.leases.iter().any(is_held), "{address} was granted twice");
        assert_eq!(self.leases.insert(receipt.generation, address), None);
    }

    /// The ledger that all of it adds up to, from nothing.
    fn rebuilt(&self) -> State {
        let mut state = State::default();
        let prefix: IpNet = POOL.parse().unwrap();
        let request = pool_request(PoolChoice::Exact(prefix));
        let grant = PoolGrant { pool_id: id(POOL), pool: prefix, data: Options::new() };
        state.apply(&state.clone().check_pool(&request, &grant, &NOBODY).unwrap());
        let request = AddressRequest { pool_id: id(POOL), address: None, options: Options::new() };
        for (generation, address) in &self.leases {
            self.release_if_told(&mut state, *address);
            assert_eq!(state.before_address(&request, &NOBODY), Ok(Decision::Ask));
            let address = IpNet::new(*address, prefix.prefix_len()).ok();
            let grant = AddressGrant { address, data: Options::new() };
            let event = state.check_address(&request, &grant, &NOBODY).unwrap().unwrap();
            state.apply(&event);
            assert_eq!(state.generation(), *generation, "none is missing");
        }
        for address in self.leases.values() {
            self.release_if_told(&mut state, *address);
        }
        state
    }

    /// The leases and the releases of a history.
    fn committed(events: &[Event]) -> Self {
        let mut told = Self::default();
        for event in events {
            if let Event::AddressLeased(lease) = event {
                assert_eq!(told.leases.insert(lease.generation, lease.ip()), None);
            } else if let Event::AddressReleased(lease) = event {
                assert!(told.released.insert(lease.generation));
            }
        }
        told
    }

    fn release_if_told(&self, state: &mut State, address: IpAddr) {
        let held = state.lease(&id(POOL), address).map(|lease| lease.generation);
        if held.is_some_and(|generation| self.released.contains(&generation)) {
            let event = state.release_address(&id(POOL), address).unwrap().unwrap();
            state.apply(&event);
        }
    }
}

/// What is held, without the time at which it was granted and the version.
fn timeless(state: &State) -> State {
    assert!(state.owed().is_empty());
    let mut plain = State::default();
    for pool in state.pools() {
        assert_eq!(state.holds(&pool.pool_id), 1);
        let pool = Pool { granted: CAUSE, ..(**pool).clone() };
        plain.apply(&Event::PoolGranted(Arc::new(pool)));
    }
    for lease in state.leases() {
        let lease = Lease { granted: CAUSE, ..(**lease).clone() };
        plain.apply(&Event::AddressLeased(Arc::new(lease)));
    }
    plain.advance_to(state.generation());
    plain
}

/// Leases and releases until it is over, and keeps some.
fn load(harness: &Harness, told: &Mutex<Told>, is_over: &AtomicBool) {
    let mut mine: Vec<Receipt> = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let receipt = harness.ask(lease(POOL)).unwrap().receipt.unwrap();
        lock(told).leased(&receipt);
        mine.push(receipt);
        if mine.len() == HELD_MAX {
            let Receipt { pool_id, address, generation } = mine.remove(HELD_MAX / 2);
            // Noted before it can be granted again.
            lock(told).released.insert(generation);
            harness.ask(Request::ReleaseAddress(pool_id, address.unwrap())).unwrap();
        }
    }
}

#[test]
fn no_request_fails_while_versions_change_and_the_ledger_is_what_was_told() {
    for is_volatile in [true, false] {
        let store = FlakyStore::new(is_volatile);
        let (medium, committed) = (store.medium.clone(), store.committed.clone());
        let harness = Harness::with(Box::new(store), REPLAYED, limits());
        harness.ask(pool(POOL)).unwrap();
        let (told, is_over) = (Mutex::default(), AtomicBool::new(false));
        let upgraded = thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| load(&harness, &told, &is_over));
            }
            let one = || upgrade(&harness, &version("lab", REPLAYED).1, false);
            let (mut number, mut followed, mut upgraded) = (0, 0, Ok(Vec::new()));
            // At least one of them has something to follow, and releases, too.
            let is_idle = |followed: usize| followed == 0 || lock(&told).released.is_empty();
            while upgraded.is_ok() && (number < 20 || is_idle(followed)) && number < 1000 {
                upgraded = one();
                followed += upgraded.iter().flatten().map(|one| one.followed).sum::<usize>();
                number += 1;
            }
            is_over.store(true, Ordering::Relaxed);
            upgraded.map(|_| followed)
        });
        assert!(upgraded.unwrap() > 0, "nothing happened during an upgrade");
        let name = "lab".parse().unwrap();
        let applied = harness.service.look(&name, State::clone).unwrap();
        let scratch = lock(&told).rebuilt();
        assert_eq!(timeless(&applied), scratch);
        assert_eq!(Told::committed(&lock(&committed)), *lock(&told));
        assert_eq!(lock(&medium).load(&name).unwrap(), applied, "all of it is durable");
        assert!(scratch.leases().count() > 0 && !lock(&told).released.is_empty());
        assert_eq!(harness.service.check(&name).unwrap().differences, [""; 0]);
    }
}
