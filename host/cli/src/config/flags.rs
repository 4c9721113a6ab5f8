//! The flags that win over the configuration file. What they default to is
//! decided where the two meet.

use crate::{
    defaults::METRICS_LISTEN,
    logging::LogFormat,
    written::{driver_and_name, prefix},
};
use ipam_api::DriverName;
use ipnet::IpNet;
use std::{net::SocketAddr, path::PathBuf};

/// Each has its key in the file.
#[derive(Debug, Default, Clone, clap::Args)]
pub(crate) struct Flags {
    /// Directory of the ledger; created if missing, private to its owner [default: /var/lib/wipam]
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,

    /// Keep the ledger in memory: all allocations are lost when Wipam stops
    #[arg(long)]
    pub(crate) ephemeral: bool,

    /// Where Docker looks for plugin sockets [default: /run/docker/plugins]
    #[arg(long, value_name = "DIR")]
    pub(crate) plugin_dir: Option<PathBuf>,

    /// A driver to serve: a component file, oci://REGISTRY/REPOSITORY:TAG,
    /// builtin:default, builtin:null or builtin:remote; NAME renames it, and may be a reserved name.
    /// May be repeated [default: default and null]. builtin:null (wipam-null) fails
    /// every `docker network create`, as Docker's own null does
    #[arg(long = "driver", value_name = "[NAME=]FILE")]
    pub(crate) drivers: Vec<String>,

    /// A configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// A prefix that automatic pools must not overlap. May be repeated
    #[arg(long, value_name = "PREFIX", value_parser = prefix)]
    pub(crate) exclude: Vec<IpNet>,

    /// Socket name of a driver, as Docker sees it. May be repeated
    /// [default: default=wipam null=wipam-null]
    #[arg(long = "docker-name", value_name = "DRIVER=NAME", value_parser = driver_and_name)]
    pub(crate) docker_names: Vec<(DriverName, String)>,

    /// Ask engines for MAC addresses, to record who has an address
    #[arg(long)]
    pub(crate) mac_addresses: bool,

    /// Serve metrics for Prometheus at http://ADDRESS/metrics [default: nowhere]
    #[arg(
        long,
        value_name = "ADDRESS",
        num_args = 0..=1,
        default_missing_value = METRICS_LISTEN
    )]
    pub(crate) metrics_listen: Option<SocketAddr>,

    /// Format of log lines [default: text]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
}
