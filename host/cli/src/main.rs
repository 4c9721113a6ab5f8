//! `wipam`: the composition root, the one place that knows everyone.
//!
//! In: a command line, a configuration file, signals. Out: log lines on
//! standard error, one line on why it cannot start, and an exit code: 0 after
//! an orderly end, 1 when it cannot do its work, 2 when it was asked wrongly.

mod args;
mod config;
mod host_networks;
mod logging;
mod serve;
mod state_dir;

use args::{Args, Command};
use clap::Parser as _;
use std::process::ExitCode;

/// Why: see `Cargo.toml`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Why the program ends early: one line for the operator, one exit code.
#[derive(Debug, thiserror::Error)]
enum Fatal {
    /// The configuration or the command line cannot be meant.
    #[error("{0}")]
    Usage(String),
    /// It is meant, and cannot be done.
    #[error("{0}")]
    Start(String),
}

fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Compile { arguments } => return ipam_runtime::compile(&arguments).into(),
        Command::Serve(flags) => config::Settings::new(flags).and_then(|settings| {
            logging::start(settings.log_format)?;
            serve::run(settings)
        }),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(fatal) => {
            eprintln!("wipam: {fatal}");
            ExitCode::from(match fatal {
                Fatal::Start(_) => 1,
                Fatal::Usage(_) => 2,
            })
        }
    }
}
