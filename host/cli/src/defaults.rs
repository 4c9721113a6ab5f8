//! What holds if neither a flag nor the configuration file says otherwise, where
//! more than one of them needs to know it.

/// Where Docker looks for plugins.
pub(crate) const PLUGIN_DIR: &str = "/run/docker/plugins";
/// Where the ledger is.
pub(crate) const STATE_DIR: &str = "/var/lib/wipam";
/// Where metrics are served if the flag has no address: on loopback, since they
/// name drivers.
pub(crate) const METRICS_LISTEN: &str = "127.0.0.1:9824";
