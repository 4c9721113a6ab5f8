//! `wipam driver`: a driver's file or artifact, and drivers in service.

mod copy;
mod inspect;
mod pull;
mod push;
mod reset;
mod upgrade;
mod verify;

use crate::fatal::Fatal;

/// Inspect, fetch or verify a driver, or upgrade or reset a running one
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Args {
    Inspect(inspect::Args),
    Pull(pull::Args),
    Push(push::Args),
    Verify(verify::Args),
    Copy(copy::Args),
    Upgrade(upgrade::Args),
    Reset(reset::Args),
}

pub(crate) fn run(args: Args) -> Result<(), Fatal> {
    match args {
        Args::Inspect(args) => inspect::run(&args),
        Args::Pull(args) => pull::run(&args),
        Args::Push(args) => push::run(&args),
        Args::Verify(args) => verify::run(&args),
        Args::Copy(args) => copy::run(&args),
        Args::Upgrade(args) => upgrade::run(args),
        Args::Reset(args) => reset::run(&args),
    }
}
