//! Fetches driver components from OCI registries, and puts them there.
//!
//! In: a [`Reference`], such as `oci://ghcr.io/acme/lab:1.0`. Out: the
//! [`Artifact`] that it names, what may be signatures of it, and its component.
//!
//! What holds:
//!
//! - every answer of a registry has a bound, and all requests for one artifact a
//!   deadline;
//! - the driver's tag is read once; the manifest and the component are compared
//!   with their digests;
//! - credentials are not sent on after a redirect to another host, and in the clear
//!   only for a registry that was declared so;
//! - what a registry says of an artifact (types in a list, annotations, sizes) is
//!   compared or ignored, and not believed.
//!
//! This crate knows no WebAssembly and no service. It does not decide who must
//! have signed: that is [`ipam_signature`]'s.
//!
//! # Why not `oci-client`
//!
//! Its version 0.18 brings 38 crates that are not in this workspace (reqwest, tower,
//! chrono, oci-spec with its derive macros, ...), and what would have to be
//! trusted in it is what matters here: it reads manifests, lists and tokens
//! without a bound, and asks any realm for a token, by http, too. What is left is
//! a few hundred lines over hyper and rustls, which drivers' HTTP needs anyway.

mod artifact;
mod bounds;
mod cache;
mod challenge;
mod connect;
mod copy;
mod credentials;
mod error;
mod file;
mod layout;
mod lock;
mod manifest;
mod proxy;
mod reference;
mod repository;
mod target;
#[cfg(test)]
mod tests;
mod tls;
mod transport;
mod url;
mod which;

pub use artifact::{Artifact, Signatures};
pub use cache::Cache;
pub use copy::{Copied, Interfaces, copy, push};
pub use error::Error;
pub use layout::Layout;
pub use lock::{Lock, LockError};
pub use reference::{InvalidReference, Reference, SCHEME, is_registry};
pub use repository::{Access, Client, Repository};
pub use target::Target;
pub use transport::Progress;
pub use which::Which;
