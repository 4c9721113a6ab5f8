//! Refusals and failures: two audiences, two texts.
//!
//! Apart from the errors of `guest/sdk` on purpose: `request.rs` says why.

use crate::text::bounded;
use std::fmt;

/// The class of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The request makes no sense.
    BadRequest,
    /// The request is understood and refused.
    Forbidden,
    /// What the request names does not exist.
    NotFound,
    /// There is no such function.
    NotImplemented,
    /// Not now, perhaps later.
    Unavailable,
    /// The driver or the host failed.
    Internal,
}

impl Kind {
    /// The HTTP status that Docker's API gives to this class (moby,
    /// `daemon/server/httpstatus/status.go`).
    #[must_use]
    pub fn http_status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::NotImplemented => 501,
            Self::Unavailable => 503,
            Self::Internal => 500,
        }
    }
}

/// Which of the contract's errors it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// `ErrIpamInternalError`.
    IpamInternalError,
    /// `ErrInvalidAddressSpace`.
    InvalidAddressSpace,
    /// `ErrInvalidPool`.
    InvalidPool,
    /// `ErrInvalidSubPool`.
    InvalidSubPool,
    /// `ErrInvalidRequest`.
    InvalidRequest,
    /// `ErrPoolNotFound`.
    PoolNotFound,
    /// `ErrOverlapPool`.
    OverlapPool,
    /// `ErrNoAvailablePool`.
    NoAvailablePool,
    /// `ErrNoAvailableIPs`.
    NoAvailableIps,
    /// `ErrNoIPReturned`.
    NoIpReturned,
    /// `ErrIPAlreadyAllocated`.
    IpAlreadyAllocated,
    /// `ErrIPOutOfRange`.
    IpOutOfRange,
    /// `ErrPoolOverlap`.
    PoolOverlap,
    /// `ErrBadPool`.
    BadPool,
    /// `ErrNoMoreSubnets`.
    NoMoreSubnets,
    /// An error without a name of its own.
    Other(Kind),
}

impl Code {
    /// The class of this error.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::IpamInternalError => Kind::Internal,
            Self::InvalidAddressSpace
            | Self::InvalidPool
            | Self::InvalidSubPool
            | Self::InvalidRequest
            | Self::PoolNotFound
            | Self::IpOutOfRange
            | Self::BadPool
            | Self::NoMoreSubnets => Kind::BadRequest,
            Self::OverlapPool | Self::IpAlreadyAllocated | Self::PoolOverlap => Kind::Forbidden,
            Self::NoAvailablePool | Self::NoAvailableIps | Self::NoIpReturned => Kind::Unavailable,
            Self::Other(kind) => kind,
        }
    }

    /// The contract's own words for this error, which stand for an empty text
    /// of a driver: those of `ipamapi`, as the table of `wit/README.md` has them.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::IpamInternalError | Self::Other(Kind::Internal) => "IPAM Internal Error",
            Self::InvalidAddressSpace => "Invalid Address Space",
            Self::InvalidPool => "Invalid Address Pool",
            Self::InvalidSubPool => "Invalid Address SubPool",
            Self::InvalidRequest | Self::Other(Kind::BadRequest) => "Invalid Request",
            Self::PoolNotFound => "Address Pool not found",
            Self::OverlapPool => "Address pool overlaps with existing pool on this address space",
            Self::NoAvailablePool => "No available pool",
            Self::NoAvailableIps => "No available addresses on this pool",
            Self::NoIpReturned => "No address returned",
            Self::IpAlreadyAllocated => "Address already in use",
            Self::IpOutOfRange => "Requested address is out of range",
            Self::PoolOverlap => "Pool overlaps with other one on this address space",
            Self::BadPool => "Address space does not contain specified address pool",
            Self::NoMoreSubnets => "all predefined address pools have been fully subnetted",
            Self::Other(Kind::Forbidden) => "forbidden",
            Self::Other(Kind::NotFound) => "not found",
            Self::Other(Kind::NotImplemented) => "not implemented",
            Self::Other(Kind::Unavailable) => "unavailable",
        }
    }

    /// The words of Docker 27 to 29 for this error, where they differ from the
    /// contract's, which are older.
    #[must_use]
    pub fn engine_text(self) -> &'static str {
        match self {
            Self::InvalidAddressSpace => "invalid address space",
            Self::InvalidPool => "invalid address pool",
            Self::InvalidSubPool => "invalid address subpool",
            Self::NoAvailableIps => "no available addresses on this pool",
            Self::NoIpReturned => "no address returned",
            Self::IpOutOfRange => "requested address is out of range",
            Self::BadPool => "address space does not contain specified address pool",
            Self::IpamInternalError
            | Self::InvalidRequest
            | Self::PoolNotFound
            | Self::OverlapPool
            | Self::NoAvailablePool
            | Self::IpAlreadyAllocated
            | Self::PoolOverlap
            | Self::NoMoreSubnets
            | Self::Other(_) => self.text(),
        }
    }
}

