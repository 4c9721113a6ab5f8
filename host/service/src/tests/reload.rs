//! A driver that is loaded over what the ledger holds of it.

use super::harness::{
    Control, FakeFactory, FlakyStore, Harness, REPLAYED, id, lease, lease_of, limits, pool, release,
};
use crate::{LoadOptions, Origin, Service, ask, sync::lock};
use ipam_api::{DriverHandle, Kind, Request};
use std::sync::Arc;

const POOL: &str = "10.0.0.0/24";

/// Another service on the same medium, with a driver that was not loaded yet.
fn next(store: FlakyStore) -> (Service, Arc<Control>, Arc<FakeFactory>) {
    let control = Arc::new(Control::default());
    lock(&control.registers).push(("lab".into(), REPLAYED));
    let factory = Arc::new(FakeFactory(control.clone()));
    (Service::new(Box::new(store), limits()).unwrap(), control, factory)
}

#[test]
fn who_disagrees_at_its_start_is_out_of_service_and_nobody_else() {
    let store = FlakyStore::new(false);
    let medium = store.medium.clone();
    let harness = Harness::with(Box::new(store), REPLAYED, limits());
    harness.ask(pool(POOL)).unwrap();
    harness.ask(lease_of(POOL, "10.0.0.1")).unwrap();
    harness.ask(lease_of(POOL, "10.0.0.2")).unwrap();
    drop(harness);

    let store = FlakyStore { medium, ..FlakyStore::new(false) };
    let (service, control, factory) = next(store);
    *lock(&control.replay_answers) = Some(id("other"));
    service.load(factory, LoadOptions::new(Origin::Component)).unwrap();
    let handle = service.handle(&"lab".parse().unwrap()).unwrap();
    let kind = |handle: &Arc<dyn DriverHandle>, request: Request| {
        ask(&**handle, request).map(drop).map_err(|failure| failure.contract().kind())
    };

    // The operator is told which entry it is; its callers are refused.
    let problem = service.inspect()[0].problem.clone().unwrap();
    assert!(problem.reason.contains("disagrees") && problem.reason.contains(POOL), "{problem:?}");
    assert_eq!(kind(&handle, lease(POOL)), Err(Kind::Unavailable));
    // The ledger decides about releases.
    assert_eq!(kind(&handle, release(POOL, "10.0.0.1")), Ok(()));
    // Another driver serves.
    let other = Arc::new(Control::default());
    lock(&other.registers).push(("other".into(), REPLAYED));
    service.load(Arc::new(FakeFactory(other)), LoadOptions::new(Origin::Component)).unwrap();
    assert_eq!(kind(&service.handle(&"other".parse().unwrap()).unwrap(), pool(POOL)), Ok(()));

    // Once it agrees, it serves what is left.
    *lock(&control.replay_answers) = None;
    control.look();
    assert_eq!(kind(&handle, lease_of(POOL, "10.0.0.1")), Ok(()));
    let again = ["start", "pool 10.0.0.0/24 again", "address 10.0.0.2 of 10.0.0.0/24 again"];
    assert_eq!(control.look()[..3], again);
    assert!(service.inspect().iter().all(|driver| driver.problem.is_none()));
}
