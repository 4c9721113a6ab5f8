//! `wipam backup`: a copy of the ledger.

use crate::{
    daemon::{DaemonFlags, absolute, connect, note, print},
    fatal::Fatal,
};
use ipam_admin::wire::Ask;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Write the ledger, as it is now, into a new file, while the daemon serves
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// A file that does not exist, where the daemon can write
    file: PathBuf,
    /// How to reach the daemon.
    #[command(flatten)]
    daemon: DaemonFlags,
}

const AFTER_HELP: &str = "\
To restore it, copy it as `ledger.redb` into an empty state directory.

Exit codes: 0 written and synced, 1 not, 2 wrong command line.";

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
