//! Where artifacts lie: in a registry, or in a directory.

use crate::{
    error::Error, layout::Layout, manifest::Descriptor, repository::Repository,
    transport::Progress, which::Which,
};
use ipam_api::Digest;

/// Where an artifact and its signatures lie.
#[derive(Debug)]
#[non_exhaustive]
pub enum Target {
    /// A repository of a registry.
    Registry(Box<Repository>),
    /// A directory in the image specification's layout.
    Layout(Layout),
}

impl Target {
    pub(crate) fn manifest(&mut self, which: &Which<'_>) -> Result<Option<Vec<u8>>, Error> {
        match self {
            Self::Registry(repository) => repository.manifest(which),
            Self::Layout(layout) => layout.manifest(which),
        }
    }

    pub(crate) fn blob(
        &mut self,
        what: &str,
        digest: Digest,
        most: usize,
        progress: Progress<'_>,
    ) -> Result<Vec<u8>, Error> {
        match self {
            Self::Registry(repository) => repository.blob(what, digest, most, progress),
            Self::Layout(layout) => layout.blob(what, digest, most),
        }
    }

    pub(crate) fn referrers(&mut self, of: Digest) -> Result<Vec<Descriptor>, Error> {
        match self {
            Self::Registry(repository) => repository.referrers(of),
            Self::Layout(layout) => layout.referrers(of),
        }
    }

    pub(crate) fn put_blob(&mut self, digest: Digest, bytes: &[u8]) -> Result<(), Error> {
        match self {
            Self::Registry(repository) => repository.put_blob(digest, bytes),
            Self::Layout(layout) => layout.put_blob(digest, bytes),
        }
    }

    /// Whether whoever asks for its referrers is told of it from now on.
    pub(crate) fn put_manifest(
        &mut self,
        which: &Which<'_>,
        kind: &'static str,
        digest: Digest,
        bytes: &[u8],
    ) -> Result<bool, Error> {
        match self {
            Self::Registry(repository) => repository.put_manifest(which, kind, bytes),
            Self::Layout(layout) => layout.put_manifest(which, kind, digest, bytes).map(|()| true),
        }
    }
}
