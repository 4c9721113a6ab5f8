//! `wipam reconcile`: the ledger beside what else knows who uses an address.

mod docker;

use crate::fatal::Fatal;

/// Find and free pools and addresses that nobody uses
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Args {
    Docker(docker::Args),
}

pub(crate) fn run(args: Args) -> Result<(), Fatal> {
    match args {
        Args::Docker(args) => docker::run(args),
    }
}
