//! What the service allows itself.

use std::time::Duration;

/// Every bound of the service. There is no "unlimited".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Requests that wait for one driver; one more is refused as unavailable.
    pub queue_max: usize,
    /// Requests of one driver that are staged together, and answered together.
    pub batch_max: usize,
    /// How long the first of them may wait for the others: a batch ends with
    /// the request that exceeds it.
    pub batch_time_max: Duration,
    /// Batches of one driver that wait for the store; then it waits, too.
    pub staged_batches_max: usize,
    /// Names that one component registers, whatever
    /// [`LoadOptions::names_max`](crate::LoadOptions::names_max) says.
    pub names_max: usize,
    /// How often a driver is asked again because its automatic pool met what
    /// the caller excludes.
    pub exclude_retries_max: usize,
    /// Releases of one driver that are kept while the store fails, and as many
    /// that are kept while a driver without replay is out of service.
    pub releases_kept_max: usize,
    /// Bytes that a driver may write to its store for the requests of one
    /// batch: the batch ends with the request that exceeds it.
    pub written_bytes_max: usize,
    /// Events of one driver that another version of it may be behind by while
    /// it is shown the ledger; then that is given up.
    pub upgrade_events_max: usize,
    /// Failures of a driver within [`Limits::faults_window`] that open its
    /// breaker: then it is left alone for a while, and its callers are told so
    /// at once.
    pub faults_max: usize,
    /// How long a failure counts. That long without one, and the driver is as
    /// good as new.
    pub faults_window: Duration,
    /// How long a driver is left alone at first; it doubles each time.
    pub breaker_min: Duration,
    /// The longest that a driver is left alone.
    pub breaker_max: Duration,
    /// How long an instance may take to learn the ledger, if its factory does
    /// not say: at its load, after a failure, in an upgrade. Looked at between
    /// two calls. One that takes longer is out of service, and tried again.
    pub replay_time: Duration,
    /// How long a request may take in which a driver goes on to propose what
    /// the caller excludes.
    pub exclude_time: Duration,
    /// How long a driver is told at a time what it is owed, before requests are
    /// served again; at least one release.
    pub owed_time: Duration,
    /// How long a driver's requests may wait while another version of it learns
    /// the last of what happened meanwhile.
    pub swap_time: Duration,
    /// How long an operator waits for a driver's thread.
    pub operator_patience: Duration,
    /// How long what waits may still be served when the service ends.
    pub shutdown_time: Duration,
    /// How long a driver's thread may take to end after its instance was told
    /// to stop. One that does not is left behind.
    pub halt_time: Duration,
    /// How long an operator who asks how drivers are waits for those that are
    /// busy.
    pub inspect_patience: Duration,
    /// How long nothing must be committed before the store does all of its
    /// deferred maintenance.
    pub store_idle: Duration,
    /// The pause after the first failure to bring a driver or the store back;
    /// it doubles with each further one.
    pub backoff_min: Duration,
    /// The longest such pause, and how often kept releases are tried again
    /// when nobody asks for anything.
    pub backoff_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue_max: 1024,
            batch_max: 64,
            batch_time_max: Duration::from_millis(1),
            staged_batches_max: 16,
            names_max: 1024,
            exclude_retries_max: 64,
            releases_kept_max: 65_536,
            written_bytes_max: 1 << 20,
            upgrade_events_max: 1 << 20,
            faults_max: 5,
            faults_window: Duration::from_secs(60),
            breaker_min: Duration::from_secs(1),
            breaker_max: Duration::from_secs(60),
            replay_time: Duration::from_secs(60),
            exclude_time: Duration::from_secs(5),
            owed_time: Duration::from_millis(100),
            swap_time: Duration::from_secs(5),
            operator_patience: Duration::from_secs(20),
            shutdown_time: Duration::from_secs(10),
            halt_time: Duration::from_secs(1),
            inspect_patience: Duration::from_secs(1),
            store_idle: Duration::from_secs(1),
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(10),
        }
    }
}
