//! Answers of a plugin, converted to what the contract allows: an answer that Docker
//! accepts is put into the contract's form. If that cannot be done, the request is
//! refused with the reason, and released at the plugin.

use crate::wire;
use alloc::{format, string::String};
use ipam_driver::{
    AddressGrant, AddressRequest, Family, IpNet, Options, PoolChoice, PoolGrant, PoolRequest, names,
};
use serde_json::{Map, Value};

/// What the contract allows as a pool's id, in bytes.
const POOL_ID_BYTES_MAX: usize = 256;
/// What the host takes of `data`, unless its operator says less.
const DATA_ENTRIES_MAX: usize = 64;
const DATA_BYTES_MAX: usize = 16 << 10;

/// What the addresses of a pool must fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) prefix: IpNet,
    pub(crate) sub_pool: Option<IpNet>,
}

impl Known {
    /// As it is stored: the prefix and, behind a blank, the sub-pool.
    pub(crate) fn to_text(self) -> String {
        match self.sub_pool {
            Some(sub_pool) => format!("{} {sub_pool}", self.prefix),
            None => format!("{}", self.prefix),
        }
    }

    /// Whether this may be granted beside that, under the same id: only "no
    /// pool" has more than one holder.
    pub(crate) fn is_again(&self, other: &Self) -> bool {
        self == other && self.prefix.prefix_len() == 0
    }

    /// Reads what [`Known::to_text`] has written.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let (prefix, sub_pool) = match text.split_once(' ') {
            Some((prefix, sub_pool)) => (prefix, Some(sub_pool.parse().ok()?)),
            None => (text, None),
        };
        Some(Self { prefix: prefix.parse().ok()?, sub_pool })
    }
}

/// The pool that was answered, as a grant, or why it cannot be one.
pub(crate) fn fit_pool(
    request: &PoolRequest,
    pool_id: &str,
    rest: Map<String, Value>,
) -> Result<PoolGrant, String> {
    let wire::Prefix { pool: text, data } = wire::rest(rest)?;
    let mut data = Options::from(data);
    let Some(pool) = wire::address(&text) else {
        return Err(format!("Pool {text:?} is no prefix"));
    };
    let pool = pool.trunc();
    if pool_id.len() > POOL_ID_BYTES_MAX {
        return Err(format!("PoolID has more than {POOL_ID_BYTES_MAX} bytes"));
    }
    let is_asked_for = match request.pool {
        PoolChoice::Exact(asked) => pool == asked,
        PoolChoice::Automatic(family) => Family::of(&pool) == family,
        PoolChoice::Sized(family, length) => {
            Family::of(&pool) == family && pool.prefix_len() == length
        }
    };
    if !is_asked_for {
        return Err(format!("Pool {text:?} is not what was asked for"));
    }
    check_data(&data)?;
    fit_gateway(pool, &mut data)?;
    Ok(PoolGrant { pool_id: pool_id.into(), pool, data })
}

/// The gateway with the pool's length. "None", which is the unspecified address
/// with length 0, stays; an address that the pool does not have is left out, so
/// that Docker asks for one.
fn fit_gateway(pool: IpNet, data: &mut Options) -> Result<(), String> {
    let Some(text) = data.get_mut(names::GATEWAY) else { return Ok(()) };
    let Some(gateway) = wire::address(text) else {
        return Err(format!("the gateway {text:?} is no address with a prefix length"));
    };
    let address = gateway.addr();
    let is_none = address.is_unspecified() && gateway.prefix_len() == 0;
    if is_none && Family::of(&gateway) == Family::of(&pool) {
        return Ok(());
    }
    if pool.contains(&address) {
        *text = format!("{address}/{}", pool.prefix_len());
    } else {
        data.remove(names::GATEWAY);
    }
    Ok(())
}

/// The address that was answered, as a grant, or why it cannot be one.
/// Whatever length a plugin wrote, Docker takes the pool's.
pub(crate) fn fit_address(
    request: &AddressRequest,
    known: Option<Known>,
    text: &str,
    rest: Map<String, Value>,
) -> Result<AddressGrant, String> {
    let wire::Facts { data } = wire::rest(rest)?;
    let data = Options::from(data);
    let Some(mut address) = wire::address(text) else {
        return Err(format!("Address {text:?} is no address with a prefix length"));
    };
    if request.address.is_some_and(|asked| asked != address.addr()) {
        return Err(format!("Address {text:?} is not what was asked for"));
    }
    if let Some(Known { prefix, sub_pool }) = known {
        let within = sub_pool.filter(|_| request.address.is_none()).unwrap_or(prefix);
        if prefix.prefix_len() == 0 {
            return Err(format!(
                "Address {text:?} is of the pool {prefix}, of which nothing is leased here: \
                 the network needs a subnet of its own"
            ));
        }
        if !within.contains(&address.addr()) {
            return Err(format!("Address {text:?} is not in {within}"));
        }
        if let Ok(fitted) = IpNet::new(address.addr(), prefix.prefix_len()) {
            address = fitted;
        }
    }
    check_data(&data)?;
    Ok(AddressGrant { address: Some(address), data })
}

fn check_data(data: &Options) -> Result<(), String> {
    let bytes: usize = data.iter().map(|(key, value)| key.len() + value.len()).sum();
    if data.len() > DATA_ENTRIES_MAX || bytes > DATA_BYTES_MAX {
        return Err(format!(
            "Data has more than {DATA_ENTRIES_MAX} entries or {DATA_BYTES_MAX} bytes"
        ));
    }
    Ok(())
}
