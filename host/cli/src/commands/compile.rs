//! `wipam compile`: the compiler in a process of its own, as `serve` starts it.

use std::{ffi::OsString, process::ExitCode};

/// Compile a component; `serve` runs this for itself
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What `serve` says
    #[arg(allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

pub(crate) fn run(args: &Args) -> ExitCode {
    ipam_runtime::compile(&args.arguments).into()
}
