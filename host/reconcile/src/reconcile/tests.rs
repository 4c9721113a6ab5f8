use super::{Clock, Engines, Error, Ledger, Options, Progress, reconcile};
use crate::{
    Found, GrantedBy, Held, HeldLease, HeldPool, Network, Observation, Report, Space, Subnet,
    Swarms,
};
use ipam_api::Receipt;
use std::{
    collections::VecDeque,
    future::Future,
    io,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

/// Everything here is ready at once.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing here waits"),
    }
}

type Answer<T> = Result<T, io::Error>;

/// A ledger that holds what it is told each time, and a script of what its
/// releases say.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) held: VecDeque<Answer<Vec<Held>>>,
    pub(crate) releases: VecDeque<Answer<bool>>,
    pub(crate) released: Vec<(String, Receipt)>,
}

impl Ledger for Script {
    type Error = io::Error;

    async fn held(&mut self) -> Answer<Vec<Held>> {
        self.held.pop_front().expect("it is read no more often")
    }

    async fn release(&mut self, found: &Found) -> Answer<bool> {
        self.released.push((found.driver.clone(), found.receipt()));
        self.releases.pop_front().unwrap_or(Ok(true))
    }
}

pub(crate) struct Views(pub(crate) VecDeque<Answer<Observation>>);

impl Engines for Views {
    type Error = io::Error;

    async fn observe(&mut self) -> Answer<Observation> {
        self.0.pop_front().expect("they are asked no more often")
    }
}

/// Says how long it was waited for.
#[derive(Default)]
pub(crate) struct Slept(pub(crate) Vec<Duration>);

impl Clock for Slept {
    async fn sleep(&mut self, time: Duration) {
        self.0.push(time);
    }
}

/// One known pool with two leases, of which .8 is forgotten, and one that is
/// forgotten altogether.
fn held() -> Vec<Held> {
    let lease = |address: &str, generation| HeldLease {
        address: address.parse().unwrap(),
        generation,
        is_gateway: false,
        granted_by: GrantedBy::Docker,
        is_stale: false,
    };
    let pool = |prefix: &str, generation, leases| HeldPool {
        pool_id: prefix.try_into().unwrap(),
        prefix: prefix.parse().unwrap(),
        sub_pool: None,
        generation,
        newest: 9,
        granted_by: GrantedBy::Docker,
        space: Space::Local,
        is_stale: false,
        leases,
    };
    let known = pool("192.0.2.0/24", 1, vec![lease("192.0.2.7", 2), lease("192.0.2.8", 3)]);
    let gone = pool("198.51.100.0/24", 4, vec![lease("198.51.100.1", 5)]);
    vec![Held { driver: "wipam".to_owned(), pools: vec![known, gone] }]
}

fn seen(endpoints: &[&str]) -> Observation {
    let prefix = "192.0.2.0/24".parse().unwrap();
    let network = Network {
        name: "net".to_owned(),
        driver: "wipam".to_owned(),
        subnets: vec![Subnet { prefix, ip_range: None, reserved: Default::default() }],
        endpoints: endpoints.iter().map(|address| address.parse().unwrap()).collect(),
        is_complete: true,
        shows_all_of_swarm: true,
    };
    Observation { networks: vec![network], ..Observation::default() }
}

fn ledger() -> Script {
    Script { held: [Ok(held()), Ok(held())].into(), ..Script::default() }
}

fn engines() -> Views {
    Views([Ok(seen(&["192.0.2.7"])), Ok(seen(&["192.0.2.7"]))].into())
}

const USUAL: Options = Options { grace: Options::GRACE, dry_run: false, exclusive: false };

fn run(ledger: &mut Script, options: &Options) -> Report {
    let (mut engines, mut clock) = (engines(), Slept::default());
    let report = now(reconcile(ledger, &mut engines, &mut clock, options, &mut |_| {})).unwrap();
    assert_eq!(clock.0, [options.grace]);
    report
}

fn texts(found: &[crate::Found]) -> Vec<String> {
    found.iter().map(ToString::to_string).collect()
}

const ADDRESS: &str = "wipam: address 192.0.2.8 of 192.0.2.0/24, generation 3";
const POOL: &str = "wipam: pool 198.51.100.0/24 with 1 addresses, generation 4";

#[test]
fn an_address_that_was_unknown_twice_is_freed_in_the_generation_that_was_seen() {
    let mut ledger = ledger();
    let report = run(&mut ledger, &USUAL);
    assert_eq!(texts(&report.freed), [ADDRESS]);
    assert_eq!(texts(&report.pools_unknown), [POOL]);
    let pool_id = "192.0.2.0/24".try_into().unwrap();
    let receipt = Receipt { pool_id, address: "192.0.2.8".parse().ok(), generation: 3 };
    assert_eq!(ledger.released, [("wipam".to_owned(), receipt)]);
}

