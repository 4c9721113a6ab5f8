#![doc = include_str!("../README.md")]
//!
//! # Example
//!
//! What `wipam test example.wasm` does:
//!
//! ```no_run,standalone_crate
//! use ipam_conformance_host::{Options, Target, test};
//! use ipam_runtime::{Limits, Runtime};
//!
//! let runtime = Runtime::new(None)?;
//! let component = runtime.load("example", &std::fs::read("example.wasm")?, Limits::default())?;
//! let target = Target::Component { component, is_built_in: false };
//! let suite = runtime.suite(ipam_builtin::CONFORMANCE)?;
//! let reports = test(&suite, &target, &Options::default(), &mut |driver, result| {
//!     println!("{driver}: {result:?}");
//! })?;
//! assert!(reports.iter().all(|report| report.conforms()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod asking;
mod docker;
mod guest;
mod host;
mod instances;
mod junit;
mod model;
mod outcome;
mod recorder;
mod records;
mod show;

pub use docker::Plugin;
pub use guest::ConformanceError;
pub use ipam_report::{Outcome, PromiseResult, Section};
pub use junit::junit;
pub use outcome::Report;

use asking::{Maker, NAMES_MAX, Registered};
use ipam_api::{Callback, Capability, Digest, Driver, DriverName, Factory, Failure, Start};
use ipam_runtime::{Component, Suite};
use recorder::reason;
use std::sync::Arc;

/// How a driver is tested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The operator's table for the driver: one JSON object.
    pub config: String,
    /// Which of its names; all of them if none is given.
    pub name: Option<DriverName>,
    /// The most names that it may register.
    pub names_max: usize,
    /// The seed of the random numbers.
    pub seed: u64,
    /// How many random operations there are.
    pub operations: u32,
    /// Released addresses rest before they are leased again.
    pub resting: bool,
    /// Refusals have no names, as in Docker's protocol.
    pub nameless: bool,
    /// It was granted real random numbers.
    pub has_real_random: bool,
    /// It was granted to ask other services.
    pub asks_others: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            config: "{}".to_owned(),
            name: None,
            names_max: NAMES_MAX,
            seed: 1,
            operations: 100_000,
            resting: false,
            nameless: false,
            has_real_random: false,
            asks_others: false,
        }
    }
}

/// What is tested.
#[derive(Debug, Clone)]
pub enum Target {
    /// A component, of a file or built in.
    Component {
        /// It.
        component: Component,
        /// Whether it is part of this program.
        is_built_in: bool,
    },
    /// An IPAM plugin of Docker's. There is one instance of it.
    Plugin(Plugin),
}

/// The result of a promise that this crate checks.
fn result(section: &str, promise: &str, title: &str, outcome: Outcome) -> PromiseResult {
    let [section, promise, title] = [section, promise, title].map(str::to_owned);
    PromiseResult { section, promise, title, outcome }
}

/// Why the instances' promises are not checked.
const BROKE: &str = "it broke, or did not start, before there was anything to compare with";
const ONE: &str = "a plugin is one process";

/// Makes instances that each have all of the component's limits: a test has more
/// instances at a time than a daemon.
struct Apart(Component);

impl Factory for Apart {
    fn make(&self, start: &Start, callback: Box<dyn Callback>) -> Result<Box<dyn Driver>, Failure> {
        self.0.apart().make(start, callback)
    }

    fn digest(&self) -> Option<Digest> {
        self.0.digest()
    }
}

/// Tests a driver under each of its names, or the one that was asked for;
/// `tell` is told each result with the driver's name as it comes.
///
/// # Errors
/// When the suite itself cannot be run; what is wrong with the driver is in the
/// reports.
pub fn test(
    suite: &Suite,
    target: &Target,
    options: &Options,
    tell: &mut dyn FnMut(&str, &PromiseResult),
) -> Result<Vec<Report>, ConformanceError> {
    let (factory, is_built_in): (Arc<dyn Factory>, bool) = match target {
        Target::Component { component, is_built_in } => {
            (Arc::new(Apart(component.clone())), *is_built_in)
        }
        Target::Plugin(plugin) => (Arc::new(plugin.clone()), false),
    };
    let Options { config, names_max, .. } = options.clone();
    let maker = Maker { factory, config, is_built_in, names_max };
    let (registered, outcome) = match maker.make(None, ipam_api::Stored::new()) {
        Ok(asking) => (asking.registered.clone(), registers(&asking.registered)),
        Err(failure) => (
            Registered::default(),
            Outcome::fail(format!("it does not start: {}", reason(&failure))),
        ),
    };
    let wanted = |name: &DriverName| options.name.as_ref().is_none_or(|wanted| wanted == name);
    let names: Vec<_> = registered.names.iter().filter(|(name, _)| wanted(name)).collect();
    let outcome = match &options.name {
        Some(name) if names.is_empty() && !outcome.is_fail() => {
            Outcome::fail(format!("it does not register {name}"))
        }
        _ => outcome,
    };
    let is_one_of_several = registered.names.len() > 1;
    let first = result("start", "registers", "it registers names that drivers can have", outcome);
    if first.outcome.is_fail() {
        tell("", &first);
        return Ok(vec![Report { driver: String::new(), results: vec![first] }]);
    }
    let mut reports = Vec::new();
    for (name, capability) in names {
        let mut report = Report { driver: name.to_string(), results: Vec::new() };
        let mut note = |result: PromiseResult| {
            tell(&report.driver, &result);
            report.results.push(result);
        };
        note(first.clone());
        let subject = Tested { suite, target, options, maker: &maker, registered: &registered };
        subject.check(is_one_of_several.then_some(name), *capability, &mut note)?;
        reports.push(report);
    }
    Ok(reports)
}

