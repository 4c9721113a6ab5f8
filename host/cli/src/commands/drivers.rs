//! `wipam drivers`: the drivers of a daemon.

use crate::{
    daemon::{AFTER_ASK, DaemonFlags, list, or_dash, short, since},
    fatal::Fatal,
};
use ipam_admin::wire::{Ask, Condition, Driver};
use ipam_api::text::bounded;

/// Show the drivers of a running daemon and their state
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_ASK)]
pub(crate) struct Args {
    /// How to reach the daemon.
    #[command(flatten)]
    daemon: DaemonFlags,
}

pub(crate) fn run(args: &Args) -> Result<(), Fatal> {
    let columns = [
        "NAME",
        "STATE",
        "ORIGIN",
        "DOCKER",
        "POOLS",
        "ADDRESSES",
        "OWED",
        "ANSWERS",
        "FAILURES",
        "MEMORY",
        "DIGEST",
        "ARTIFACT",
        "REASON",
    ];
    list(&args.daemon, &Ask::Drivers, &columns, |driver: &Driver| {
        let state = match driver.condition {
            Condition::Serving => "serving".to_owned(),
            Condition::Busy => "busy".to_owned(),
            Condition::Failing => match driver.paused_until {
                Some(until) => format!("paused until {until}"),
                None => since("failing", driver.failing_since),
            },
            Condition::Absent => "not loaded".to_owned(),
        };
        vec![
            driver.name.clone(),
            state,
            or_dash(driver.origin.clone()),
            or_dash(driver.docker_name.clone()),
            or_dash(driver.pools),
            or_dash(driver.addresses),
            or_dash(driver.owed),
            driver.answers.to_string(),
            driver.failures.to_string(),
            format!("{} KiB", driver.memory_bytes >> 10),
            short(driver.digest.as_deref()),
            short(driver.artifact.as_deref().and_then(|it| Some(it.rsplit_once('@')?.1))),
            // A backtrace is long; all of it is in the log and in JSON.
            driver.last_failure.as_deref().map(|it| bounded(80, it)).unwrap_or_default(),
        ]
    })
}
