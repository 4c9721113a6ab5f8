//! `wipam reconcile`: the ledger beside what else knows who uses an address.

mod docker;
mod records;

use crate::fatal::Fatal;
use clap::Parser as _;

/// Find and free pools and addresses that nobody uses
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Args {
    Docker(docker::Args),
    Records(records::Args),
    /// `wipam reconcile DRIVER` is `wipam reconcile records DRIVER`.
    #[command(external_subcommand)]
    Driver(Vec<String>),
}

/// Give back what only a driver's system of record has of this host
#[derive(Debug, clap::Parser)]
#[command(name = "wipam reconcile")]
struct Named {
    #[command(flatten)]
    args: records::Args,
}

pub(crate) fn run(args: Args) -> Result<(), Fatal> {
    match args {
        Args::Docker(args) => docker::run(args),
        Args::Records(args) => records::run(args),
        Args::Driver(words) => {
            let command = std::iter::once("wipam reconcile".to_owned());
            records::run(Named::parse_from(command.chain(words)).args)
        }
    }
}
