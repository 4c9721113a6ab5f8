//! What the operator configures: where sockets are, how they are named, what
//! automatic pools avoid, and what one client may cost.

use ipam_api::{DriverName, names};
use ipnet::IpNet;
use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc, time::Duration};

/// Docker's plugin directory (moby, `pkg/plugins/discovery.go`).
const PLUGIN_DIR: &str = "/run/docker/plugins";

/// How drivers are served to Docker.
#[derive(Clone)]
pub struct Config {
    /// The directory of the sockets. It must exist.
    pub plugin_dir: PathBuf,
    /// For a driver's name in the registry, its name in Docker. A driver that is
    /// not here keeps its name. Docker has its own built-in drivers `default` and
    /// `null`, so those two need another name.
    pub names: BTreeMap<DriverName, String>,
    /// Returns what automatic pools of the local space should not overlap. Docker
    /// does not send which ranges its host uses. Called once for each such
    /// request, on the thread that serves, so it must not make system calls.
    pub exclude: Arc<dyn Fn() -> Vec<IpNet> + Send + Sync>,
    /// Whether engines are asked to send MAC addresses even if the driver does not
    /// need them: a MAC address shows who has an address. An engine asks for this
    /// once, when it first uses a plugin.
    pub mac_addresses: bool,
    /// What one client may cost.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        let name = |text: &str| text.parse().expect("the built-in names are valid names");
        Self {
            plugin_dir: PLUGIN_DIR.into(),
            names: BTreeMap::from([
                (name(names::DEFAULT_IPAM), "wipam".to_owned()),
                (name(names::NULL_IPAM), "wipam-null".to_owned()),
            ]),
            exclude: Arc::new(Vec::new),
            mac_addresses: false,
            limits: Limits::default(),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("plugin_dir", &self.plugin_dir)
            .field("names", &self.names)
            .field("mac_addresses", &self.mac_addresses)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// What one client may cost. Each limit is finite.
///
/// A time-out of more than a day counts as a day.
/// A request has at most 100 header fields, too: hyper's own limit, answered
/// with 431. To set another one would cost an allocation for each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The longest body, in bytes. A longer one is answered with 413 before it
    /// is read. Up to 16 MiB of it are then read and discarded, so that its sender
    /// goes on to read the answer. Docker sends less than 1 KiB.
    pub body_max_bytes: usize,
    /// The longest request line with all header fields, in bytes. A longer one
    /// is answered with 431. Less than 8 KiB counts as 8 KiB.
    pub head_max_bytes: usize,
    /// How many connections a socket serves at a time. Others wait in the
    /// socket's queue until one ends. 0 counts as 1.
    pub connections_max: usize,
    /// How long a whole request may take to arrive, from its first byte. After
    /// that the connection is closed.
    pub receive_timeout: Duration,
    /// How long a driver may take to answer. After that the answer is 503, and
    /// what the driver creates later is undone. Docker itself waits for ever.
    pub answer_timeout: Duration,
    /// How long it may take to write a whole answer. After that the connection is
    /// closed, and what the request created is undone.
    pub write_timeout: Duration,
    /// How long a connection may be idle. Less than 30 s counts as 30 s: Docker
    /// keeps idle connections for that long, and if a connection is closed under
    /// a request, it sends that request again *without its body*.
    pub idle_timeout: Duration,
}

impl Limits {
    /// The shortest [`Limits::idle_timeout`]: `IdleConnTimeout` of Docker's
    /// client (moby, vendored `go-connections/sockets`).
    pub const IDLE_MIN: Duration = Duration::from_secs(30);
    /// The shortest [`Limits::head_max_bytes`]: hyper's buffer.
    pub const HEAD_MIN_BYTES: usize = 8 * 1024;
    /// The highest [`Limits::connections_max`]. File descriptors run out earlier.
    pub const CONNECTIONS_MOST: usize = 1 << 16;
    /// The longest time-out.
    pub const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_max_bytes: 64 * 1024,
            head_max_bytes: 16 * 1024,
            connections_max: 256,
            receive_timeout: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(120),
        }
    }
}
