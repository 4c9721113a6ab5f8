//! Converts between the protocol's texts and the contract's values.
//!
//! In: JSON as Docker sends it, or single texts of it. Out: values of the
//! contract, which need no further parsing, or the contract's error. Go writes
//! an absent string as `""` and an absent map as `null`; no value of the contract
//! has either.

mod message;
mod response;

pub use message::{
    read_release_address, read_release_pool, read_request_address, read_request_pool,
};
pub use response::{
    activated, address_spaces, capabilities, granted_address, granted_pool, refused, released,
};

use ipam_api::{
    Code, Error, Family, Kind, Options, PoolChoice, PoolId, PoolRequest, parse_address,
    parse_prefix,
};
use ipnet::IpNet;
use std::net::IpAddr;

/// How much of a client's text an error repeats, in bytes.
const QUOTE_MAX_BYTES: usize = 64;

/// Docker's positional request for a pool, as a value of the contract.
///
/// | `pool` | asks for |
/// |---|---|
/// | empty | any pool of the family that `v6` names |
/// | `0.0.0.0/0`, `::/0` | any pool of that family |
/// | `0.0.0.0/24`, `::/64` | any pool of that family and length |
/// | any other prefix | that pool, host bits masked |
///
/// The family is that of the prefix. `v6` counts only when there is no prefix.
///
/// ```
/// use ipam_api::{Family, Options, PoolChoice};
/// use ipam_docker::wire::pool_request;
///
/// let request = pool_request("LocalDefault", "0.0.0.0/24", "", Options::new(), false)?;
/// assert_eq!(request.pool, PoolChoice::Sized(Family::Ipv4, 24));
/// # Ok::<(), ipam_api::Error>(())
/// ```
///
/// # Errors
/// - `invalid-address-space`: it is empty;
/// - `invalid-pool`: not a prefix, or a v4-mapped one;
/// - `invalid-sub-pool`: the same, or without an exact pool of its family.
pub fn pool_request(
    address_space: &str,
    pool: &str,
    sub_pool: &str,
    options: Options,
    v6: bool,
) -> Result<PoolRequest, Error> {
    if address_space.is_empty() {
        return Err(Error::as_the_engine(Code::InvalidAddressSpace));
    }
    let pool = pool_choice(pool, v6)?;
    let sub_pool = match (sub_pool, pool) {
        ("", _) => None,
        (text, PoolChoice::Exact(pool)) => Some(sub_pool_of(&pool, text)?),
        (_, PoolChoice::Automatic(_) | PoolChoice::Sized(..)) => {
            return Err(Error::new(
                Code::InvalidSubPool,
                "invalid address subpool: there is no pool that it could be in",
            ));
        }
    };
    let address_space = address_space.to_owned();
    Ok(PoolRequest { address_space, pool, sub_pool, options, exclude: Vec::new() })
}

/// Which pool a text of Docker's asks for; the table is at [`pool_request`].
fn pool_choice(text: &str, v6: bool) -> Result<PoolChoice, Error> {
    if text.is_empty() {
        return Ok(PoolChoice::Automatic(if v6 { Family::Ipv6 } else { Family::Ipv4 }));
    }
    let prefix = prefix(text, Code::InvalidPool)?;
    // Before masking: 0.0.0.1/24 names a network, 0.0.0.0/24 names a size.
    Ok(match (prefix.addr().is_unspecified(), prefix.prefix_len()) {
        (true, 0) => PoolChoice::Automatic(Family::of(&prefix)),
        (true, length) => PoolChoice::Sized(Family::of(&prefix), length),
        (false, _) => PoolChoice::Exact(prefix.trunc()),
    })
}

fn sub_pool_of(pool: &IpNet, text: &str) -> Result<IpNet, Error> {
    let sub_pool = prefix(text, Code::InvalidSubPool)?.trunc();
    if Family::of(&sub_pool) == Family::of(pool) {
        Ok(sub_pool)
    } else {
        // The reference's own words (moby, `defaultipam/allocator.go`).
        let text = "pool and subpool are of incompatible address families";
        Err(Error::new(Code::InvalidSubPool, text))
    }
}

/// Parses a prefix with its host bits; `code` is the error if it is none.
fn prefix(text: &str, code: Code) -> Result<IpNet, Error> {
    parse_prefix(text)
        .map_err(|why| Error::new(code, format!("{}: {} {why}", code.engine_text(), quoted(text))))
}

/// Parses the preferred address of a request; an empty text is none. IPv4-mapped
/// addresses are unmapped.
///
/// # Errors
/// `invalid-request` for anything else that is no address.
pub fn preferred_address(text: &str) -> Result<Option<IpAddr>, Error> {
    match text {
        "" => Ok(None),
        text => address(text, "invalid preferred address").map(Some),
    }
}

/// Parses the address of a release. IPv4-mapped addresses are unmapped.
///
/// # Errors
/// `invalid-request` for anything that is no address, also an empty text.
pub fn released_address(text: &str) -> Result<IpAddr, Error> {
    address(text, "invalid address")
}

fn address(text: &str, wrong: &str) -> Result<IpAddr, Error> {
    parse_address(text)
        .map_err(|_| Error::new(Code::InvalidRequest, format!("{wrong}: {}", quoted(text))))
}

/// Parses a pool's id.
///
/// # Errors
/// A bad request when it is empty, in the words of the reference, or too long.
pub fn pool_id(text: &str) -> Result<PoolId, Error> {
    PoolId::try_from(text).map_err(|invalid| {
        let why = if text.is_empty() { String::new() } else { invalid.to_string() };
        Error::other(Kind::BadRequest, format!("invalid pool id: {why}"))
    })
}

/// A client's text as an error repeats it: escaped and bounded.
fn quoted(text: &str) -> String {
    ipam_api::text::quoted(QUOTE_MAX_BYTES, text)
}

#[cfg(test)]
mod tests;
