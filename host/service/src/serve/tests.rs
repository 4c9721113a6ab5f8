//! A processor with a fake driver: no thread, no queue, no store.

use super::{
    bounds::Bounds,
    instance::Instance,
    processor::{Effects, Processor, RequestContext, Settings},
};
use crate::{
    Limits,
    sync::lock,
    tests::{
        fake::{Control, FakeFactory, Twist},
        requests::{host, id, lease, lease_of, leased, pool, pool_request, release, shown, trap},
        system::System,
    },
};
use ipam_api::{
    AddressSpaces, Callback, Capability, Code, Error, Failure, Kind, PoolChoice, PoolRequest,
    Request, Start,
};
use ipam_ledger::{Event, State, Time};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

const POOL: &str = "10.0.0.0/24";
const HOUR: Duration = Duration::from_secs(3600);

struct Unregistered;

impl Callback for Unregistered {
    fn register_ipam_driver_with_capabilities(
        &mut self,
        _: &str,
        _: Capability,
    ) -> Result<(), Error> {
        Ok(())
    }
}

struct Fixture {
    processor: Processor,
    control: Arc<Control>,
}

impl Fixture {
    fn new(uses_replay: bool) -> Self {
        let settings = Settings {
            name: "lab".parse().unwrap(),
            spaces: AddressSpaces { local: "local".into(), global: "global".into() },
            limits: Limits::default(),
            bounds: Arc::new(Bounds::new(None)),
            is_built_in: false,
            uses_replay,
        };
        let mut fixture =
            Self { processor: Processor::new(settings, State::default()), control: Arc::default() };
        fixture.install();
        fixture
    }

    /// A new instance, which knows nothing.
    fn install(&mut self) {
        let start = Start { name: None, config: String::new(), stored: Arc::default() };
        let factory = FakeFactory(self.control.clone());
        self.processor.install(Instance::make(&factory, &start, Box::new(Unregistered)).unwrap());
    }

    fn process(&mut self, request: Request) -> (Result<String, Failure>, Effects) {
        let (answer, effects) = self.processor.process(request, RequestContext::default());
        (answer.map(|served| shown(&served.answer)), effects)
    }

    /// What is staged: the name of each event.
    fn staged(&mut self) -> Vec<String> {
        let name = |event: &Event| {
            let text = format!("{event:?}");
            text.split(|it: char| !it.is_alphanumeric()).next().unwrap_or_default().to_owned()
        };
        self.processor.take_staged().iter().map(|record| name(&record.event)).collect()
    }

    /// Asks, and checks the answer, what is staged, and how often the driver was
    /// called.
    #[track_caller]
    fn check(&mut self, request: Request, want: Result<&str, Kind>, staged: &[&str], calls: u64) {
        let (answer, effects) = self.process(request.clone());
        let answer = answer.map_err(|failure| failure.contract().kind());
        assert_eq!(answer, want.map(str::to_owned), "{request:?}");
        assert_eq!(self.staged(), staged, "{request:?}");
        assert_eq!((effects.calls, effects.broken), (calls, None), "{request:?}");
    }

    /// Asks for something that breaks the instance, and returns why.
    #[track_caller]
    fn breaks(&mut self, request: Request, violations: u64) -> String {
        let (answer, effects) = self.process(request);
        assert!(matches!(answer, Err(Failure::Broken { .. })), "{answer:?}");
        assert!(!self.processor.is_serving());
        assert_eq!(effects.violations, violations);
        effects.broken.expect("the instance is broken")
    }
}

#[test]
fn a_request_is_asked_checked_and_staged() {
    let mut fixture = Fixture::new(true);
    let held = host(1);
    fixture.check(pool(POOL), Ok(POOL), &["PoolGranted"], 1);
    fixture.check(lease(POOL), Ok(&held), &["AddressLeased"], 1);
    fixture.check(lease_of(POOL, "10.0.0.1"), Err(Kind::Forbidden), &[], 0);
    fixture.check(lease("nowhere"), Err(Kind::NotFound), &[], 0);
    fixture.check(Request::Status(id(POOL)), Ok("1 in use"), &[], 1);
    fixture.check(release(POOL, "10.0.0.1"), Ok("released"), &["AddressReleased"], 1);
    fixture.check(release(POOL, "10.0.0.1"), Ok("released"), &[], 0);
    fixture.check(Request::ReleasePool(id(POOL)), Ok("released"), &["PoolReleased"], 1);
}

