//! Drivers with a store: what one writes is as durable as what it granted, and
//! no more than that. In this process but for the last row, to look at what is
//! stored.

use crate::harness::Harness;
use ipam_api::{
    AddressRequest, Answer, DriverHandle, DriverName, Failure, Family, Kind, PoolChoice,
    PoolRequest, Request, Stored,
};
use ipam_ledger::{DurableStore, Retention};
use ipam_runtime::{Component, Grants, Limits, Runtime, StoreLimits};
use ipam_service::{LoadOptions, Origin, Service, ask};
use ipam_tests::programs;
use serde_json::json;
use std::{
    env,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, OnceLock},
};

const PLENTY: StoreLimits = StoreLimits { bytes_max: 1 << 16, keys_max: 100 };
/// Where the child of a test keeps its ledger.
const LEDGER: &str = "WIPAM_TEST_LEDGER";
/// After so many answers it is killed.
const ANSWERS: usize = 300;

fn component(program: &str, store: StoreLimits) -> Arc<Component> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| Runtime::new(None).unwrap());
    let grants = Grants { store: Some(store), ..Grants::default() };
    let bytes = programs::component(program);
    Arc::new(runtime.load_granted(program, &bytes, Limits::default(), &grants).unwrap())
}

struct House(Service);

impl House {
    fn new(ledger: &Path) -> Self {
        let (store, _) = DurableStore::open(ledger, Retention::default()).unwrap();
        Self(Service::new(Box::new(store), ipam_service::Limits::default()).unwrap())
    }

    fn load(&self, component: &Arc<Component>, name: &str) -> Arc<dyn DriverHandle> {
        let rename = Some(name.parse().unwrap());
        let options = LoadOptions { rename, ..LoadOptions::new(Origin::Component) };
        self.0.load(component.clone(), options).unwrap();
        self.0.handle(&name.parse().unwrap()).unwrap()
    }

    /// What is stored, and how many addresses are leased.
    fn look(&self, name: &str) -> (Stored, usize) {
        let name: DriverName = name.parse().unwrap();
        self.0.look(&name, |state| (Stored::clone(state.stored()), state.lease_total())).unwrap()
    }

    fn count(&self, name: &str, what: &str) -> usize {
        count(&self.look(name).0, what)
    }
}

