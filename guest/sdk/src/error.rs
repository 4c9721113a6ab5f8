//! Refusals: which error of the contract, and in which words.
//!
//! Apart from the errors of `host/api` on purpose: `request.rs` says why.

use alloc::string::String;
use core::fmt;

/// The class of an error; with it goes the HTTP status of Docker's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The request makes no sense; 400.
    BadRequest,
    /// The request is understood and refused; 403.
    Forbidden,
    /// What the request names does not exist; 404.
    NotFound,
    /// The driver has no such function; 501.
    NotImplemented,
    /// Not now, perhaps later; 503.
    Unavailable,
    /// The driver failed; 500.
    Internal,
}

/// Which of the contract's errors it is: the fourteen of libnetwork's
/// `ipamapi` by name, one that newer engines added, and everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// `ErrIpamInternalError`: the driver failed.
    IpamInternalError,
    /// `ErrInvalidAddressSpace`: no such address space.
    InvalidAddressSpace,
    /// `ErrInvalidPool`: the pool asked for cannot be one.
    InvalidPool,
    /// `ErrInvalidSubPool`: the sub-pool asked for cannot be one.
    InvalidSubPool,
    /// `ErrInvalidRequest`: the request makes no sense.
    InvalidRequest,
    /// `ErrPoolNotFound`: no such pool.
    PoolNotFound,
    /// `ErrOverlapPool`: overlaps an existing pool.
    OverlapPool,
    /// `ErrNoAvailablePool`: nothing is left to choose from.
    NoAvailablePool,
    /// `ErrNoAvailableIPs`: the pool or sub-pool is full.
    NoAvailableIps,
    /// `ErrNoIPReturned`: the driver has no address to give.
    NoIpReturned,
    /// `ErrIPAlreadyAllocated`: somebody holds that address.
    IpAlreadyAllocated,
    /// `ErrIPOutOfRange`: the address is not of this pool.
    IpOutOfRange,
    /// `ErrPoolOverlap`: overlaps another pool of the space.
    PoolOverlap,
    /// `ErrBadPool`: the space does not hold that pool.
    BadPool,
    /// `ErrNoMoreSubnets`: the predefined pools are used up.
    NoMoreSubnets,
    /// An error without a name of its own.
    Other(Kind),
}

impl Code {
    /// The contract's own words, which the host uses where a driver has none:
    /// those of `ipamapi`, as the table of `wit/README.md` has them.
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
}

/// Why a request was refused.
///
/// The person who ran `docker network create` reads the text.
/// Without one the host uses the contract's own words ([`Code::text`]), so a
/// bare [`Code`] is an error already:
///
/// ```
/// use ipam_driver::{Code, Error, Kind};
///
/// fn lease(free: Option<u8>) -> Result<u8, Error> {
///     free.ok_or(Code::NoAvailableIps.into())
/// }
/// assert_eq!(lease(None).unwrap_err().code(), Code::NoAvailableIps);
///
/// let unknown = Error::other(Kind::NotFound, "no such rack: r7");
/// assert_eq!(unknown.to_string(), "no such rack: r7");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    code: Code,
    text: String,
}

impl Error {
    /// An error with words of its own; empty ones stand for the contract's.
    #[must_use]
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    /// An error without a name of its own.
    #[must_use]
    pub fn other(kind: Kind, text: impl Into<String>) -> Self {
        Self::new(Code::Other(kind), text)
    }

    /// Which error it is.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// The driver's own words; empty if it leaves them to the contract.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Self::new(code, String::new())
    }
}

/// What the caller reads: the text, or the contract's where there is none.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.text.is_empty() { self.code.text() } else { &self.text })
    }
}

impl core::error::Error for Error {}
