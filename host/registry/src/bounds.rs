//! What a registry may send, and how long it may take.

use std::time::Duration;

/// The largest manifest or index, in bytes: what the distribution specification
/// asks registries to accept.
pub(crate) const MANIFEST_BYTES_MAX: usize = 4 << 20;
/// How many referrers, and how many layers of a simple-signing manifest, are
/// looked at for signatures.
pub(crate) const REFERRERS_MAX: usize = 32;
/// How many pages the list of referrers may have. All of them together are no
/// larger than a manifest.
pub(crate) const REFERRER_PAGES_MAX: usize = 32;
/// The largest manifest that may have signatures, in bytes: layers with a
/// certificate each have some thousand.
pub(crate) const ATTACHED_BYTES_MAX: usize = 256 << 10;
/// How many manifests a directory in the image layout may have: all are read.
pub(crate) const LAYOUT_MANIFESTS_MAX: usize = 256;
/// What all signatures of one artifact may have together, in bytes.
pub(crate) const SIGNATURES_BYTES_MAX: usize = 16 << 20;
/// The largest answer to a request for a token, and the longest text of an error,
/// in bytes.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 << 10;
/// The longest answer of a proxy that is asked for a connection, in bytes.
pub(crate) const PROXY_HEAD_BYTES_MAX: usize = 16 << 10;
/// How many redirects of one request are followed.
pub(crate) const REDIRECTS_MAX: usize = 5;
/// How often a request is sent if it fails temporarily.
pub(crate) const ATTEMPTS: u32 = 4;
/// The pause after the first failure; each later one is twice as long.
pub(crate) const BACK_OFF: Duration = Duration::from_millis(250);
/// How long a connection may take until it can be used.
pub(crate) const CONNECT_TIME: Duration = Duration::from_secs(10);
/// How long all requests for one artifact may take.
pub(crate) const PULL_TIME: Duration = Duration::from_mins(2);
/// How long a credential helper may run.
pub(crate) const HELPER_TIME: Duration = Duration::from_secs(10);
/// The largest file of credentials, and what a helper may print, in bytes.
pub(crate) const CREDENTIALS_BYTES_MAX: usize = 1 << 20;
/// What the cache keeps, in bytes. What was not used for the longest time goes
/// first.
pub(crate) const CACHE_BYTES_MAX: u64 = 1 << 30;
/// How many artifacts of the cache are looked at for a component.
pub(crate) const LOOKED_AT_MAX: usize = 1024;
/// The largest lock file, in bytes.
pub(crate) const LOCK_BYTES_MAX: usize = 1 << 20;
/// The longest note about a signature that was passed over, in bytes: it may have
/// two digests.
pub(crate) const NOTE_BYTES: usize = 400;
/// How much of a stranger's text is repeated, in bytes.
pub(crate) const SHOWN_BYTES: usize = 200;
