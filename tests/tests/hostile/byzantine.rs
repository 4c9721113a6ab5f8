//! A driver that answers at random, asked over sixteen connections: whatever
//! is answered as a success is right, by books that are kept here.
//!
//! It breaks all the time, so it runs under a service whose breaker never
//! opens and that does not pause. `WIPAM_BYZANTINE` says how many requests
//! (20,000; `.ci/run --long` says a million), `WIPAM_SEED` with which seed.

use ipam_api::{DriverName, IpNet, PoolId};
use ipam_ledger::MemoryStore;
use ipam_runtime::Runtime;
use ipam_service::{Limits, LoadOptions, Origin, Service};
use ipam_tests::{http::Client, naive::overlap, programs, stack::Stack};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    net::IpAddr,
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

const CONNECTIONS: u64 = 16;
/// What every connection takes addresses of.
const SHARED: &str = "10.66.0.0/20";

/// What callers hold.
#[derive(Default)]
struct Books {
    pools: BTreeMap<String, Held>,
    /// By prefix and address, with the pool id it is held under.
    leases: BTreeMap<(IpNet, IpAddr), String>,
    granted: usize,
    refused: usize,
    broken: usize,
}

/// A pool that callers hold.
#[derive(Debug)]
struct Held {
    pool: IpNet,
    /// How often: more than once only "no pool".
    holds: usize,
    is_exact: bool,
    /// How many successes were in the books before it.
    since: usize,
}

/// One caller, with a generator of its own.
struct Caller<'a> {
    client: Client,
    books: &'a Mutex<Books>,
    random: u64,
    asked: u64,
    pools: Vec<(String, IpNet, Option<IpNet>)>,
    leases: Vec<(String, IpNet, IpAddr)>,
}

fn number(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().unwrap())
}

impl Caller<'_> {
    fn below(&mut self, end: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }

    fn pick(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }

    /// Asks; what is no success is counted, and tells nothing that it must not.
    fn ask(&mut self, call: &str, mut body: Value) -> Option<Value> {
        self.asked += 1;
        // The driver's generator is stirred by what it is asked.
        body["Options"] = json!({"nonce": self.below(1 << 31).to_string()});
        let answer = self.client.post(&format!("/IpamDriver.{call}"), &body.to_string()).unwrap();
        let mut books = self.books.lock().unwrap();
        if answer.status == 200 {
            books.granted += 1;
            return Some(answer.body);
        }
        let words = answer.body["Err"].as_str().unwrap();
        assert!(words.len() <= 1 << 10, "{} bytes of words", words.len());
        if words == "IPAM Internal Error" {
            books.broken += 1;
        } else {
            books.refused += 1;
        }
        None
    }

    fn request_pool(&mut self) {
        let v6 = self.below(4) == 0;
        let exact: IpNet = format!("10.66.{}.0/24", 16 + self.below(64)).parse().unwrap();
        let half = IpNet::new(exact.network(), 25).unwrap();
        let length = [22, 24, 25, 28][self.pick(4)];
        let (pool, sub_pool) = match self.below(4) {
            0 => (exact.to_string(), Some(half)),
            1 => (exact.to_string(), None),
            2 if !v6 => (format!("0.0.0.0/{length}"), None),
            _ => (String::new(), None),
        };
        let is_exact = pool == exact.to_string();
        let is_sized = pool.starts_with("0.");
        let sub = sub_pool.map_or_else(String::new, |sub_pool| sub_pool.to_string());
        let v6 = v6 && !is_exact && !is_sized;
        let body = json!({"AddressSpace": "zoo", "Pool": pool, "SubPool": sub, "V6": v6});
        let asked = self.books.lock().unwrap().granted;
        let Some(body) = self.ask("RequestPool", body) else { return };
        let id = body["PoolID"].as_str().unwrap().to_owned();
        let pool: IpNet = body["Pool"].as_str().unwrap().parse().unwrap();
        assert_eq!(pool, pool.trunc(), "{body}");
        assert!((1..=256).contains(&id.len()), "{body}");
        let is_no_pool = pool.prefix_len() == 0;
        let mut books = self.books.lock().unwrap();
        if is_exact {
            assert_eq!(pool, exact, "{body}");
        } else {
            assert_eq!(pool.network().is_ipv6(), v6, "{body}");
            assert!(!is_sized || pool.prefix_len() == length, "{length}: {body}");
            // An exact pool may overlap, if the driver likes it: one that came
            // to the books while this was asked may have been granted later.
            let counts = |live: &&Held| {
                live.pool.prefix_len() > 0
                    && !is_no_pool
                    && (!live.is_exact || live.since <= asked)
                    && overlap(&live.pool, &pool)
            };
            let met: Vec<_> = books.pools.values().filter(counts).collect();
            assert!(met.is_empty(), "{body} overlaps {met:?}");
        }
        let since = books.granted;
        let held = Held { pool, holds: 0, is_exact, since };
        let held = books.pools.entry(id.clone()).or_insert(held);
        held.holds += 1;
        assert!(held.holds == 1 || (is_no_pool && held.pool == pool), "{body} is {held:?}");
        drop(books);
        self.pools.push((id, pool, sub_pool));
    }

    fn request_address(&mut self) {
        let own = self.pick(2 * self.pools.len() + 1);
        let shared = || (SHARED.to_owned(), SHARED.parse().unwrap(), None);
        let (id, pool, sub_pool) = self.pools.get(own).cloned().unwrap_or_else(shared);
        let asked: Option<IpAddr> = (self.below(2) == 0).then(|| {
            let low = u32::try_from(self.below(1 << 8)).unwrap();
            match pool.network() {
                IpAddr::V4(v4) => IpAddr::V4((u32::from(v4) | low).into()),
                IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) | u128::from(low)).into()),
            }
        });
        let text = asked.map_or_else(String::new, |address| address.to_string());
        let body = json!({"PoolID": id, "Address": text});
        let Some(body) = self.ask("RequestAddress", body) else { return };
        let Some(address) = body["Address"].as_str().filter(|text| !text.is_empty()) else {
            // Of "no pool" there is none, even by name, as the null driver has it.
            return assert!(asked.is_none() || pool.prefix_len() == 0, "{text}: {body}");
        };
        let address: IpNet = address.parse().unwrap();
        assert!(pool.prefix_len() > 0, "{body} of no pool");
        assert_eq!(address.prefix_len(), pool.prefix_len(), "{body}");
        let address = address.addr();
        assert!(pool.contains(&address), "{body} is not of {pool}");
        match asked {
            Some(asked) => assert_eq!(address, asked, "{body}"),
            None => assert!(sub_pool.is_none_or(|it| it.contains(&address)), "{body}"),
        }
        let owner = self.books.lock().unwrap().leases.insert((pool, address), id.clone());
        assert_eq!(owner, None, "{body} is held");
        self.leases.push((id, pool, address));
    }

    /// The ledger decides about releases, whatever the driver says to them.
    fn release(&mut self) {
        if self.leases.len() > 6 || (self.below(2) == 0 && !self.leases.is_empty()) {
            let at = self.pick(self.leases.len());
            let (id, pool, address) = self.leases.swap_remove(at);
            // Out of the books before it can be granted again.
            self.books.lock().unwrap().leases.remove(&(pool, address)).unwrap();
            let body = json!({"PoolID": id, "Address": address.to_string()});
            self.ask("ReleaseAddress", body).expect("a release goes through");
        } else if !self.pools.is_empty() {
            let at = self.pick(self.pools.len());
            let (id, ..) = self.pools.swap_remove(at);
            let mut books = self.books.lock().unwrap();
            let held = books.pools.get_mut(&id).unwrap();
            held.holds -= 1;
            if held.holds == 0 {
                books.pools.remove(&id);
                books.leases.retain(|_, under| *under != id);
                self.leases.retain(|(under, ..)| *under != id);
            }
            drop(books);
            self.ask("ReleasePool", json!({"PoolID": id})).expect("a release goes through");
        }
    }

    fn run(&mut self, requests: u64) {
        while self.asked < requests {
            match self.below(8) {
                0 if self.pools.len() < 4 => self.request_pool(),
                0..4 => self.release(),
                _ => self.request_address(),
            }
        }
    }
}

