//! `wipam driver reset`: a suspended driver is tried at once.

use crate::{
    daemon::{DaemonFlags, connect, print},
    fatal::Fatal,
};
use ipam_admin::wire::Ask;
use serde::Serialize;

/// Try a driver that is left alone, because it failed, once more and now
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The name it is served under
    name: String,
    /// How to reach the daemon.
    #[command(flatten)]
    daemon: DaemonFlags,
}

const AFTER_HELP: &str = "\
Without it, a driver is tried again when its pause is over and somebody asks.

Exit codes: 0 it serves, 1 it does not, 2 wrong command line.";

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
