//! Which manifest is meant.

use ipam_api::Digest;
use std::fmt;

/// Which manifest of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which<'a> {
    /// Whatever has this tag now.
    Tag(&'a str),
    /// This one.
    Digest(Digest),
}

impl Which<'_> {
    pub(crate) fn in_words(&self) -> String {
        match self {
            Self::Tag(tag) => format!("the tag {tag}"),
            Self::Digest(digest) => format!("the manifest {digest}"),
        }
    }
}

impl fmt::Display for Which<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}