/// Why a request was refused.
///
/// Its `Display` is what the caller reads: it ends up on the terminal of
/// whoever ran `docker network create`.
///
/// ```
/// use ipam_api::{Code, Error, Kind};
///
/// let refused = Error::from(Code::IpAlreadyAllocated);
/// assert_eq!(refused.to_string(), "Address already in use");
/// assert_eq!(refused.kind().http_status(), 403);
///
/// let unknown = Error::other(Kind::NotFound, "cannot find address pool");
/// assert_eq!(unknown.kind().http_status(), 404);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    code: Code,
    text: String,
}

impl Error {
    /// The longest text of an error, in bytes, whoever made it. A component's
    /// is cut earlier, at the limit of its driver.
    pub const TEXT_MAX_BYTES: usize = 64 << 10;

    /// An error with words of its own, in one line that is escaped and
    /// bounded; empty ones stand for the contract's.
    #[must_use]
    pub fn new(code: Code, text: impl fmt::Display) -> Self {
        Self { code, text: bounded(Self::TEXT_MAX_BYTES, text) }
    }

    /// An error without a name of its own.
    #[must_use]
    pub fn other(kind: Kind, text: impl fmt::Display) -> Self {
        Self::new(Code::Other(kind), text)
    }

    /// What this program decides itself, before a driver is asked: it says that
    /// in [`Code::engine_text`], since callers compare it with their engine's.
    #[must_use]
    pub fn as_the_engine(code: Code) -> Self {
        Self::new(code, code.engine_text())
    }

    /// Which error it is.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// Its class.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.code.kind()
    }
}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Self::new(code, String::new())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.text.is_empty() { self.code.text() } else { &self.text })
    }
}

impl std::error::Error for Error {}

/// Why a driver did not do what it was asked.
///
/// The operator reads all of it; the caller is told only [`Failure::contract`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The driver refused, as it may.
    #[error(transparent)]
    Refused(#[from] Error),
    /// The driver trapped, ran out of a limit or answered nonsense. Its
    /// instance must not be called again.
    #[error("driver failed: {reason}")]
    Broken {
        /// For the operator only: it may hold paths and backtraces.
        reason: String,
    },
}

impl Failure {
    /// The longest reason of a failure, in bytes, whoever gives it. What is
    /// said of a component is cut earlier, at the limit of its driver.
    pub const REASON_MAX_BYTES: usize = 1 << 20;

    /// A failure of the driver itself, in one line that is escaped and bounded.
    #[must_use]
    pub fn broken(reason: impl fmt::Display) -> Self {
        Self::Broken { reason: bounded(Self::REASON_MAX_BYTES, reason) }
    }

    /// What the caller is told.
    #[must_use]
    pub fn contract(&self) -> Error {
        match self {
            Self::Refused(error) => error.clone(),
            Self::Broken { .. } => Code::IpamInternalError.into(),
        }
    }
}

impl From<Code> for Failure {
    fn from(code: Code) -> Self {
        Self::Refused(code.into())
    }
}

/// How much is said of an error and its causes, in bytes.
const CAUSES_MAX_BYTES: usize = 8 << 10;

