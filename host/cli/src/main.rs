//! `wipam`: the composition root, the one place that knows everyone.
//!
//! In: a command line, a configuration file, signals. Out: log lines and
//! progress on standard error, results on standard output, one line on what
//! went wrong, and an exit code: 0 after an orderly end, 1 when it cannot do its
//! work, 2 when it was asked wrongly.

mod args;
mod built_in;
mod compose;
mod config;
mod driver_config;
mod driver_json;
mod drivers;
mod host_networks;
mod inspect;
mod limits_table;
mod logging;
mod names;
mod new;
mod operate;
mod output;
mod predefined;
mod quantity;
mod reconcile;
mod release;
mod serve;
mod state_dir;
mod test;
mod test_args;
mod written;

use args::{Args, Command, DriverCommand, ReconcileCommand};
use clap::Parser as _;
use ipam_api::text::escaped;
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
    Failed(String),
}

fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Compile { arguments } => return ipam_runtime::compile(&arguments).into(),
        Command::Serve(flags) => config::Settings::new(flags.clone()).and_then(|settings| {
            logging::start(settings.log_format)?;
            serve::run(&flags, settings)
        }),
        Command::Drivers { daemon } => operate::drivers(&daemon),
        Command::Pools { driver, pool, stale, daemon } => {
            operate::pools(&daemon, driver, pool, stale)
        }
        Command::Addresses { address, driver, pool, stale, daemon } => {
            operate::addresses(&daemon, driver, pool, address, stale)
        }
        Command::Release(flags) => release::release(flags),
        Command::Check { driver, daemon } => operate::check(&daemon, driver),
        Command::Backup { file, daemon } => operate::backup(&daemon, &file),
        Command::History { address, at, driver, daemon } => {
            operate::history(&daemon, address, at, driver)
        }
        Command::New(flags) => new::run(&flags),
        Command::Driver(DriverCommand::Inspect { file, json }) => inspect::run(&file, json),
        Command::Driver(DriverCommand::Upgrade { name, file, force, daemon }) => {
            operate::upgrade(&daemon, name, &file, force)
        }
        Command::Driver(DriverCommand::Reset { name, daemon }) => operate::reset(&daemon, &name),
        Command::Test(flags) => test::run(&flags),
        Command::Compose { file, output, stub_only } => compose::run(&file, &output, stub_only),
        Command::Reconcile(ReconcileCommand::Docker(flags)) => reconcile::docker(flags),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(fatal) => {
            // Lines are those of a mistake in a file, shown in its place.
            let text = fatal.to_string();
            let lines: Vec<String> = text.split('\n').map(|it| escaped(it).to_string()).collect();
            eprintln!("wipam: {}", lines.join("\n"));
            ExitCode::from(match fatal {
                Fatal::Failed(_) => 1,
                Fatal::Usage(_) => 2,
            })
        }
    }
}
