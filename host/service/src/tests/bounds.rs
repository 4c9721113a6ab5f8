//! What automatic pools may be.

use super::harness::{Control, FakeFactory, Harness, REPLAYED, any_pool, granted, limits, pool};
use crate::{LoadOptions, Origin, Service, ask, sync::lock};
use ipam_api::{Answer, Code, DriverHandle, DriverName, Error, Failure, IpNet, Request};
use ipam_ledger::MemoryStore;
use std::sync::Arc;

#[test]
fn what_no_network_of_containers_may_have_is_a_violation() {
    for proposed in ["127.0.0.0/24", "169.254.0.0/16", "0.0.0.0/1", "255.255.255.0/24"] {
        let harness = Harness::new();
        harness.control.twist(granted("new", proposed));
        let Failure::Broken { reason } = harness.ask(any_pool()).unwrap_err() else { panic!() };
        assert!(reason.contains("broke the contract: automatic pool"), "{proposed}: {reason}");
        // By name it is its caller's.
        assert_eq!(harness.try_ask(pool(proposed)), Ok(proposed.into()));
    }
}

/// A driver of the /24s of 10.0.0.0/8, lowest first, with this grant.
fn bounded(pools: &[&str]) -> (Service, Arc<dyn DriverHandle>, Arc<Control>) {
    let control = Arc::new(Control::default());
    lock(&control.registers).push(("lab".into(), REPLAYED));
    let service = Service::new(Box::new(MemoryStore::default()), limits()).unwrap();
    let options = LoadOptions { pools: Some(nets(pools)), ..LoadOptions::new(Origin::Component) };
    service.load(Arc::new(FakeFactory(control.clone())), options).unwrap();
    let handle = service.handle(&harness()).unwrap();
    (service, handle, control)
}

fn harness() -> DriverName {
    "lab".parse().unwrap()
}

fn nets(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn asked(handle: &Arc<dyn DriverHandle>, request: Request) -> Result<String, Error> {
    match ask(&**handle, request).map_err(|failure| failure.contract())?.answer {
        Answer::Pool(grant) => Ok(grant.pool.to_string()),
        answer @ (Answer::Address(_)
        | Answer::Released
        | Answer::Status(_)
        | Answer::Records(_)) => {
            panic!("{answer:?}")
        }
    }
}

#[test]
fn a_driver_is_asked_again_for_what_it_was_granted() {
    let (_service, handle, control) = bounded(&["192.0.2.0/24", "10.0.2.0/23"]);
    assert_eq!(asked(&handle, any_pool()), Ok("10.0.2.0/24".into()));
    let calls = control.look();
    let back = ["release 10.0.0.0/24", "release 10.0.1.0/24"];
    assert_eq!(calls[calls.len() - 2..], back, "what lies outside is given back");
    assert_eq!(asked(&handle, any_pool()), Ok("10.0.3.0/24".into()));
    let none = asked(&handle, any_pool());
    assert_eq!(none, Err(Code::NoAvailablePool.into()));
    // By name all is its caller's, and no pool is in nobody's way.
    assert_eq!(asked(&handle, pool("10.9.0.0/24")), Ok("10.9.0.0/24".into()));
    control.twist(granted("none", "0.0.0.0/0"));
    assert_eq!(asked(&handle, any_pool()), Ok("0.0.0.0/0".into()));
}

#[test]
fn what_only_overlaps_a_grant_lies_outside() {
    let (_service, handle, control) = bounded(&["11.0.0.0/24"]);
    control.twist(granted("wide", "11.0.0.0/8"));
    assert_eq!(asked(&handle, any_pool()), Err(Code::NoAvailablePool.into()));
}

#[test]
fn an_empty_grant_is_no_automatic_pool() {
    let (_service, handle, _) = bounded(&[]);
    assert_eq!(asked(&handle, any_pool()), Err(Code::NoAvailablePool.into()));
}

#[test]
fn what_the_operator_grants_is_the_operators() {
    let (_service, handle, control) = bounded(&["127.0.0.0/8"]);
    control.twist(granted("loopback", "127.3.0.0/24"));
    assert_eq!(asked(&handle, any_pool()), Ok("127.3.0.0/24".into()));
}

#[test]
fn bounds_hold_from_the_next_request_on_and_outlive_an_instance() {
    let (service, handle, control) = bounded(&["10.0.0.0/23"]);
    assert_eq!(asked(&handle, any_pool()), Ok("10.0.0.0/24".into()));
    service.bound_pools(&harness(), Some(&nets(&["10.0.2.0/24"])));
    control.twist(super::harness::Twist::Panic);
    assert!(asked(&handle, any_pool()).is_err());
    assert_eq!(asked(&handle, any_pool()), Ok("10.0.2.0/24".into()));
    let factory: Arc<dyn ipam_api::Factory> = Arc::new(FakeFactory(control));
    service.upgrade(&harness(), &factory, Origin::Component, None, false).unwrap();
    assert_eq!(asked(&handle, any_pool()), Err(Code::NoAvailablePool.into()));
    service.bound_pools(&harness(), None);
    assert_eq!(asked(&handle, any_pool()), Ok("10.0.1.0/24".into()));
}
