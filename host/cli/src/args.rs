//! The command line. Flags of `serve` are optional here: what they default to
//! is decided where they meet the configuration file.

use crate::{
    config::{DEFAULT_METRICS_LISTEN, DEFAULT_STATE_DIR, LogFormat},
    test_args::{AFTER_COMPOSE, AFTER_TEST, TestFlags},
    written::{address, driver_and_name, prefix},
};
use clap::{Parser, Subcommand};
use ipam_admin::Timestamp;
use ipam_api::DriverName;
use ipam_templates::Language;
use ipnet::IpNet;
use std::{
    ffi::OsString,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

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
    #[command(after_help = AFTER_SERVE)]
    Serve(ServeFlags),

    /// Show the drivers of a running daemon and how they are
    #[command(after_help = AFTER_ASK)]
    Drivers {
        /// How to reach the daemon.
        #[command(flatten)]
        daemon: DaemonFlags,
    },

    /// Show the pools that are held, by the ledger and by their drivers
    #[command(after_help = AFTER_ASK)]
    Pools {
        /// Of this driver only
        #[arg(long, value_name = "NAME")]
        driver: Option<String>,
        /// With this id only
        #[arg(long, value_name = "ID")]
        pool: Option<String>,
        /// Only those with something that nobody has asked for since the
        /// daemon began, or since a swarm's manager began to lead
        #[arg(long)]
        stale: bool,
        /// How to reach the daemon.
        #[command(flatten)]
        daemon: DaemonFlags,
    },

    /// Show the addresses that are held
    #[command(after_help = AFTER_ASK)]
    Addresses {
        /// This address only
        #[arg(value_parser = address)]
        address: Option<IpAddr>,
        /// Of this driver only
        #[arg(long, value_name = "NAME")]
        driver: Option<String>,
        /// Taken under this pool's id only
        #[arg(long, value_name = "ID")]
        pool: Option<String>,
        /// Only those that nobody has asked for since the daemon began, or
        /// since a swarm's manager began to lead
        #[arg(long)]
        stale: bool,
        /// How to reach the daemon.
        #[command(flatten)]
        daemon: DaemonFlags,
    },

    /// Release an address or a pool that nobody will release
    #[command(after_help = AFTER_RELEASE)]
    Release(ReleaseFlags),

    /// Compare drivers with the ledger; changes nothing
    #[command(
        after_help = "Exit codes: 0 they agree, 1 they differ or cannot be compared, 2 wrong command line."
    )]
    Check {
        /// This driver only
        driver: Option<String>,
        /// How to reach the daemon.
        #[command(flatten)]
        daemon: DaemonFlags,
    },

    /// Write the ledger, as it is now, into a new file, while the daemon serves
    #[command(after_help = AFTER_BACKUP)]
    Backup {
        /// A file that does not exist, where the daemon can write
        file: PathBuf,
        /// How to reach the daemon.
        #[command(flatten)]
        daemon: DaemonFlags,
    },

    /// Show who held an address when
    #[command(after_help = AFTER_HISTORY)]
    History {
        /// Which address
        #[arg(value_parser = address)]
        address: IpAddr,
        /// Who held it at that moment only
        #[arg(long, value_name = "TIME")]
        at: Option<Timestamp>,
        /// Of this driver only
        #[arg(long, value_name = "NAME")]
        driver: Option<String>,
        /// How to reach the daemon.
        #[command(flatten)]
        daemon: DaemonFlags,
    },

    /// Make a project for a driver of your own, in a directory of its name
    #[command(after_help = AFTER_NEW)]
    New(NewFlags),

    /// Look at a driver's file, or change a driver in service
    #[command(subcommand)]
    Driver(DriverCommand),

    /// Find what is held and used by nobody, and free it
    #[command(subcommand)]
    Reconcile(ReconcileCommand),

    /// Ask a driver for every promise of the contract; no daemon is asked
    #[command(after_help = AFTER_TEST)]
    Test(TestFlags),

    /// Join a driver with the conformance suite, for plain `wasmtime run`
    #[command(after_help = AFTER_COMPOSE)]
    Compose {
        /// The driver's component, or builtin:default, builtin:null
        file: String,
        /// Where the composition is written
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// Without the suite: the driver alone, for `wasmtime run --invoke`
        #[arg(long)]
        stub_only: bool,
    },

    /// Compile a component; `serve` runs this for itself
    #[command(hide = true)]
    Compile {
        /// What `serve` says
        #[arg(allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

/// What to do with a driver.
#[derive(Debug, Subcommand)]
pub(crate) enum DriverCommand {
    /// Show what a file exports, imports and would need; nothing is run
    #[command(after_help = "Exit codes: 0 shown, 1 it is no component, 2 wrong command line.")]
    Inspect {
        /// The component
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },

    /// Put another version of a driver in service; no request fails for it
    #[command(after_help = AFTER_UPGRADE)]
    Upgrade {
        /// The name it is served under
        name: String,
        /// The component
        file: PathBuf,
        /// Even if it needs something else than the one before it, or a
        /// component of one name calls itself otherwise
        #[arg(long)]
        force: bool,
        /// How to reach the daemon.
        #[command(flatten)]
        daemon: DaemonFlags,
    },

    /// Try a driver that is left alone, because it failed, once more and now
    #[command(after_help = AFTER_RESET)]
    Reset {
        /// The name it is served under
        name: String,
        /// How to reach the daemon.
        #[command(flatten)]
        daemon: DaemonFlags,
    },
}

/// With whom to compare the ledger.
#[derive(Debug, Subcommand)]
pub(crate) enum ReconcileCommand {
    /// Compare with the networks and containers of Docker Engines
    #[command(after_help = AFTER_RECONCILE)]
    Docker(ReconcileFlags),
}

/// How to reach a running daemon, and how to print.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DaemonFlags {
    /// The daemon's state directory
    #[arg(long, value_name = "DIR", default_value = DEFAULT_STATE_DIR)]
    pub(crate) state_dir: PathBuf,

    /// Print JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// The flags of `release`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ReleaseFlags {
    /// The address; without one, the pool that --pool names
    #[arg(required_unless_present = "pool", value_parser = address)]
    pub(crate) address: Option<IpAddr>,
    /// The pool, or the pool of the address
    #[arg(long, value_name = "ID")]
    pub(crate) pool: Option<String>,
    /// The driver, where several hold it
    #[arg(long, value_name = "NAME")]
    pub(crate) driver: Option<String>,
    /// Release a pool with the addresses that are held under it
    #[arg(long)]
    pub(crate) force: bool,
    /// How to reach the daemon.
    #[command(flatten)]
    pub(crate) daemon: DaemonFlags,
}

