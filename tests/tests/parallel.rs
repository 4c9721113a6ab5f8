//! Many callers at once never get the same thing.

#![expect(clippy::unwrap_used, reason = "a test may")]

use ipam_api::{
    AddressRequest, Answer, DriverHandle, Family, PoolChoice, PoolId, PoolRequest, Request,
};
use ipam_service::ask;
use ipam_tests::stack;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
    thread,
};

const THREADS: usize = 16;

fn on_threads<T: Send>(work: impl Fn(usize) -> Vec<T> + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> =
            (0..THREADS).map(|number| scope.spawn(move || work(number))).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

fn request_pool(handle: &dyn DriverHandle) -> Option<(PoolId, String)> {
    let request = PoolRequest::new("LocalDefault", PoolChoice::Automatic(Family::Ipv4));
    let answer = ask(handle, Request::Pool(request)).ok()?.answer;
    let Answer::Pool(grant) = answer else { panic!("{answer:?}") };
    Some((grant.pool_id, grant.pool.to_string()))
}

#[test]
fn sixteen_callers_take_every_slash_24_of_a_slash_10() {
    let config = r#"{"default-address-pools":[{"base":"100.64.0.0/10","size":24}]}"#;
    let service = stack::service(config);
    let handle = stack::handle(&service);
    let granted = on_threads(|_| {
        std::iter::from_fn(|| request_pool(&*handle)).map(|(_, pool)| pool).collect()
    });
    let wanted: BTreeSet<String> = "100.64.0.0/10"
        .parse::<ipnet::IpNet>()
        .unwrap()
        .subnets(24)
        .unwrap()
        .map(|pool| pool.to_string())
        .collect();
    assert_eq!(granted.len(), 16_384);
    assert_eq!(BTreeSet::from_iter(granted), wanted);
}

/// Each address has an owner from before its grant is used until before its
/// release is asked, so a second grant meets an owner.
#[test]
fn what_is_taken_and_given_back_at_once_is_never_held_twice() {
    let service = stack::service("{}");
    let handle = stack::handle(&service);
    let (pool_id, _) = request_pool(&*handle).unwrap();
    let owners = Mutex::new(BTreeMap::new());
    let rounds = on_threads(|me| {
        let mut held = Vec::new();
        for round in 0..500 {
            let any = AddressRequest::any(pool_id.clone());
            let answer = ask(&*handle, Request::Address(any)).unwrap().answer;
            let Answer::Address(grant) = answer else { panic!("{answer:?}") };
            let address = grant.address.unwrap().addr();
            let owner = owners.lock().unwrap().insert(address, me);
            assert_eq!(owner, None, "{address} is held");
            held.push(address);
            if round % 3 != 0 {
                let address = held.swap_remove(round % held.len());
                assert_eq!(owners.lock().unwrap().remove(&address), Some(me));
                ask(&*handle, Request::ReleaseAddress(pool_id.clone(), address)).unwrap();
            }
        }
        held
    });
    let left = owners.into_inner().unwrap();
    assert_eq!(BTreeSet::from_iter(rounds), left.into_keys().collect());
}
