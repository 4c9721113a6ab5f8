use super::Withheld;
use crate::{Config, Location};
use alloc::collections::BTreeMap;
use core::net::IpAddr;
use ipam_allocator::PoolName;
use ipam_driver::{Code, Options, PoolChoice, PoolRequest};
use proptest::{collection::vec, prelude::*, sample::Index};
use std::{string::ToString, vec, vec::Vec};

const POOL: &str = "LocalDefault/10.0.0.0/28";
const SUB_POOL: &str = "LocalDefault/10.0.0.0/28/10.0.0.8/29";

fn pools() -> Withheld {
    Withheld::new(Config::parse("{}").unwrap().pools().unwrap())
}

fn pool(id: &str) -> PoolRequest {
    let name = PoolName::parse(id).unwrap();
    PoolRequest {
        address_space: name.scope.name().into(),
        pool: PoolChoice::Exact(name.pool),
        sub_pool: name.sub_pool,
        options: Options::new(),
        exclude: vec![],
    }
}

fn location(address: &str) -> Location {
    (PoolName::parse(POOL).unwrap(), address.parse().unwrap())
}

/// Any address.
#[track_caller]
fn check(pools: &mut Withheld, id: &str, want: &str) {
    let got = pools.request_address(id, None, false).unwrap().to_string();
    assert_eq!(got, want, "{id}");
}

#[test]
fn what_is_set_aside_waits_for_its_pool() {
    let mut pools = pools();
    for (address, is_one) in [
        ("10.0.0.1", true),
        ("10.0.0.9", true),
        ("10.0.0.0", false),
        ("10.0.0.15", false),
        ("10.0.1.1", false),
        ("fd00::1", false),
    ] {
        assert_eq!(pools.restore(location(address), 1), is_one, "{address}");
    }
    let sub_pool = PoolName::parse(SUB_POOL).unwrap();
    assert!(!pools.restore((sub_pool, location("10.0.0.9").1), 1), "the pool is the whole one");

    pools.request_pool(&pool(SUB_POOL)).unwrap();
    check(&mut pools, SUB_POOL, "10.0.0.8/28");
    check(&mut pools, SUB_POOL, "10.0.0.10/28");
    pools.request_pool(&pool("LocalDefault/10.0.0.0/28/10.0.0.0/29")).unwrap();
    check(&mut pools, "LocalDefault/10.0.0.0/28/10.0.0.0/29", "10.0.0.2/28");
    assert!(!pools.restore(location("10.0.0.3"), 1), "the pool is held");

    // As long as a part of it is held it is not forgotten.
    pools.release_pool(SUB_POOL).unwrap();
    check(&mut pools, "LocalDefault/10.0.0.0/28/10.0.0.0/29", "10.0.0.3/28");
    pools.release_pool("LocalDefault/10.0.0.0/28/10.0.0.0/29").unwrap();
    pools.free(location("10.0.0.1"));
    pools.request_pool(&pool(SUB_POOL)).unwrap();
    check(&mut pools, POOL, "10.0.0.1/28");
    check(&mut pools, SUB_POOL, "10.0.0.8/28");
    check(&mut pools, SUB_POOL, "10.0.0.10/28");
}

#[test]
fn what_was_not_leased_is_not_set_aside_twice() {
    let mut pools = pools();
    pools.request_pool(&pool(POOL)).unwrap();
    let address = location("10.0.0.1").1;
    pools.release_address(POOL, address, Some(1)).unwrap();
    pools.release_address(POOL, address, Some(2)).unwrap();
    assert_eq!(pools.oldest(), Some((1, location("10.0.0.1"))));
    // A reserved one stays one.
    pools.release_address(POOL, location("10.0.0.0").1, Some(1)).unwrap();
    assert!(!pools.is_withheld(location("10.0.0.0")));
    let refused = pools.release_address(POOL, location("10.0.1.1").1, Some(1)).unwrap_err();
    assert_eq!(refused.code(), Code::IpOutOfRange);
    check(&mut pools, POOL, "10.0.0.2/28");
}