/// The flags of `reconcile docker`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ReconcileFlags {
    /// The socket of an engine. May be repeated
    #[arg(long = "socket", value_name = "FILE", default_value = "/var/run/docker.sock")]
    pub(crate) sockets: Vec<PathBuf>,
    /// Say what would be freed and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// These engines are all that use this daemon: free pools, too, that none
    /// of them knows
    #[arg(long)]
    pub(crate) exclusive: bool,
    /// Seconds for which something must be unknown; at least 30 unless --dry-run
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) grace: u64,
    /// What Docker calls a driver, where that is not its socket's name: a
    /// managed plugin has a tag, as in default=wipam:latest. May be repeated
    #[arg(long = "docker-name", value_name = "DRIVER=NAME", value_parser = driver_and_name)]
    pub(crate) docker_names: Vec<(DriverName, String)>,
    /// How to reach the daemon.
    #[command(flatten)]
    pub(crate) daemon: DaemonFlags,
}

/// The flags of `new`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct NewFlags {
    /// The driver's name, and the directory's
    pub(crate) name: DriverName,
    /// The language: rust, python, js or c
    #[arg(long, value_name = "LANGUAGE", default_value_t = Language::Rust)]
    pub(crate) lang: Language,
}

const AFTER_NEW: &str = "\
The project has a small policy, its tests, the contract, and a README with the
commands; `make` builds NAME.wasm with the language's own tools.

