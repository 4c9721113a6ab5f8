//! The operator's table, as predefined pools.
//!
//! Docker's form and Docker's rules: a list replaces the built-in one
//! entirely, and a local list without IPv6 gets the unique local addresses of
//! the site. One difference: without a site id there are none, because two
//! sites must not end up with the same ([RFC 4193], section 3.2).
//!
//! [RFC 4193]: https://www.rfc-editor.org/rfc/rfc4193

use alloc::{format, string::String, vec::Vec};
use ipam_allocator::{Predefined, global_predefined, local_predefined, ula};
use ipam_driver::{Code, Error, IpNet};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Config {
    default_address_pools: Option<Vec<Entry>>,
    global_address_pools: Option<Vec<Entry>>,
    site_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    base: String,
    size: u8,
}

/// The predefined pools of the local and of the global address space.
pub(crate) fn predefined(config: &str) -> Result<(Vec<Predefined>, Vec<Predefined>), Error> {
    let config: Config =
        serde_json::from_str(config).map_err(|error| refusal(&format!("config: {error}")))?;
    let mut local = match config.default_address_pools {
        Some(entries) => pools("default-address-pools", &entries)?,
        None => local_predefined(),
    };
    let global = match config.global_address_pools {
        Some(entries) => pools("global-address-pools", &entries)?,
        None => global_predefined(),
    };
    if let Some(site_id) = config.site_id
        && !local.iter().any(|pool| is_ipv6(&pool.base))
    {
        local.push(ula(&site_id));
    }
    Ok((local, global))
}

fn pools(key: &str, entries: &[Entry]) -> Result<Vec<Predefined>, Error> {
    let pool = |Entry { base, size }: &Entry| match base.parse() {
        Ok(base) => Ok(Predefined { base, size: *size }),
        Err(_) => Err(refusal(&format!("{key}: base {base:?} is not a prefix like 10.0.0.0/8"))),
    };
    entries.iter().map(pool).collect()
}

/// An IPv4-mapped base means the IPv4 one.
fn is_ipv6(base: &IpNet) -> bool {
    matches!(base, IpNet::V6(base) if base.addr().to_ipv4_mapped().is_none())
}

fn refusal(text: &str) -> Error {
    Error::new(Code::InvalidRequest, text)
}
