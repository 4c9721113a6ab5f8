//! `wipam`: the composition root, the one place that knows everyone.
//!
//! In: a command line, a configuration file, signals. Out: log lines and
//! progress on standard error, results on standard output, one line on what
//! went wrong, and an exit code: 0 after an orderly end, 1 when it cannot do its
//! work, 2 when it was asked wrongly.

mod artifacts;
mod built_in;
mod commands;
mod component;
mod config;
mod daemon;
mod defaults;
mod driver_client;
mod driver_config;
mod driver_json;
mod drivers;
mod fatal;
mod grace;
mod host_networks;
mod limits_table;
mod logging;
mod names;
mod output;
mod predefined;
mod quantity;
mod remote;
mod signature_table;
mod state_dir;
mod store_table;
mod written;

use clap::Parser;
use commands::{
    addresses, backup, check, compile, compose, driver, history, new, pools, reconcile, release,
    serve, test,
};
use fatal::Fatal;
use ipam_api::text::escaped;
use std::process::ExitCode;

/// Why: see `Cargo.toml`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs IPAM drivers as sandboxed WebAssembly components.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
struct Args {
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

/// The commands, in the order of the help; each says there what it does.
#[derive(Debug, clap::Subcommand)]
enum Command {
    Serve(serve::Args),
    Drivers(commands::drivers::Args),
    Pools(pools::Args),
    Addresses(addresses::Args),
    Release(release::Args),
    Check(check::Args),
    Backup(backup::Args),
    History(history::Args),
    New(new::Args),
    #[command(subcommand)]
    Driver(driver::Args),
    #[command(subcommand)]
    Reconcile(reconcile::Args),
    Test(test::Args),
    Compose(compose::Args),
    #[command(hide = true)]
    Compile(compile::Args),
}

fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Serve(args) => serve::run(&args),
        Command::Drivers(args) => commands::drivers::run(&args),
        Command::Pools(args) => pools::run(args),
        Command::Addresses(args) => addresses::run(args),
        Command::Release(args) => release::run(args),
        Command::Check(args) => check::run(args),
        Command::Backup(args) => backup::run(&args),
        Command::History(args) => history::run(args),
        Command::New(args) => new::run(&args),
        Command::Driver(args) => driver::run(args),
        Command::Reconcile(args) => reconcile::run(args),
        Command::Test(args) => test::run(&args),
        Command::Compose(args) => compose::run(&args),
        Command::Compile(args) => return compile::run(&args),
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
