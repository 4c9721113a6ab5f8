//! `wipam reconcile records`: the ledger over the admin socket, beside what a driver's
//! system of record has.

use crate::{daemon::DaemonFlags, driver_client::DaemonClient, fatal::Fatal, grace, output::print};
use ipam_api::{HeldRecord, with_causes};
use ipam_reconcile::{
    Options, TokioClock,
    records::{GivenBack, Progress, Refused, give_back, line},
};
use serde::Serialize;
use std::time::Duration;

/// Give back what only a driver's system of record has of this host
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The driver; `wipam drivers` shows which there are
    driver: String,
    /// Show what would be given back, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Also give back pools that the ledger does not hold, and addresses of such
    /// pools. Use only if no other host has this host's name there
    #[arg(long)]
    exclusive: bool,
    /// How long a record must stay unknown to the ledger, as 90s or 2m; at least 30s
    /// unless --dry-run
    #[arg(long, value_name = "TIME", default_value = grace::DEFAULT, value_parser = grace::parse)]
    grace: Duration,
    /// How to reach the daemon.
    #[command(flatten)]
    daemon: DaemonFlags,
}

const AFTER_HELP: &str = "\
Gives back records that this host made in the system of record, such as NetBox, and
that the ledger does not hold, neither now nor after the grace period: what was left
behind when an answer was lost or Wipam was killed. `wipam check` shows them. The
driver's thread decides again right before each removal, in order with its requests:
what is granted meanwhile stays.

`wipam reconcile DRIVER` is the same.

Exit codes: 0 done, 1 failed or incomplete, 2 wrong command line.

Example:
  wipam reconcile records netbox --dry-run";

/// What is printed for programs.
#[derive(Serialize)]
struct Row<'a> {
    driver: &'a str,
    #[serde(flatten)]
    report: &'a GivenBack,
}

pub(crate) fn run(args: Args) -> Result<(), Fatal> {
    let Args { driver, dry_run, exclusive, grace, daemon } = args;
    let options = Options { grace: grace::check(grace, dry_run)?, dry_run, exclusive };
    let mut client = DaemonClient::new(daemon.clone(), driver.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Fatal::Failed(error.to_string()))?;
    let report = runtime
        .block_on(give_back(&mut client, &mut TokioClock, &options, &mut show_progress))
        .map_err(|error| Fatal::Failed(format!("nothing was changed: {}", with_causes(&error))))?;
    print(daemon.json, &Row { driver: &driver, report: &report }, &lines(&report))?;
    let refused = report.refused.len();
    match &report.failure {
        Some(why) => {
            Err(Fatal::Failed(format!("{} records were not removed: {why}", report.left.len())))
        }
        None if refused > 0 => Err(Fatal::Failed(format!("{refused} removals were refused"))),
        None if !report.postponed.is_empty() => {
            Err(Fatal::Failed(format!("{} records wait for the next run", report.postponed.len())))
        }
        None => Ok(()),
    }
}

/// Progress is for people, on standard error: standard output is for results.
fn show_progress(step: Progress<'_>) {
    match step {
        Progress::Looked { entries, records, leftover } => eprintln!(
            "the ledger holds {entries} pools and addresses, the system of record has {records}; \
             left over there: {leftover}"
        ),
        Progress::Waiting { grace } => {
            eprintln!("waiting {} s before looking again", grace.as_secs());
        }
        Progress::Removed(record) => eprintln!("gave back {}", line(record)),
        Progress::Settled(record) => eprintln!("changed meanwhile: {}", line(record)),
        _ => {}
    }
}

fn lines(report: &GivenBack) -> Vec<String> {
    let lists: [(&str, &[HeldRecord]); 6] = [
        ("given back", &report.removed),
        ("would be given back", &report.would_remove),
        ("kept without --exclusive", &report.kept),
        ("changed meanwhile", &report.settled),
        ("waits for the next run", &report.postponed),
        ("left", &report.left),
    ];
    let found = lists.iter().flat_map(|(what, records)| {
        records.iter().map(move |record| format!("{what}: {}", line(record)))
    });
    let refused = report
        .refused
        .iter()
        .map(|Refused { record, reason }| format!("refused: {}: {reason}", line(record)));
    let mut lines: Vec<String> = found.chain(refused).collect();
    if lines.is_empty() {
        lines.push("nothing to give back".to_owned());
    }
    lines
}
