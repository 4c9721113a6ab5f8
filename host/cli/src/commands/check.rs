//! `wipam check`: what drivers believe, beside the ledger.

use crate::{
    daemon::{DaemonFlags, Stop, connect, note, result, stdout},
    fatal::Fatal,
    output::Output,
};
use ipam_admin::wire::{Ask, Check};

/// Compare drivers with the ledger, and change nothing
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Only this driver
    driver: Option<String>,
    /// How to reach the daemon.
    #[command(flatten)]
    daemon: DaemonFlags,
}

const AFTER_HELP: &str =
    "Exit codes: 0 they agree, 1 they differ or could not be compared, 2 wrong command line.";

pub(crate) fn run(args: Args) -> Result<(), Fatal> {
    let Args { driver, daemon } = args;
    let mut client = connect(&daemon)?;
    let mut output = Output::new(stdout(), daemon.json, &[]);
    let (mut differences, mut compared) = (0, 0);
    let told = client.ask(&Ask::Check { driver: driver.clone() }, |check: Check| {
        differences += check.differences.len();
        compared += 1;
        if daemon.json {
            return Ok(output.row(&check, |_| Vec::new())?);
        }
        let Check { driver, entries, differences, notes } = check;
        output.line(&match differences.len() {
            0 => format!("{driver}: agrees with {entries} entries of the ledger"),
            count => format!("{driver}: {count} differences in {entries} entries"),
        })?;
        differences.iter().try_for_each(|line| output.line(&format!("  {line}")))?;
        notes.iter().try_for_each(|note| output.line(&format!("  note: {note}")))?;
        Ok::<_, Stop>(())
    });
    let printed = output.end();
    result(told.and_then(|notes| {
        note(&notes);
        Ok(printed?)
    }))?;
    match (differences, driver) {
        (0, Some(driver)) if compared == 0 => {
            Err(Fatal::Failed(format!("{driver} cannot be compared")))
        }
        (0, _) => Ok(()),
        (count, _) => Err(Fatal::Failed(format!("{count} differences"))),
    }
}
