//! Runs the suite's component against a driver, again and again if it breaks:
//! a new instance is asked for the promises behind the one at which it broke.

use crate::{
    Options, Outcome, PromiseResult,
    asking::Maker,
    recorder::{Record, Recorder, lock},
};
use ipam_api::{Capability, DriverName};
use ipam_runtime::{Suite, SuiteEnd};
use std::{mem, sync::mpsc, thread};

/// After so many promises at which it broke, the others are not asked for: each
/// may take as long as its limits allow.
const BROKEN_MAX: usize = 5;

/// Why the suite could not be run. It is not the driver's fault.
#[derive(Debug, thiserror::Error)]
#[error("the suite did not run: {0}")]
pub struct ConformanceError(String);

/// Checks every promise of the suite; the record is that of the last instance
/// that was asked, if it did not break.
pub(crate) fn check(
    suite: &Suite,
    maker: &Maker,
    name: Option<&DriverName>,
    capability: Capability,
    options: &Options,
    tell: &mut dyn FnMut(PromiseResult),
) -> Result<Option<Record>, ConformanceError> {
    let promises = list(suite, maker)?;
    let mut checked = 0;
    for broken in 1.. {
        let arguments = arguments(name, capability, options, checked);
        let (recorder, shared) = Recorder::new(maker.clone());
        let (to, lines) = mpsc::channel::<String>();
        let mut failed_to_start = false;
        let end = thread::scope(|scope| {
            let run = scope.spawn(|| {
                suite.run(&arguments, recorder, move |line| drop(to.send(line.to_owned())))
            });
            for line in lines {
                // Each section's score is a line, too, and we have our own.
                if let Ok(result) = serde_json::from_str::<PromiseResult>(&line) {
                    failed_to_start |= checked == 0 && result.outcome.is_fail();
                    checked += 1;
                    tell(result);
                }
            }
            run.join()
        });
        let end = end.map_err(|_| ConformanceError("it panicked".to_owned()))?;
        let mut record = mem::take(&mut *lock(&shared));
        match (end, record.broke.take()) {
            (SuiteEnd::Judged(_), None) if checked == promises.len() || failed_to_start => {
                return Ok((!failed_to_start).then_some(record));
            }
            (SuiteEnd::Broke(_), Some(broke)) if checked < promises.len() => {
                let outcome = Outcome::Fail { reason: broke.reason, exchange: broke.exchange };
                tell(PromiseResult { outcome, ..promises[checked].clone() });
                checked += 1;
                if checked == 1 {
                    return Ok(None);
                }
            }
            (SuiteEnd::Broke(reason), _) => return Err(ConformanceError(reason)),
            (SuiteEnd::Judged(_), _) => {
                let text = format!("{checked} of {} promises were checked", promises.len());
                return Err(ConformanceError(text));
            }
        }
        if broken == BROKEN_MAX {
            for promise in &promises[checked..] {
                let reason = format!("not asked for: it broke {BROKEN_MAX} times before");
                tell(PromiseResult {
                    outcome: Outcome::NotApplicable { reason },
                    ..promise.clone()
                });
            }
            break;
        }
    }
    Ok(None)
}

fn arguments(
    name: Option<&DriverName>,
    capability: Capability,
    options: &Options,
    skip: usize,
) -> Vec<String> {
    let mut arguments = vec!["--json".to_owned()];
    for (flag, value) in [
        ("--seed", options.seed.to_string()),
        ("--operations", options.operations.to_string()),
        ("--skip", skip.to_string()),
    ] {
        arguments.extend([flag.to_owned(), value]);
    }
    if let Some(name) = name {
        arguments.extend(["--name".to_owned(), name.to_string()]);
    }
    for (flag, is_set) in [
        ("--mac-addresses", capability.requires_mac_address),
        ("--nameless", options.nameless),
        ("--resting", options.resting),
    ] {
        arguments.extend(is_set.then(|| flag.to_owned()));
    }
    arguments
}

/// Every promise, not checked: `SECTION/NAME: TITLE`.
fn list(suite: &Suite, maker: &Maker) -> Result<Vec<PromiseResult>, ConformanceError> {
    let (recorder, _) = Recorder::new(maker.clone());
    let (to, lines) = mpsc::channel::<String>();
    match suite.run(&["--list".to_owned()], recorder, move |line| drop(to.send(line.to_owned()))) {
        SuiteEnd::Judged(true) => {}
        SuiteEnd::Judged(false) => return Err(ConformanceError("it lists no promises".to_owned())),
        SuiteEnd::Broke(why) => {
            return Err(ConformanceError(format!("it lists no promises: {why}")));
        }
    }
    let promise = |line: String| {
        let (name, title) = line.split_once(": ")?;
        let (section, promise) = name.split_once('/')?;
        Some(PromiseResult {
            section: section.to_owned(),
            promise: promise.to_owned(),
            title: title.to_owned(),
            outcome: Outcome::Pass,
        })
    };
    Ok(lines.into_iter().filter_map(promise).collect())
}
