//! `wipam driver`: a driver's file, and drivers in service.

mod inspect;
mod reset;
mod upgrade;

use crate::fatal::Fatal;

/// Inspect a driver's file, or upgrade or reset a running driver
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Args {
    Inspect(inspect::Args),
    Upgrade(upgrade::Args),
    Reset(reset::Args),
}

pub(crate) fn run(args: Args) -> Result<(), Fatal> {
    match args {
        Args::Inspect(args) => inspect::run(&args),
        Args::Upgrade(args) => upgrade::run(args),
        Args::Reset(args) => reset::run(&args),
    }
}
