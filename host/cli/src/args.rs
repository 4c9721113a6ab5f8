//! The command line. Flags are optional here: what they default to is decided
//! where they meet the configuration file.

use crate::config::LogFormat;
use clap::{Parser, Subcommand};
use ipnet::IpNet;
use std::{ffi::OsString, path::PathBuf};

/// Runs IPAM drivers as sandboxed WebAssembly components.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
pub(crate) struct Args {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve drivers to Docker on this machine, until SIGTERM or SIGINT
    #[command(after_help = AFTER_HELP)]
    Serve(ServeFlags),

    /// Compile a component; `serve` runs this for itself
    #[command(hide = true)]
    Compile {
        /// What `serve` says
        #[arg(allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

const AFTER_HELP: &str = "\
Every flag has its key in the configuration file; a flag wins over the file.
Start wipam before dockerd: Docker looks for plugins when it starts.

Exit codes: 0 stopped by a signal, 1 cannot start, 2 wrong flag or configuration.
Environment: RUST_LOG chooses what is logged (info; ipam_docker=debug; ...).

Example, without root:
  wipam serve --state-dir ./wipam-data --plugin-dir ./wipam-data/plugins";

/// The flags of `serve`.
#[derive(Debug, Default, Clone, clap::Args)]
pub(crate) struct ServeFlags {
    /// Where state is kept; created, readable by its owner alone [default: /var/lib/wipam]
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,

    /// Keep the ledger in memory: what is granted is forgotten when this ends
    #[arg(long)]
    pub(crate) ephemeral: bool,

    /// Where Docker looks for plugin sockets [default: /run/docker/plugins]
    #[arg(long, value_name = "DIR")]
    pub(crate) plugin_dir: Option<PathBuf>,

    /// A driver to serve: a component file, or builtin:default, builtin:null;
    /// NAME renames it. May be repeated [default: both built-ins]
    #[arg(long = "driver", value_name = "[NAME=]FILE")]
    pub(crate) drivers: Vec<String>,

    /// A configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// A prefix that automatic pools must not touch. May be repeated
    #[arg(long, value_name = "PREFIX")]
    pub(crate) exclude: Vec<IpNet>,

    /// Under which socket name Docker sees a driver. May be repeated
    /// [default: default=wipam null=wipam-null]
    #[arg(long = "docker-name", value_name = "DRIVER=NAME")]
    pub(crate) docker_names: Vec<String>,

    /// How log lines look [default: text]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
}
