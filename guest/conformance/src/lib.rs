#![doc = include_str!("../README.md")]

mod case;
mod check;
mod model;
#[cfg(not(target_family = "wasm"))]
mod native;
mod promises;
mod report;
mod settings;

pub use ipam_report::{Outcome, Score};
pub use model::{AddressGrant, Choice, Driver, Family, Options, PoolGrant, PoolRequest, Refusal};
#[cfg(not(target_family = "wasm"))]
pub use native::{check, check_with};
pub use promises::{PROMISES, Promise};
pub use report::{Json, Report, Text};
pub use settings::{InvalidArguments, Settings};

use case::{Case, Memory, Stop};

/// Checks every promise of `driver`, and reports each result as it comes. Returns
/// whether the driver conforms: no promise is broken.
pub fn run(driver: &mut dyn Driver, settings: &Settings, report: &mut dyn Report) -> bool {
    let mut score = Score::default();
    let mut memory = Memory::new();
    for (number, promise) in PROMISES.iter().enumerate() {
        // Skipped promises were checked before; the start is needed in any case.
        let is_start = number == 0;
        if number < settings.skip && !is_start {
            continue;
        }
        let is_shown = number >= settings.skip;
        if is_shown {
            report.begin(promise);
        }
        let outcome = check_promise(driver, settings, &mut memory, promise);
        let is_broken = outcome.is_fail();
        if is_shown {
            score.count(promise.section, &outcome);
            report.end(promise, &outcome);
        }
        if is_start && is_broken {
            break;
        }
    }
    report.score(&score);
    score.conforms()
}

fn check_promise(
    driver: &mut dyn Driver,
    settings: &Settings,
    memory: &mut Memory,
    promise: &Promise,
) -> Outcome {
    let mut case = Case::new(driver, settings, memory);
    // What was granted is taken back whatever comes of it, and a driver that
    // refuses to breaks this promise, too.
    let kept = (promise.check)(&mut case);
    let checked = match kept {
        Err(Stop::Fail(_)) => kept,
        Ok(()) | Err(Stop::NotApplicable(_)) => case.clean().and(kept),
    };
    match checked {
        Ok(()) => Outcome::Pass,
        Err(Stop::NotApplicable(reason)) => Outcome::NotApplicable { reason },
        Err(Stop::Fail(reason)) => {
            let exchange = case.exchange();
            case.clean_anyway();
            Outcome::Fail { reason, exchange }
        }
    }
}
