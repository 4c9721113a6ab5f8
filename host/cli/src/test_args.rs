//! The command line of `test` and `compose`, for authors of drivers.

use ipam_api::DriverName;
use ipam_runtime::{PluginGrant, UrlPrefix};
use std::path::PathBuf;

/// The flags of `test`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct TestFlags {
    /// The driver's component, or builtin:default, builtin:null, builtin:remote
    #[arg(required_unless_present = "docker_socket")]
    pub(crate) file: Option<String>,
    /// Test an IPAM plugin of Docker's that listens here
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "config", "store", "http", "plugin", "random"])]
    pub(crate) docker_socket: Option<PathBuf>,
    /// The driver's table, as JSON
    #[arg(long, value_name = "JSON", default_value = "{}")]
    pub(crate) config: String,
    /// Under this name only, where it registers several
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<DriverName>,
    /// Grant a store, of 1 MiB in 1000 keys
    #[arg(long)]
    pub(crate) store: bool,
    /// Grant HTTP to what begins with this URL; may be repeated
    #[arg(long, value_name = "URL")]
    pub(crate) http: Vec<UrlPrefix>,
    /// Grant calls of this Docker plugin; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) plugin: Vec<DriverName>,
    /// Where plugins have their sockets, instead of /run/docker/plugins
    #[arg(long, value_name = "DIR", requires = "plugin")]
    pub(crate) plugin_sockets: Option<PathBuf>,
    /// Grant real random numbers
    #[arg(long)]
    pub(crate) random: bool,
    /// Released addresses rest, for longer than an hour, and are not expected back
    #[arg(long)]
    pub(crate) resting: bool,
    /// How long one call may take, in milliseconds
    #[arg(long, value_name = "NUMBER", default_value_t = 5000, value_parser = clap::value_parser!(u64).range(1..=86_400_000))]
    pub(crate) call_ms: u64,
    /// Where random operations begin
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) seed: u64,
    /// How many random operations there are
    #[arg(long, value_name = "NUMBER", default_value_t = 100_000)]
    pub(crate) operations: u32,
    /// Print JSON, one object for each promise, and one for each section
    #[arg(long)]
    pub(crate) json: bool,
    /// Write JUnit's XML, too
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
}

impl TestFlags {
    /// The plugins that are granted.
    pub(crate) fn plugins(&self) -> PluginGrant {
        let usual = PluginGrant::default();
        PluginGrant {
            names: self.plugin.iter().cloned().collect(),
            sockets: self.plugin_sockets.clone().map_or(usual.sockets, |directory| vec![directory]),
            ..usual
        }
    }
}

pub(crate) const AFTER_TEST: &str = "\
The driver runs within the limits that it has in service. What it does not offer
is not applicable; a promise that is broken is shown with what was asked.

Exit codes: 0 it conforms, 1 it does not, 2 it cannot be loaded, the file of --junit
cannot be written, or wrong command line.

Examples:
  wipam test lab.wasm --junit report.xml
  wipam test --docker-socket /run/docker/plugins/lab.sock";

pub(crate) const AFTER_COMPOSE: &str = "\
What a driver imports of a host comes from a stub: registrations and log lines are
printed on standard error, and what is stored is in memory.

Exit codes: 0 written, 1 not, 2 wrong command line.

Examples:
  wipam compose lab.wasm -o test.wasm && wasmtime run test.wasm
  wipam compose lab.wasm --stub-only -o call.wasm
  wasmtime run --invoke 'get-default-address-spaces()' call.wasm";