#[test]
fn a_pool_is_freed_only_when_the_engines_are_all_there_are() {
    let mut ledger = ledger();
    let report = run(&mut ledger, &Options { exclusive: true, ..USUAL });
    assert_eq!(texts(&report.freed), [ADDRESS]);
    assert_eq!(texts(&report.pools_freed), [POOL]);
    assert!(report.pools_unknown.is_empty());
    assert_eq!(ledger.released[1].1.address, None);
    assert_eq!(ledger.released[1].1.generation, 4);
}

#[test]
fn a_dry_run_waits_and_changes_nothing() {
    for (exclusive, want) in [(false, &[ADDRESS][..]), (true, &[ADDRESS, POOL])] {
        let mut ledger = ledger();
        let report = run(&mut ledger, &Options { dry_run: true, exclusive, ..USUAL });
        assert!(report.dry_run);
        assert_eq!(texts(&report.would_free), want);
        assert!(ledger.released.is_empty() && report.freed.is_empty());
    }
}

#[test]
fn what_the_ledger_has_granted_again_is_reported_as_changed() {
    let mut ledger = Script { releases: [Ok(false)].into(), ..ledger() };
    let report = run(&mut ledger, &USUAL);
    assert_eq!(texts(&report.changed), [ADDRESS]);
    assert!(report.freed.is_empty());
}

#[test]
fn a_release_that_fails_ends_it_and_says_what_is_left() {
    let lost = Err(io::Error::other("the daemon is gone"));
    let mut ledger = Script { releases: [lost].into(), ..ledger() };
    let report = run(&mut ledger, &Options { exclusive: true, ..USUAL });
    assert_eq!(report.failure.as_deref(), Some("the daemon is gone"));
    assert_eq!(texts(&report.left), [ADDRESS, POOL]);
    assert_eq!(ledger.released.len(), 1);
}

#[test]
fn a_reading_that_fails_frees_nothing() {
    let broken = || io::Error::other("half an answer");
    for failing in 0..4 {
        let (mut ledger, mut engines) = (ledger(), engines());
        match failing {
            0 | 1 => ledger.held[failing] = Err(broken()),
            _ => engines.0[failing - 2] = Err(broken()),
        }
        let exclusive = Options { exclusive: true, ..USUAL };
        let mut clock = Slept::default();
        let end = now(reconcile(&mut ledger, &mut engines, &mut clock, &exclusive, &mut |_| {}));
        match end.unwrap_err() {
            Error::Ledger(_) => assert!(failing < 2),
            Error::Engines(_) => assert!(failing >= 2),
            Error::Unnamed { .. } => panic!("a network names the driver"),
        }
        assert!(ledger.released.is_empty());
    }
}

