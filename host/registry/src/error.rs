//! Why an artifact was not fetched, in an operator's words.

use crate::bounds::SHOWN_BYTES;
use ipam_api::{Digest, text::bounded};
use std::{io, time::Duration};

/// Why an artifact was not fetched, or not put there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The registry does not answer, or its certificate is not trusted.
    #[error("cannot reach {host}: {why}")]
    Unreachable {
        /// With its port.
        host: String,
        /// The system's words.
        why: String,
    },
    /// The registry answered with an error.
    #[error("{what}: the registry answered {status}{}", of(.said))]
    Status {
        /// What was asked for.
        what: String,
        /// As HTTP has it.
        status: u16,
        /// Its own words.
        said: String,
    },
    /// The artifact, or a part of it, does not exist.
    #[error("{0} is not there")]
    NotFound(String),
    /// The registry denies access.
    #[error("{what}: access denied; {advice}")]
    Denied {
        /// What was asked for.
        what: String,
        /// What may help.
        advice: &'static str,
    },
    /// It is larger than allowed.
    #[error("{what} has more than {most} bytes")]
    TooLarge {
        /// What was asked for.
        what: String,
        /// What is allowed.
        most: usize,
    },
    /// The bytes have another digest than the one asked for.
    #[error("{what} has the digest {found}, where {expected} was asked for")]
    Digest {
        /// What was asked for.
        what: String,
        /// By its name.
        expected: Digest,
        /// By its content.
        found: Digest,
    },
    /// It is not a driver's artifact.
    #[error("{0}")]
    Layout(String),
    /// It redirects to a URL that is not followed.
    #[error("it redirects to {to}: {why}")]
    Redirect {
        /// Where to.
        to: String,
        /// Why not.
        why: &'static str,
    },
    /// Logging in failed.
    #[error("cannot log in: {0}")]
    Login(String),
    /// The proxy cannot be used as it is configured.
    #[error("the proxy {proxy}: {why}")]
    Proxy {
        /// Its host and port, or which variable should have them.
        proxy: String,
        /// What is wrong.
        why: String,
    },
    /// The deadline for all requests passed.
    #[error("it took longer than {0:?}")]
    TimedOut(Duration),
    /// A file could not be read or written.
    #[error("{what}: {error}")]
    Io {
        /// What was done.
        what: String,
        /// The system's words.
        #[source]
        error: io::Error,
    },
}

/// Whether a status says that the same request may be answered later. Not 501: the
/// registry has no such thing, and never will.
pub(crate) fn may_pass(status: u16) -> bool {
    status == 429 || status >= 500 && status != 501
}

fn of(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(" ({})", bounded(SHOWN_BYTES, said)) }
}

impl Error {
    pub(crate) fn io(what: impl ToString) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Io { what: what.to_string(), error }
    }

    pub(crate) fn layout(why: impl ToString) -> Self {
        Self::Layout(why.to_string())
    }

    /// Whether it is nobody's decision: the network is down, or the registry.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut(_) => true,
            Self::Status { status, .. } => may_pass(*status),
            Self::NotFound(_)
            | Self::Denied { .. }
            | Self::TooLarge { .. }
            | Self::Digest { .. }
            | Self::Layout(_)
            | Self::Redirect { .. }
            | Self::Login(_)
            | Self::Proxy { .. }
            | Self::Io { .. } => false,
        }
    }
}