#[derive(Debug, Clone)]
enum Step {
    Any { is_sub_pool: bool },
    Named(u32),
    Release(Index, Option<u64>),
    Free(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => any::<bool>().prop_map(|is_sub_pool| Step::Any { is_sub_pool }),
        1 => (0..17_u32).prop_map(Step::Named),
        3 => (any::<Index>(), prop::option::of(0..5_u64)).prop_map(|(at, moment)| Step::Release(at, moment)),
        1 => (0..17_u32).prop_map(Step::Free),
    ]
}

/// Each address of the pool that can be leased: nothing if it is free, and else
/// whether it is withheld, and since when.
type Plain = BTreeMap<IpAddr, Option<Option<u64>>>;

proptest! {
    /// It answers like a list of addresses.
    #[test]
    fn behaves_like_a_list(steps in vec(step(), 0..80)) {
        let mut pools = pools();
        pools.request_pool(&pool(POOL)).unwrap();
        pools.request_pool(&pool(SUB_POOL)).unwrap();
        let address = |last: u32| IpAddr::from([10, 0, 0, u8::try_from(last).unwrap()]);
        let mut plain: Plain = (1..15).map(|last| (address(last), None)).collect();
        for step in steps {
            match step {
                Step::Any { is_sub_pool } => {
                    let id = if is_sub_pool { SUB_POOL } else { POOL };
                    let range = PoolName::parse(id).unwrap().range();
                    let free = plain.iter_mut().find(|(address, state)| range.contains(*address) && state.is_none());
                    let got = pools.request_address(id, None, false).map(|it| it.addr()).map_err(|it| it.code());
                    let want = free.map(|(address, state)| { *state = Some(None); *address });
                    prop_assert_eq!(got, want.ok_or(Code::NoAvailableIps));
                }
                Step::Named(last) => {
                    let got = pools.request_address(POOL, Some(address(last)), false).map(|it| it.to_string());
                    let want = match plain.get_mut(&address(last)) {
                        Some(state @ (None | Some(Some(_)))) => { *state = Some(None); Ok(()) }
                        Some(Some(None)) => Err(Code::IpAlreadyAllocated),
                        None if last < 16 => Err(Code::IpAlreadyAllocated),
                        None => Err(Code::IpOutOfRange),
                    };
                    let want = want.map(|()| std::format!("10.0.0.{last}/28"));
                    prop_assert_eq!(got.map_err(|it| it.code()), want);
                }
                Step::Release(at, moment) => {
                    let leased: Vec<_> = plain.iter().filter(|(_, state)| **state == Some(None)).map(|(address, _)| *address).collect();
                    if !leased.is_empty() {
                        let address = *at.get(&leased);
                        prop_assert_eq!(pools.release_address(SUB_POOL, address, moment), Ok(()));
                        plain.insert(address, moment.map(Some));
                    }
                }
                Step::Free(last) => {
                    pools.free((PoolName::parse(POOL).unwrap(), address(last)));
                    if let Some(state @ Some(Some(_))) = plain.get_mut(&address(last)) {
                        *state = None;
                    }
                }
            }
            for id in [POOL, SUB_POOL] {
                let range = PoolName::parse(id).unwrap().range();
                let inside = || plain.iter().filter(|(address, _)| range.contains(*address));
                let oldest = inside().filter_map(|(address, state)| Some(((*state)??, *address))).min();
                prop_assert_eq!(pools.oldest_in(PoolName::parse(id).unwrap()), oldest);
                let status = pools.status(id).unwrap();
                let leased = plain.values().filter(|state| **state == Some(None)).count();
                prop_assert_eq!(status.ips_in_use, leased as u64 + 2);
                let free = inside().filter(|(_, state)| **state != Some(None)).count();
                // The last of the pool is reserved, and not in the list.
                prop_assert_eq!(status.dynamic_ips_available, free as u64);
            }
            prop_assert_eq!(pools.total(), plain.values().flatten().flatten().count());
            let oldest = plain.iter().filter_map(|(address, state)| Some(((*state)??, *address))).min();
            prop_assert_eq!(pools.oldest().map(|(moment, (_, address))| (moment, address)), oldest);
        }
    }
}
