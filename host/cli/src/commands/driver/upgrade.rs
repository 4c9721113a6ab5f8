//! `wipam driver upgrade`: another version of a driver.

use crate::{
    daemon::{DaemonFlags, absolute, list, short},
    fatal::Fatal,
};
use ipam_admin::wire::{Ask, Upgraded};
use ipam_registry::SCHEME;
use std::path::{Path, PathBuf};

/// Replace a running driver with another version, without failed requests
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The driver's name
    name: String,
    /// The component: a file, or oci://REGISTRY/REPOSITORY:TAG, whose tag is looked
    /// up again [default: what the configuration names]
    #[arg(value_name = "FILE|REF")]
    file: Option<PathBuf>,
    /// Upgrade even if the new version needs other capabilities or, having one
    /// name, registers another one
    #[arg(long)]
    force: bool,
    /// How to reach the daemon.
    #[command(flatten)]
    daemon: DaemonFlags,
}

const AFTER_HELP: &str = "\
The new version is shown everything that the ledger holds while the old one serves.
If it disagrees, the old version stays, and the entry that differs is printed.
The next start loads what the configuration names. Without FILE|REF that is read, or
looked up, now; the configuration itself is read again by SIGHUP.

Exit codes: 0 upgraded, 1 failed, and the old version serves, 2 wrong command line.";

fn is_reference(file: &Path) -> bool {
    file.to_str().is_some_and(|text| text.starts_with(SCHEME))
}

pub(crate) fn run(args: Args) -> Result<(), Fatal> {
    let Args { name, file, force, daemon } = args;
    // The daemon's directory is not ours, and a reference is no path.
    let file = match file {
        Some(path) if !is_reference(&path) => Some(absolute(&path)?),
        file => file,
    };
    let ask = Ask::Upgrade { driver: name, file, force };
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
