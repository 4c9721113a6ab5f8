//! What the operator decides: where sockets are, what they are called, what
//! automatic pools avoid, and how much a client may ask of us.

use ipam_api::{DriverName, names};
use ipnet::IpNet;
use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc, time::Duration};

/// Docker's plugin directory (moby, `pkg/plugins/discovery.go`).
const PLUGIN_DIR: &str = "/run/docker/plugins";

/// How drivers are served to Docker.
#[derive(Clone)]
pub struct Config {
    /// Where the sockets are; it must exist.
    pub plugin_dir: PathBuf,
    /// Names in the registry, and what Docker knows them as. Who is not here
    /// keeps its name. Docker has built-in drivers of its own called `default`
    /// and `null`, so those two cannot keep theirs.
    pub names: BTreeMap<DriverName, String>,
    /// What automatic pools of the local space should not overlap. Docker does
    /// not say which ranges its host uses, so we ask. Called on the thread that
    /// serves, once for each such request: it reads nothing of the system.
    pub exclude: Arc<dyn Fn() -> Vec<IpNet> + Send + Sync>,
    /// Whether engines are asked for MAC addresses even where the driver does
    /// not need them: they tell whose an address is. An engine asks once, when
    /// it first uses a plugin.
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
/// Besides these, a request has at most 100 header fields: hyper's own limit,
/// answered with 431. Its setting would cost an allocation per request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The longest body, in bytes. A longer one is answered with 413 before it
    /// is read; up to 16 MiB of it are then thrown away, so that its sender gets
    /// to reading the answer. Docker sends less than 1 KiB.
    pub body_max_bytes: usize,
    /// The longest request line with all header fields, in bytes. A longer one
    /// is answered with 431. Less than 8 KiB counts as 8 KiB.
    pub head_max_bytes: usize,
    /// How many connections a socket serves at a time. More wait in the
    /// socket's queue until one ends. None counts as one.
    pub connections_max: usize,
    /// How long a whole request may take to arrive, from its first byte. Then
    /// the connection is closed.
    pub receive_timeout: Duration,
    /// How long a driver may take to answer. Then 503 is answered, and what it
    /// creates later is undone. Docker itself waits for ever.
    pub answer_timeout: Duration,
    /// How long a whole answer may take to be written. Then the connection is
    /// closed, and what the request created is undone.
    pub write_timeout: Duration,
    /// How long a connection may be without a request. Less than 30 s counts
    /// as 30 s, because Docker keeps idle connections that long and repeats a
    /// request whose connection was closed *without its body*.
    pub idle_timeout: Duration,
}

impl Limits {
    /// The shortest [`Limits::idle_timeout`]: `IdleConnTimeout` of Docker's
    /// client (moby, vendored `go-connections/sockets`).
    pub const IDLE_MIN: Duration = Duration::from_secs(30);
    /// The shortest [`Limits::head_max_bytes`]: hyper's buffer.
    pub const HEAD_MIN_BYTES: usize = 8 * 1024;
    /// The highest [`Limits::connections_max`]; descriptors run out before.
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