#[test]
fn an_instance_that_breaks_is_reported_and_never_asked_again() {
    let mut fixture = Fixture::new(true);
    fixture.check(pool(POOL), Ok(POOL), &["PoolGranted"], 1);
    fixture.check(lease(POOL), Ok(&host(1)), &["AddressLeased"], 1);
    fixture.control.twist(Twist::Address(Err(trap())));
    assert!(fixture.breaks(lease(POOL), 0).contains("trap"));
    assert_eq!(fixture.staged(), [""; 0]);
    fixture.check(lease(POOL), Err(Kind::Unavailable), &[], 0);
    fixture.check(release(POOL, "10.0.0.1"), Ok("released"), &["AddressReleased"], 0);
}

#[test]
fn an_answer_that_breaks_the_contract_is_reported_and_not_staged() {
    let mut fixture = Fixture::new(true);
    fixture.check(pool(POOL), Ok(POOL), &["PoolGranted"], 1);
    fixture.control.twist(leased(Some("10.9.9.9/24")));
    assert!(fixture.breaks(lease(POOL), 1).contains("broke the contract"));
    assert_eq!(fixture.staged(), [""; 0]);
}

#[test]
fn callers_are_told_until_when_a_driver_is_suspended() {
    let mut fixture = Fixture::new(true);
    fixture.processor.remove_instance();
    let mut text = |until: Option<Instant>| {
        fixture.processor.suspend(until);
        fixture.process(pool(POOL)).0.unwrap_err().to_string()
    };
    let now = Instant::now();
    assert_eq!(text(None), "the driver is out of service");
    assert_eq!(text(Some(now)), "the driver is out of service");
    assert!(text(Some(now + HOUR)).contains("tried again in 3600 s"));
}

/// A system of record knows the prefixes of all hosts, and not which of them this one
/// uses; and an instance after a restart knows nothing.
#[test]
fn an_exact_pool_that_overlaps_another_is_refused_where_there_is_a_system_of_record() {
    let mut fixture = Fixture::new(false);
    fixture.check(pool(POOL), Ok(POOL), &["PoolGranted"], 1);
    *lock(&fixture.control.system) = Some(System::default());
    fixture.install();
    for prefix in ["10.0.0.0/25", "10.0.0.128/25", "10.0.0.7/32", "10.0.0.0/16", "0.0.0.0/0"] {
        let (answer, effects) = fixture.process(pool(prefix));
        let refused = answer.unwrap_err().contract().clone();
        assert_eq!((refused.code(), effects.calls), (Code::PoolOverlap, 0), "{prefix}");
        assert!(refused.to_string().contains("10.0.0.0/24, which is a pool"), "{refused}");
    }
    fixture.check(pool(POOL), Err(Kind::Forbidden), &[], 0);
    // The same prefix is one subnet, and another space has subnets of its own.
    let exact = |prefix: &str| pool_request(PoolChoice::Exact(prefix.parse().unwrap()));
    let sub_pool = Some("10.0.0.0/25".parse().unwrap());
    let part = Request::Pool(PoolRequest { sub_pool, ..exact(POOL) });
    fixture.check(part, Ok(POOL), &["PoolGranted"], 1);
    let elsewhere = PoolRequest { address_space: "global".to_owned(), ..exact("10.0.0.128/25") };
    fixture.check(Request::Pool(elsewhere), Ok("10.0.0.128/25"), &["PoolGranted"], 1);
    for prefix in ["10.0.1.0/24", "fd00::/64"] {
        fixture.check(pool(prefix), Ok(prefix), &["PoolGranted"], 1);
    }
    // Without one it is the driver's policy.
    let mut fixture = Fixture::new(false);
    for prefix in [POOL, "10.0.0.0/25"] {
        fixture.check(pool(prefix), Ok(prefix), &["PoolGranted"], 1);
    }
}

#[test]
fn an_undo_takes_back_what_one_request_created() {
    let mut fixture = Fixture::new(true);
    fixture.check(pool(POOL), Ok(POOL), &["PoolGranted"], 1);
    let (answer, _) = fixture.processor.process(lease(POOL), RequestContext::default());
    let receipt = answer.unwrap().receipt.unwrap();
    assert_eq!(fixture.staged(), ["AddressLeased"]);
    for (staged, calls) in [(&["AddressReleased"][..], 1), (&[], 0)] {
        assert_eq!(fixture.processor.undo(&receipt).calls, calls);
        assert_eq!(fixture.staged(), staged);
    }
}