fn service() -> Arc<Service> {
    let limits = Limits {
        faults_max: usize::MAX,
        faults_window: Duration::ZERO,
        backoff_min: Duration::ZERO,
        backoff_max: Duration::ZERO,
        ..Limits::default()
    };
    let component = programs::component("byzantine");
    let component = Runtime::new(None).unwrap().load("byzantine", &component, Default::default());
    let service = Service::new(Box::new(MemoryStore::default()), limits).unwrap();
    let config = json!({"seed": number("WIPAM_SEED", 1)}).to_string();
    let options = LoadOptions { config, ..LoadOptions::new(Origin::Component) };
    service.load(Arc::new(component.unwrap()), options).unwrap();
    Arc::new(service)
}

fn connect<'a>(socket: &Path, books: &'a Mutex<Books>, seed: u64) -> Caller<'a> {
    let random = 0x9e37_79b9_7f4a_7c15u64.wrapping_mul(seed + 1);
    let client = Client::connect(socket).unwrap();
    Caller { client, books, random, asked: 0, pools: Vec::new(), leases: Vec::new() }
}

#[test]
fn whatever_a_driver_at_random_comes_to_is_right_or_no_success() {
    let (seed, requests) = (number("WIPAM_SEED", 1), number("WIPAM_BYZANTINE", 20_000));
    let service = service();
    let stack = Stack::of(service.clone());
    let socket = stack.socket_of("byzantine");
    let books = Mutex::new(Books::default());
    let mut first = connect(&socket, &books, seed);
    let shared = json!({"AddressSpace": "zoo", "Pool": SHARED});
    while first.ask("RequestPool", shared.clone()).is_none() {}
    let held = Held { pool: SHARED.parse().unwrap(), holds: 1, is_exact: true, since: 0 };
    books.lock().unwrap().pools.insert(SHARED.to_owned(), held);
    thread::scope(|scope| {
        for connection in 0..CONNECTIONS {
            let (socket, books) = (&socket, &books);
            let seed = seed * CONNECTIONS + connection;
            scope.spawn(move || connect(socket, books, seed).run(requests / CONNECTIONS));
        }
    });
    let books = books.into_inner().unwrap();
    let Books { granted, refused, broken, .. } = books;
    println!("seed {seed}: {granted} successes, {refused} refusals, {broken} failures");
    // Or it would have shown nothing.
    assert!(granted > broken / 4 && broken > granted / 20 && refused > 0);

    let name: DriverName = "byzantine".parse().unwrap();
    let (pools, leases) = service
        .look(&name, |state| {
            let pools: BTreeSet<PoolId> = state.pools().map(|it| it.pool_id.clone()).collect();
            let leases: BTreeSet<_> =
                state.leases().map(|it| (it.address.trunc(), it.address.addr())).collect();
            (pools, leases)
        })
        .unwrap();
    let pools: BTreeSet<_> = pools.iter().map(PoolId::to_string).collect();
    assert_eq!(pools, books.pools.into_keys().collect());
    assert_eq!(leases, books.leases.into_keys().collect());
}