#[test]
fn engines_that_name_a_driver_nowhere_are_not_all_there_are() {
    let other = |driver: &str| {
        let mut seen = seen(&["192.0.2.7"]);
        driver.clone_into(&mut seen.networks[0].driver);
        seen
    };
    let exclusive = Options { exclusive: true, ..USUAL };
    let dry = Options { dry_run: true, ..exclusive.clone() };
    for (first, second) in [
        (other("wipam:latest"), seen(&[])),
        (seen(&[]), other("wipam:latest")),
        (Observation::default(), Observation::default()),
    ] {
        for options in [&exclusive, &dry] {
            let mut ledger = ledger();
            let mut engines = Views([Ok(first.clone()), Ok(second.clone())].into());
            let mut clock = Slept::default();
            let end = now(reconcile(&mut ledger, &mut engines, &mut clock, options, &mut |_| {}));
            let error = end.unwrap_err().to_string();
            assert!(error.contains(r#"names the IPAM driver "wipam", "#), "{error}");
            assert!(ledger.released.is_empty());
        }
        let mut engines = Views([Ok(first), Ok(second)].into());
        let (mut ledger, mut clock) = (ledger(), Slept::default());
        let end = now(reconcile(&mut ledger, &mut engines, &mut clock, &USUAL, &mut |_| {}));
        assert!(end.unwrap().freed.is_empty(), "pools are only shown without --exclusive");
    }
}

/// The same ledger in the global space, and all of it stale.
fn global_ledger() -> Script {
    let mut ledger = ledger();
    for held in ledger.held.iter_mut().flatten().flatten() {
        for pool in &mut held.pools {
            (pool.space, pool.is_stale) = (Space::Global, true);
            pool.leases.iter_mut().for_each(|lease| lease.is_stale = true);
        }
    }
    ledger
}

/// What a manager sees, alone in its swarm.
fn seen_by_a_manager() -> Observation {
    let node: std::collections::BTreeSet<String> = ["a".to_owned()].into();
    let swarms = Swarms { members: node.clone(), nodes: node, is_unclear: false };
    Observation { swarms, ..seen(&["192.0.2.7"]) }
}

#[test]
fn global_leases_need_a_manager_both_times() {
    let exclusive = Options { exclusive: true, ..USUAL };
    let run = |views: [Observation; 2], options: &Options| {
        let (mut ledger, mut clock) = (global_ledger(), Slept::default());
        let mut engines = Views(views.into_iter().map(Ok).collect());
        let mut told = Vec::new();
        let mut progress = |step: Progress<'_>| {
            if let Progress::NeedsManager { entries, why } = step {
                told.push(format!("{entries}: {why}"));
            }
        };
        let end = now(reconcile(&mut ledger, &mut engines, &mut clock, options, &mut progress));
        let report = end.unwrap();
        assert_eq!(ledger.released.len(), report.freed.len() + report.pools_freed.len());
        (report, told)
    };
    let both = || [seen_by_a_manager(), seen_by_a_manager()];
    let (report, told) = run(both(), &exclusive);
    assert_eq!(texts(&report.freed), [ADDRESS]);
    assert_eq!(texts(&report.pools_freed), [POOL]);
    assert!(told.is_empty() && report.needs_manager.is_empty());
    // Without --exclusive a pool is only shown, here too.
    let (report, _) = run(both(), &USUAL);
    assert_eq!((texts(&report.freed), report.pools_freed.len()), (vec![ADDRESS.to_owned()], 0));
    assert_eq!(texts(&report.pools_unknown), [POOL]);

    let worker = || seen(&["192.0.2.7"]);
    let known = "wipam: pool 192.0.2.0/24 with 2 addresses, generation 1";
    let (report, told) = run([worker(), worker()], &exclusive);
    assert_eq!(texts(&report.needs_manager), [known, POOL]);
    assert_eq!(told, ["2: none of these engines is a manager of a swarm"]);
    assert!(report.freed.is_empty() && report.pools_freed.is_empty());
    // It was one and is none any more; it becomes one when nobody looks again.
    for views in [[seen_by_a_manager(), worker()], [worker(), seen_by_a_manager()]] {
        let (report, _) = run(views, &exclusive);
        assert_eq!(texts(&report.needs_manager), [known, POOL]);
        let rest = Report { needs_manager: vec![], ..report };
        assert_eq!(rest, Report::default(), "each entry is in one list");
    }
}

#[test]
fn the_operator_is_told_of_networks_that_leave_their_subnets_open() {
    let network = &seen(&[]).networks[0];
    let open = |name: &str| Network { name: name.to_owned(), subnets: vec![], ..network.clone() };
    let mut views = seen(&["192.0.2.7"]);
    views.networks.extend(["b", "a\u{202e}\n", "b"].map(open));
    let (mut ledger, mut clock) = (ledger(), Slept::default());
    let mut engines = Views([Ok(views), Ok(seen(&["192.0.2.7"]))].into());
    let mut told = Vec::new();
    let mut progress = |step: Progress<'_>| {
        if let Progress::SubnetsOpen { count, names } = step {
            told.push(format!("{count}: {names}"));
        }
    };
    let exclusive = Options { exclusive: true, ..USUAL };
    let end = now(reconcile(&mut ledger, &mut engines, &mut clock, &exclusive, &mut progress));
    // The pool was not unknown at first, so it waits for the next run.
    assert!(end.unwrap().pools_freed.is_empty());
    assert_eq!(told, ["2: a\\u{202e}\\n, b"]);

    let mut views =
        Views([Ok(Observation { networks: vec![open(&"x".repeat(999))], ..seen(&[]) })].into());
    let mut ledger = Script { held: [Ok(vec![])].into(), ..Script::default() };
    let mut length = 0;
    let mut progress = |step: Progress<'_>| {
        if let Progress::SubnetsOpen { names, .. } = step {
            length = names.len();
        }
    };
    now(reconcile(&mut ledger, &mut views, &mut clock, &USUAL, &mut progress)).unwrap();
    assert_eq!(length, 256);
}

#[test]
fn nobody_waits_when_nothing_is_unknown() {
    let mut ledger = Script { held: [Ok(vec![])].into(), ..Script::default() };
    let (mut engines, mut clock) = (engines(), Slept::default());
    let end = now(reconcile(&mut ledger, &mut engines, &mut clock, &USUAL, &mut |_| {}));
    assert_eq!(end.unwrap(), Report::default());
    assert!(clock.0.is_empty());
}

#[test]
fn the_operator_is_told_what_happens() {
    let (mut ledger, mut engines, mut clock) = (ledger(), engines(), Slept::default());
    let mut told = Vec::new();
    let mut progress = |step: Progress<'_>| {
        let freed = if let Progress::Freed(found) = step { Some(found) } else { None };
        told.push(freed.map_or_else(|| format!("{step:?}"), |found| format!("freed {found}")));
    };
    now(reconcile(&mut ledger, &mut engines, &mut clock, &USUAL, &mut progress)).unwrap();
    let observed = "Observed { networks: 1, endpoints: 1, addresses: 1, pools: 1 }";
    let freed = format!("freed {ADDRESS}");
    assert_eq!(told, [observed, "Waiting { grace: 60s }", observed, &freed]);
}
