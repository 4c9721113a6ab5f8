//! Does the policy degrade? One request and its release, with few reservations and with
//! many: of who has one, of who has none, and of who is new when there is no more room.

use criterion::{Criterion, criterion_group, criterion_main};
use ipam_driver::{AddressRequest, Options, PoolChoice, PoolRequest, names};
use ipam_pools::Memory;
use ipam_sticky::Policy;
use std::hint::black_box;

const POOL: &str = "LocalDefault/10.0.0.0/16";

fn request(who: &str) -> AddressRequest {
    let mut options = Options::new();
    if !who.is_empty() {
        options.insert(names::ENDPOINT_NAME.into(), who.into());
    }
    AddressRequest { pool_id: POOL.into(), address: None, options }
}

/// A policy with room for so many reservations: all are made, and all of their addresses
/// are free.
fn policy(reservations: usize) -> Policy<Memory> {
    let config = format!(r#"{{"max-reservations": {reservations}}}"#);
    let mut policy = Policy::new(&config, Memory::new(1 << 30, 1 << 24)).expect("it is valid");
    let pool = PoolRequest {
        address_space: "LocalDefault".into(),
        pool: PoolChoice::Exact("10.0.0.0/16".parse().expect("a prefix")),
        sub_pool: None,
        options: Options::new(),
        exclude: vec![],
    };
    policy.request_pool(&pool).expect("nothing is held");
    let addresses: Vec<_> = (0..reservations)
        .map(|who| policy.request_address(&request(&who.to_string())))
        .map(|grant| grant.expect("there is room").address.expect("it grants one").addr())
        .collect();
    for address in addresses {
        policy.release_address(POOL, address).expect("it is leased");
    }
    policy
}

fn reservations(criterion: &mut Criterion) {
    for reservations in [10, 50_000] {
        let mut policy = policy(reservations);
        let mut ask = |who: &str| {
            let grant = policy.request_address(black_box(&request(who))).expect("there is room");
            let address = grant.address.expect("it grants one").addr();
            policy.release_address(POOL, address).expect("it is leased");
        };
        let name = |what: &str| format!("{what}, {reservations} reservations");
        criterion.bench_function(&name("known"), |bencher| bencher.iter(|| ask("7")));
        criterion.bench_function(&name("nobody"), |bencher| bencher.iter(|| ask("")));
        let mut who = reservations;
        criterion.bench_function(&name("new without room"), |bencher| {
            bencher.iter(|| {
                who += 1;
                ask(&who.to_string());
            });
        });
    }
}

criterion_group!(benches, reservations);
criterion_main!(benches);
