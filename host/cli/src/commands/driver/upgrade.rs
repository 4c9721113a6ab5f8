//! `wipam driver upgrade`: another version of a driver.

use crate::{
    daemon::{DaemonFlags, absolute, list, short},
    fatal::Fatal,
};
use ipam_admin::wire::{Ask, Upgraded};
use std::path::PathBuf;

/// Put another version of a driver in service; no request fails for it
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The name it is served under
    name: String,
    /// The component
    file: PathBuf,
    /// Even if it needs something else than the one before it, or a
    /// component of one name calls itself otherwise
    #[arg(long)]
    force: bool,
    /// How to reach the daemon.
    #[command(flatten)]
    daemon: DaemonFlags,
}

const AFTER_HELP: &str = "\
The new version is shown all that is held while the one before it serves; if it
disagrees, the one before it stays, and where it disagrees is said.
The next start loads what the configuration names.

Exit codes: 0 it serves, 1 the one before it does, 2 wrong command line.";

pub(crate) fn run(args: Args) -> Result<(), Fatal> {
    let Args { name, file, force, daemon } = args;
    let ask = Ask::Upgrade { driver: name, file: absolute(&file)?, force };
    let columns = ["DRIVER", "FROM", "TO", "ENTRIES SHOWN", "EVENTS SINCE"];
    list(&daemon, &ask, &columns, |upgraded: &Upgraded| {
        vec![
            upgraded.driver.clone(),
            short(upgraded.from.as_deref()),
            short(upgraded.to.as_deref()),
            upgraded.replayed.to_string(),
            upgraded.followed.to_string(),
        ]
    })
}