fn registers(registered: &Registered) -> Outcome {
    match &registered.refusal {
        Some(refusal) => Outcome::fail(format!("a registration is refused: {refusal}")),
        None if registered.names.is_empty() => Outcome::fail("it registers no name"),
        None => Outcome::Pass,
    }
}

/// One driver under test.
struct Tested<'a> {
    suite: &'a Suite,
    target: &'a Target,
    options: &'a Options,
    maker: &'a Maker,
    registered: &'a Registered,
}

impl Tested<'_> {
    fn check(
        &self,
        name: Option<&DriverName>,
        capability: Capability,
        note: &mut dyn FnMut(PromiseResult),
    ) -> Result<(), ConformanceError> {
        let Self { suite, maker, options, .. } = self;
        let record = guest::check(suite, maker, name, capability, options, note)?;
        self.instances(name, capability, record.as_ref(), note);
        let component = match self.target {
            Target::Component { component, .. } => Some(component),
            Target::Plugin(_) => None,
        };
        let behaviour = component.map(Component::behaviour);
        let status = match component {
            Some(component) if !component.has_status() => {
                Outcome::not_applicable("it does not export status")
            }
            Some(_) => host::status_counts(maker, name),
            None => Outcome::not_applicable("Docker's protocol has no status"),
        };
        note(result("status", "counts", "it counts what is leased", status));
        // Few drivers have a system of record.
        if component.is_some_and(Factory::has_records) {
            let lists = records::lists(maker, name);
            let title = "its system of record has what is granted, and not what is released";
            note(result("records", "lists", title, lists));
            let releases = records::releases(maker, name);
            let title = "a pool that is released takes its addresses with it";
            note(result("records", "releases", title, releases));
            let removes = records::removes(maker, name);
            let title = "what is removed from it is gone, and nothing else";
            note(result("records", "removes", title, removes));
        }
        let little = host::says_little(behaviour);
        note(result("limits", "log", "what it says to the operator is not too much", little));
        let late = host::registers_in_time(behaviour);
        note(result(
            "limits",
            "registration",
            "it registers while it starts, and then no more",
            late,
        ));
        Ok(())
    }

    /// What other instances of it show.
    fn instances(
        &self,
        name: Option<&DriverName>,
        capability: Capability,
        record: Option<&recorder::Record>,
        note: &mut dyn FnMut(PromiseResult),
    ) {
        let Self { maker, registered, options, .. } = self;
        let is_one = matches!(self.target, Target::Plugin(_));
        let unless_one = |check: &dyn Fn() -> Outcome| {
            if is_one { Outcome::not_applicable(ONE) } else { check() }
        };
        let again = unless_one(&|| instances::registers_again(maker, registered, name, capability));
        note(result(
            "instances",
            "registers",
            "a new instance registers what the first did",
            again,
        ));
        let built_in = unless_one(&|| host::is_not_built_in(maker, name));
        note(result("instances", "built-in", "it knows whether it is part of its host", built_in));
        let deterministic = unless_one(&|| match record {
            _ if options.has_real_random => {
                Outcome::not_applicable("it was granted real random numbers")
            }
            _ if options.asks_others => {
                Outcome::not_applicable("it asks other services, which keep state")
            }
            Some(record) => instances::deterministic(maker, name, record),
            None => Outcome::not_applicable(BROKE),
        });
        let title = "the same requests in the same order get the same answers";
        note(result("instances", "deterministic", title, deterministic));
        let told = match record {
            _ if is_one => Err(Outcome::not_applicable(ONE)),
            _ if !capability.requires_request_replay => {
                Err(Outcome::not_applicable("it registers without replay"))
            }
            Some(record) => instances::replay(maker, name, record),
            None => Err(Outcome::not_applicable(BROKE)),
        };
        let (replay, respected) = match told {
            Ok(told) => (Outcome::Pass, instances::respected(told)),
            Err(outcome) => {
                let reason = "there is no second instance that was told".to_owned();
                (outcome, Outcome::NotApplicable { reason })
            }
        };
        let title = "a second instance grants what it is told that the first granted";
        note(result("instances", "replay", title, replay));
        let title = "a second instance leases to nobody else what it was told";
        note(result("instances", "replay-respected", title, respected));
    }
}