Exit codes: 0 written, 1 not, such as when the directory is not empty, 2 wrong command line.

Example:
  wipam new lab --lang python && make -C lab && wipam serve --driver lab/lab.wasm";

const AFTER_SERVE: &str = "\
Every flag has its key in the configuration file; a flag wins over the file.
Start wipam before dockerd: Docker looks for plugins when it starts.
SIGHUP reads the configuration again: drivers that changed are upgraded without
a gap, new ones are loaded.

Exit codes: 0 stopped by a signal, 1 cannot start, 2 wrong flag or configuration.
Environment: RUST_LOG chooses what is logged (info; ipam_docker=debug; ...).

Example, without root:
  wipam serve --state-dir ./wipam-data --plugin-dir ./wipam-data/plugins";

const AFTER_ASK: &str = "\
Exit codes: 0 done, 1 the daemon cannot be asked or does not know, 2 wrong command line.";

const AFTER_RELEASE: &str = "\
What uses the address is not asked: see `wipam reconcile` for what is safe.
What is released and granted again meanwhile stays.

Exit codes: 0 released, 1 not released, 2 wrong command line.";

const AFTER_BACKUP: &str = "\
To restore it, copy it as `ledger.redb` into an empty state directory.

Exit codes: 0 written and synced, 1 not, 2 wrong command line.";

const AFTER_HISTORY: &str = "\
TIME is RFC 3339, a date or a date and a time in UTC, or how long ago: \"2h ago\".
How far back history goes is [history] in the configuration.

Exit codes: 0 done, whether somebody held it or not, 1 cannot be told, 2 wrong command line.";

const AFTER_UPGRADE: &str = "\
The new version is shown all that is held while the one before it serves; if it
disagrees, the one before it stays, and where it disagrees is said.
The next start loads what the configuration names.

Exit codes: 0 it serves, 1 the one before it does, 2 wrong command line.";

const AFTER_RESET: &str = "\
Without it, a driver is tried again when its pause is over and somebody asks.

Exit codes: 0 it serves, 1 it does not, 2 wrong command line.";

const AFTER_RECONCILE: &str = "\
Frees what Docker's server granted in a driver's local space and what no given
engine has known twice, with the grace period in between.

In a driver's global space, where swarm's managers ask, it frees only what is
stale (`wipam pools --stale`), and only if one of the engines is a manager that
has a leader; otherwise such entries are shown and stay. Addresses of a network
that the swarm still has are freed only in a swarm of one node: of other nodes'
load balancers a manager tells nothing.

Exit codes: 0 done, 1 not done or not to the end, 2 wrong command line.

Example:
  wipam reconcile docker --socket /var/run/docker.sock --dry-run";

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

    /// A driver to serve: a component file, or builtin:default, builtin:null,
    /// builtin:remote; NAME renames it, also to a name that no file takes by itself.
    /// May be repeated [default: default and null]. builtin:null (wipam-null) fails
    /// every `docker network create`, as Docker's own null does
    #[arg(long = "driver", value_name = "[NAME=]FILE")]
    pub(crate) drivers: Vec<String>,

    /// A configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// A prefix that automatic pools must not touch. May be repeated
    #[arg(long, value_name = "PREFIX", value_parser = prefix)]
    pub(crate) exclude: Vec<IpNet>,

    /// Under which socket name Docker sees a driver. May be repeated
    /// [default: default=wipam null=wipam-null]
    #[arg(long = "docker-name", value_name = "DRIVER=NAME", value_parser = driver_and_name)]
    pub(crate) docker_names: Vec<(DriverName, String)>,

    /// Ask engines for MAC addresses, so that the ledger knows whose an address is
    #[arg(long)]
    pub(crate) mac_addresses: bool,

    /// Serve metrics for Prometheus at http://ADDRESS/metrics [default: nowhere]
    #[arg(
        long,
        value_name = "ADDRESS",
        num_args = 0..=1,
        default_missing_value = DEFAULT_METRICS_LISTEN
    )]
    pub(crate) metrics_listen: Option<SocketAddr>,

    /// How log lines look [default: text]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
}
