//! `wipam driver reset`: a suspended driver is tried at once.

use crate::{
    daemon::{DaemonFlags, connect, print},
    fatal::Fatal,
};
use ipam_admin::wire::Ask;
use serde::Serialize;

/// Retry now a driver that was suspended after repeated failures
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The driver's name
    name: String,
    /// How to reach the daemon.
    #[command(flatten)]
    daemon: DaemonFlags,
}

const AFTER_HELP: &str = "\
Without this, Wipam retries the driver at the first request after its pause.

Exit codes: 0 the driver serves, 1 it still fails, 2 wrong command line.";

pub(crate) fn run(args: &Args) -> Result<(), Fatal> {
    #[derive(Serialize)]
    struct Serves<'a> {
        driver: &'a str,
    }
    let driver = &*args.name;
    let answer = connect(&args.daemon)?.all::<()>(&Ask::Reset { driver: driver.to_owned() });
    answer.map_err(|error| Fatal::Failed(error.to_string()))?;
    print(&args.daemon, &Serves { driver }, &format!("{driver} serves"))
}