#[test]
fn what_is_deferred_while_the_store_fails_is_applied_to_what_is_durable() {
    let mut fixture = Fixture::new(true);
    fixture.check(pool(POOL), Ok(POOL), &["PoolGranted"], 1);
    fixture.check(lease(POOL), Ok(&host(1)), &["AddressLeased"], 1);
    let durable = fixture.processor.state().clone();
    let (answer, _) = fixture.process(lease(POOL));
    assert_eq!(answer.unwrap(), host(2));
    // The commit of the second lease failed.
    let failed = fixture.processor.take_staged();
    fixture.processor.remove_instance();
    fixture.processor.defer_failed(failed);
    assert_eq!(fixture.processor.state().lease_total(), 1);
    let mut defer = |request| {
        let failure = fixture.processor.defer(&request, RequestContext::default());
        failure.contract().kind()
    };
    assert_eq!(defer(lease(POOL)), Kind::Unavailable);
    assert_eq!(defer(release(POOL, "10.0.0.1")), Kind::Unavailable);
    assert_eq!(fixture.processor.state().lease_total(), 0);
    assert_eq!(fixture.processor.deferred_len(), 1);

    let (state, records) = fixture.processor.rebased(durable);
    let [record] = &records[..] else { panic!("{records:?}") };
    assert!(matches!(record.event, Event::AddressReleased(_)), "{record:?}");
    assert_eq!(state.lease_total(), 0);
    fixture.processor.resume(state);
    assert_eq!(fixture.processor.deferred_len(), 0);
    assert_eq!(fixture.staged(), [""; 0]);
}

#[test]
fn a_driver_without_replay_is_notified_of_what_it_missed() {
    let mut fixture = Fixture::new(false);
    fixture.check(pool(POOL), Ok(POOL), &["PoolGranted"], 1);
    fixture.check(lease(POOL), Ok(&host(1)), &["AddressLeased"], 1);
    fixture.processor.remove_instance();
    let staged = ["AddressReleased", "Owed"];
    fixture.check(release(POOL, "10.0.0.1"), Ok("released"), &staged, 0);
    assert!(!fixture.processor.can_notify());

    // It cannot reach its state: later.
    fixture.install();
    let unreachable = Failure::Refused(Error::from(Code::Other(Kind::Unavailable)));
    fixture.control.release_fails.lock().unwrap().push_back(unreachable);
    let (outcome, effects) = fixture.processor.notify_pending(HOUR);
    assert!(outcome.is_err() && effects.broken.is_none(), "{outcome:?}");
    assert!(!fixture.processor.is_serving());
    assert_eq!(fixture.staged(), [""; 0]);

    // Whatever it says, it was told.
    fixture.install();
    assert!(fixture.processor.can_notify());
    let (outcome, effects) = fixture.processor.notify_pending(HOUR);
    assert_eq!((outcome, effects.calls), (Ok(()), 1));
    assert_eq!(fixture.staged(), ["Told"]);
    assert!(!fixture.processor.can_notify());
}

#[test]
fn who_follows_sees_every_event_until_the_ledger_is_read_again() {
    let mut fixture = Fixture::new(true);
    let (state, tail) = fixture.processor.follow();
    assert_eq!(state.pools().count(), 0);
    fixture.check(pool(POOL), Ok(POOL), &["PoolGranted"], 1);
    fixture.check(lease(POOL), Ok(&host(1)), &["AddressLeased"], 1);
    assert_eq!(tail.take().unwrap().len(), 2);
    assert_eq!(tail.take().unwrap().len(), 0);
    fixture.processor.resume(State::default());
    assert!(tail.take().is_err());
}

#[test]
fn the_statuses_are_those_of_the_instance() {
    let mut fixture = Fixture::new(true);
    fixture.check(pool(POOL), Ok(POOL), &["PoolGranted"], 1);
    fixture.check(lease(POOL), Ok(&host(1)), &["AddressLeased"], 1);
    let (statuses, effects) = fixture.processor.statuses(Time(7), HOUR);
    let [(pool_id, Some(status))] = &statuses[..] else { panic!("{statuses:?}") };
    assert_eq!((pool_id, status.ips_in_use, effects.calls), (&id(POOL), 1, 1));
    assert_eq!(fixture.processor.statuses(Time(7), Duration::ZERO).0, []);
}
