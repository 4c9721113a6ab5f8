//! Does the policy degrade? One request and its release, with few addresses that rest and
//! with many: where others are free, and where nothing else is.

use criterion::{Criterion, criterion_group, criterion_main};
use ipam_cooldown::{Moment, Policy};
use ipam_driver::{AddressRequest, IpNet, Options, PoolChoice, PoolRequest};
use ipam_pools::Memory;
use std::hint::black_box;

/// A pool of which so many addresses rest.
fn policy(pool: &str, resting: u64) -> (Policy<Memory>, AddressRequest) {
    let config = r#"{"rest": 31536000}"#;
    let mut policy = Policy::new(config, Memory::new(1 << 30, 1 << 24)).expect("it is valid");
    let request = PoolRequest {
        address_space: "LocalDefault".into(),
        pool: PoolChoice::Exact(pool.parse::<IpNet>().expect("a prefix")),
        sub_pool: None,
        options: Options::new(),
        exclude: vec![],
    };
    let pool_id = policy.request_pool(&request).expect("nothing is held").pool_id;
    let any = AddressRequest { pool_id, address: None, options: Options::new() };
    let leased: Vec<_> = (0..resting)
        .map(|_| policy.request_address(&any, 0).expect("there is room"))
        .map(|grant| grant.address.expect("it grants one").addr())
        .collect();
    for (address, now) in leased.into_iter().zip(0..) {
        policy.release_address(&any.pool_id, address, now).expect("it is leased");
    }
    (policy, any)
}

fn rest(criterion: &mut Criterion) {
    let (few, many) = ("10.0.0.0/28", "10.0.0.0/17");
    for (what, pool, resting) in [
        ("others are free, 10 rest", few, 10),
        ("others are free, 30,000 rest", many, 30_000),
        ("nothing else is free, 14 rest", few, 14),
        ("nothing else is free, 32,766 rest", many, 32_766),
    ] {
        let (mut policy, any) = policy(pool, resting);
        let mut now: Moment = 1_000_000;
        criterion.bench_function(what, |bencher| {
            bencher.iter(|| {
                now += 1;
                let grant = policy.request_address(black_box(&any), now).expect("there is room");
                let address = grant.address.expect("it grants one").addr();
                policy.release_address(&any.pool_id, address, now).expect("it is leased");
            });
        });
    }
}

criterion_group!(benches, rest);
criterion_main!(benches);