/// An error and all that caused it, in one line for the operator, escaped and
/// bounded. A cause that the error before it has in its own words is not said
/// twice.
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = bounded(CAUSES_MAX_BYTES, error);
    let mut source = error.source();
    while let Some(error) = source {
        let cause = bounded(CAUSES_MAX_BYTES, error);
        if !text.ends_with(&cause) {
            text = bounded(CAUSES_MAX_BYTES, format_args!("{text}: {cause}"));
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Code, Error, Failure, Kind, with_causes};

    /// People and scripts know these words, so this table is copied from the
    /// contract by hand and must never be generated from the enum.
    const CONTRACT: &[(Code, u16, &str)] = &[
        (Code::IpamInternalError, 500, "IPAM Internal Error"),
        (Code::InvalidAddressSpace, 400, "Invalid Address Space"),
        (Code::InvalidPool, 400, "Invalid Address Pool"),
        (Code::InvalidSubPool, 400, "Invalid Address SubPool"),
        (Code::InvalidRequest, 400, "Invalid Request"),
        (Code::PoolNotFound, 400, "Address Pool not found"),
        (Code::OverlapPool, 403, "Address pool overlaps with existing pool on this address space"),
        (Code::NoAvailablePool, 503, "No available pool"),
        (Code::NoAvailableIps, 503, "No available addresses on this pool"),
        (Code::NoIpReturned, 503, "No address returned"),
        (Code::IpAlreadyAllocated, 403, "Address already in use"),
        (Code::IpOutOfRange, 400, "Requested address is out of range"),
        (Code::PoolOverlap, 403, "Pool overlaps with other one on this address space"),
        (Code::BadPool, 400, "Address space does not contain specified address pool"),
        (Code::NoMoreSubnets, 400, "all predefined address pools have been fully subnetted"),
        (Code::Other(Kind::NotImplemented), 501, "not implemented"),
        (Code::Other(Kind::NotFound), 404, "not found"),
    ];

    #[test]
    fn the_words_and_statuses_of_the_contract() {
        for &(code, status, text) in CONTRACT {
            let error = Error::from(code);
            assert_eq!((error.kind().http_status(), error.to_string()), (status, text.to_owned()));
        }
    }

    /// The same table, as drivers' authors read it.
    #[test]
    fn the_contract_says_so_too() {
        let documented = include_str!("../../../wit/README.md")
            .lines()
            .filter(|line| line.starts_with("| `Err"))
            .map(|line| line.split('|').map(str::trim).collect::<Vec<_>>())
            .map(|cells| (cells[5].parse::<u16>().unwrap_or_default(), cells[4]));
        let own = CONTRACT.iter().take(15).map(|&(_, status, text)| (status, text));
        assert!(documented.eq(own));
    }

    #[test]
    fn the_engine_says_the_same_in_its_own_words() {
        for &(code, ..) in CONTRACT {
            assert!(code.engine_text().eq_ignore_ascii_case(code.text()), "{code:?}");
        }
        let refused = Error::as_the_engine(Code::IpOutOfRange);
        assert_eq!(refused.to_string(), "requested address is out of range");
    }

    #[test]
    fn a_broken_driver_tells_its_caller_nothing() {
        let failure = Failure::broken("trap at /home/me/secret.rs:7");
        assert_eq!(failure.contract().to_string(), "IPAM Internal Error");
    }

    #[test]
    fn words_are_one_bounded_line_whoever_makes_them() {
        let long = "long ".repeat(1 << 20);
        let error = Error::new(Code::InvalidPool, &long).to_string();
        assert!(error.len() <= Error::TEXT_MAX_BYTES && error.ends_with('…'));
        let failure = Failure::broken(&long).to_string();
        assert!(failure.len() <= Failure::REASON_MAX_BYTES + 64 && failure.ends_with('…'));
        let io = std::io::Error::other(long);
        assert!(with_causes(&io).len() <= 8 << 10);
        let forged = Error::other(Kind::Forbidden, "no\nERROR \u{202e}");
        assert_eq!(forged.to_string(), "no\\nERROR \\u{202e}");
    }
}