/// A count of the program `counts`.
fn count(stored: &Stored, what: &str) -> usize {
    stored.get(what).map_or(0, |it| it.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
}

fn pool(
    handle: &dyn DriverHandle,
    pool: PoolChoice,
    options: &[(&str, &str)],
) -> Result<String, Kind> {
    let mut request = PoolRequest::new("zoo", pool);
    request.options = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    match ask(handle, Request::Pool(request)).map(|served| served.answer) {
        Ok(Answer::Pool(grant)) => Ok(grant.pool_id.to_string()),
        Ok(other) => panic!("{other:?}"),
        Err(failure) => Err(failure.contract().kind()),
    }
}

fn lease(handle: &dyn DriverHandle, pool: &str) -> Result<(), Failure> {
    let any = AddressRequest::any(pool.try_into().unwrap());
    ask(handle, Request::Address(any)).map(drop)
}

const ANY: PoolChoice = PoolChoice::Automatic(Family::Ipv4);

#[test]
fn what_is_written_before_a_lie_is_gone() {
    let ledger = tempfile::tempdir().unwrap();
    let liar = component("stores_and_lies", PLENTY);
    let house = House::new(ledger.path());
    let (handle, honest) = (house.load(&liar, "liar"), house.load(&liar, "honest"));
    let id = pool(&*handle, ANY, &[]).unwrap();
    lease(&*handle, &id).unwrap();
    for _ in 0..3 {
        let Err(Failure::Broken { reason }) = lease(&*handle, &id) else { panic!("it lied") };
        assert!(reason.contains("leased already"), "{reason}");
        // It would say so if it found a trace.
        assert!(pool(&*handle, ANY, &[]).is_ok());
    }
    let one = Stored::from([("leases".to_owned(), b"x".to_vec())]);
    assert_eq!(house.look("liar"), (one.clone(), 1));
    let id = pool(&*honest, ANY, &[]).unwrap();
    assert!(house.look("honest").0.is_empty(), "that is another store");
    lease(&*honest, &id).unwrap();
    drop((handle, honest, house));

    let house = House::new(ledger.path());
    house.load(&liar, "liar");
    assert_eq!(house.look("liar"), (one, 1));
}

#[test]
fn a_store_has_room_for_what_was_granted() {
    let ledger = tempfile::tempdir().unwrap();
    let house = House::new(ledger.path());
    let few = house.load(&component("counts", StoreLimits { keys_max: 3, ..PLENTY }), "few");
    pool(&*few, ANY, &[]).unwrap();
    pool(&*few, ANY, &[]).unwrap();
    let before = house.look("few");
    assert_eq!(pool(&*few, ANY, &[]), Err(Kind::Unavailable), "a count and three pools");
    assert_eq!(house.look("few"), before);

    let small = house.load(&component("counts", StoreLimits { bytes_max: 100, ..PLENTY }), "small");
    assert_eq!(pool(&*small, ANY, &[("fill", "97")]), Err(Kind::Unavailable));
    assert_eq!(pool(&*small, ANY, &[("fill", "96")]), Err(Kind::Unavailable), "no count fits");
    assert!(house.look("small").0.is_empty(), "a refusal stores nothing");
}

/// Serves in a process of its own until it is killed.
#[test]
fn child_of_the_next() {
    let Some(ledger) = env::var_os(LEDGER) else { return };
    let house = House::new(Path::new(&ledger));
    let handle = house.load(&component("counts", PLENTY), "counts");
    let id = pool(&*handle, PoolChoice::Exact("10.66.0.0/16".parse().unwrap()), &[]).unwrap();
    for _ in 0.. {
        lease(&*handle, &id).unwrap();
        println!("answered");
    }
}

#[test]
fn who_is_killed_has_counted_what_was_answered() {
    let ledger = tempfile::tempdir().unwrap();
    let counts = component("counts", PLENTY);
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "stores::child_of_the_next", "--nocapture"])
        .env(LEDGER, ledger.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut answered = lines.map_while(Result::ok).filter(|line| line.ends_with("answered"));
    let before = answered.by_ref().take(ANSWERS).count();
    assert_eq!(before, ANSWERS, "it ended by itself");
    child.kill().unwrap();
    child.wait().unwrap();
    let answered = before + answered.count();

    let house = House::new(ledger.path());
    let handle = house.load(&counts, "counts");
    let (stored, leased) = house.look("counts");
    assert_eq!(count(&stored, "leases"), leased, "replay does not count");
    assert!((answered..=answered + 1).contains(&leased), "{answered} were answered: {leased}");
    lease(&*handle, "10.66.0.0/16").unwrap();
    assert_eq!(house.count("counts", "leases"), leased + 1);

    // Another version goes on counting.
    let name = "counts".parse().unwrap();
    let factory: Arc<dyn ipam_api::Factory> = counts;
    house.0.upgrade(&name, &factory, Origin::Component, None, false).unwrap();
    lease(&*handle, "10.66.0.0/16").unwrap();
    let released =
        Request::ReleaseAddress("10.66.0.0/16".try_into().unwrap(), "10.66.0.1".parse().unwrap());
    ask(&*handle, released).unwrap();
    assert_eq!(house.count("counts", "leases"), leased + 2);
    assert_eq!(house.count("counts", "releases"), 1);
}

#[test]
fn a_store_is_granted_in_the_configuration_with_its_limits() {
    // Two counts and one pool.
    let harness = Harness::with("counts", "store = { max-bytes = 1000, max-keys = 3 }");
    let id = harness.pool("counts");
    let mut client = harness.client("counts");
    assert_eq!(client.ask("RequestAddress", &json!({"PoolID": id})).0, 200);
    let (status, body) = client.ask("RequestPool", &json!({"AddressSpace": "zoo"}));
    let words = "the store has room for 1000 bytes in 3 keys";
    assert_eq!((status, &body["Err"]), (503, &json!(words)));
}
