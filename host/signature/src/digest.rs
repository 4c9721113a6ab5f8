//! SHA-256 of manifests, blobs and files.

use ipam_api::Digest;
use ring::digest::{SHA256, digest};

/// The SHA-256 of some bytes. By ring, whose code is fast in every build.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Digest {
    let mut found = [0; 32];
    found.copy_from_slice(digest(&SHA256, bytes).as_ref());
    Digest(found)
}
