//! `wipam backup`: a copy of the ledger.

use crate::{
    daemon::{DaemonFlags, absolute, connect, note, print},
    fatal::Fatal,
};
use ipam_admin::wire::Ask;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Write a copy of the ledger to a new file while the daemon runs
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The file to write: it must not exist, and the daemon must be able to create it
    file: PathBuf,
    /// How to reach the daemon.
    #[command(flatten)]
    daemon: DaemonFlags,
}

const AFTER_HELP: &str = "\
To restore it, copy it as `ledger.redb` into an empty state directory.

Exit codes: 0 written and synced, 1 failed, 2 wrong command line.";

pub(crate) fn run(args: &Args) -> Result<(), Fatal> {
    let file = absolute(&args.file)?;
    let (_, notes) = connect(&args.daemon)?
        .all::<()>(&Ask::Backup { file: file.clone() })
        .map_err(|error| Fatal::Failed(error.to_string()))?;
    note(&notes);
    #[derive(Serialize)]
    struct Written<'a> {
        file: &'a Path,
    }
    print(&args.daemon, &Written { file: &file }, &format!("written to {}", file.display()))
}
