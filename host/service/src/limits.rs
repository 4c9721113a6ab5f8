//! The limits of the service.

use std::time::Duration;

/// Every limit of the service. There is no "unlimited".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Requests that wait for one driver. One more is refused as unavailable.
    pub queue_max: usize,
    /// Requests of one driver that are staged, committed and answered together.
    pub batch_max: usize,
    /// How long the first request of a batch may wait for the others: a batch ends
    /// with the request that exceeds this.
    pub batch_time_max: Duration,
    /// Batches of one driver that wait for the store. Then the driver waits as well.
    pub staged_batches_max: usize,
    /// Names that one component may register, whatever
    /// [`LoadOptions::names_max`](crate::LoadOptions::names_max) allows.
    pub names_max: usize,
    /// How often a driver is asked again because its automatic pool overlaps what
    /// the caller excludes.
    pub exclude_retries_max: usize,
    /// How often a driver without replay is asked again because its automatic
    /// address is leased.
    pub leased_retries_max: usize,
    /// Releases of one driver that are deferred while the store fails; and pending
    /// releases of a driver without replay.
    pub releases_kept_max: usize,
    /// Bytes that a driver may write to its store in one batch: a batch ends with
    /// the request that exceeds this.
    pub written_bytes_max: usize,
    /// Events that a new version may be behind by while the ledger is replayed into
    /// it. With more the upgrade fails.
    pub upgrade_events_max: usize,
    /// Failures of a driver within [`Limits::faults_window`] that suspend it: no
    /// instance is started for a while, and its callers are told so at once.
    pub faults_max: usize,
    /// How long a failure counts. After that long without one, earlier suspensions
    /// are forgotten.
    pub faults_window: Duration,
    /// How long a driver is suspended at first. It doubles each time.
    pub breaker_min: Duration,
    /// How long a driver is suspended at most.
    pub breaker_max: Duration,
    /// How long the ledger may be replayed into an instance, if its factory does not
    /// set another time: at a load, after a failure, in an upgrade. Checked between
    /// two calls. A driver that takes longer is out of service, and started again
    /// later.
    pub replay_time: Duration,
    /// How long a request may take in which a driver keeps proposing pools that the
    /// caller excludes, or addresses that are leased.
    pub exclude_time: Duration,
    /// How long a driver is notified of pending releases before requests are served
    /// again, and one without replay of the releases of one request before the rest is
    /// pending. At least one release is notified.
    pub owed_time: Duration,
    /// Addresses of a released pool that a driver with a system of record takes back
    /// with the pool: it is told of the pool alone. Of more it is told one by one, until
    /// so many are left.
    pub pool_release_addresses_max: usize,
    /// How long a driver's requests may wait while the last events are replayed into
    /// a new version.
    pub swap_time: Duration,
    /// How long an operator waits for a driver's thread.
    pub operator_patience: Duration,
    /// How long requests that wait are still served when the service ends.
    pub shutdown_time: Duration,
    /// How long a driver's thread may take to end after its instance was stopped.
    /// A thread that takes longer is left behind.
    pub halt_time: Duration,
    /// How long an operator who lists drivers waits for those that are busy.
    pub inspect_patience: Duration,
    /// How long nothing must be committed before the store does all of its
    /// deferred maintenance.
    pub store_idle: Duration,
    /// How many records a driver's system of record is asked for at a time. Requests
    /// are served between two pages.
    pub record_page: u32,
    /// Pages of one list of records. One that goes on is not whole, and ends with an
    /// error.
    pub record_pages_max: usize,
    /// The pause after the first failed attempt to start a driver or to use the
    /// store. It doubles with each further failure.
    pub backoff_min: Duration,
    /// The longest such pause, and how often deferred and pending releases are tried
    /// again when no requests come.
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
            leased_retries_max: 256,
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
            pool_release_addresses_max: 100,
            swap_time: Duration::from_secs(5),
            operator_patience: Duration::from_secs(20),
            shutdown_time: Duration::from_secs(10),
            halt_time: Duration::from_secs(1),
            inspect_patience: Duration::from_secs(1),
            store_idle: Duration::from_secs(1),
            record_page: 100,
            record_pages_max: 1_000,
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(10),
        }
    }
}
