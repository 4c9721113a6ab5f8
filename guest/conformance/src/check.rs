//! What every answer must be, whatever was promised about it.

use crate::{
    case::{Case, Check, GATEWAY, Live, Pool, fail, overlap},
    model::{AddressGrant, Choice, Family, PoolGrant, PoolRequest, quoted},
};
use ipnet::IpNet;
use std::net::IpAddr;

/// The longest pool id, in bytes.
const POOL_ID_MAX_BYTES: usize = 256;

impl Case<'_> {
    /// A pool that was granted, if the contract allows it.
    pub(crate) fn check_pool(&self, request: PoolRequest, grant: PoolGrant) -> Check<Pool> {
        let PoolGrant { id, address, length, data } = grant;
        if id.is_empty() || id.len() > POOL_ID_MAX_BYTES {
            fail!("a pool id has 1 to {POOL_ID_MAX_BYTES} bytes, not {}", id.len());
        }
        let prefix = check_prefix(address, length)?;
        if prefix.trunc() != prefix {
            fail!("{prefix} has host bits, and is no prefix");
        }
        check_data(&data)?;
        let family = Family::of(&prefix.addr());
        let is_automatic = match request.choice {
            Choice::Exact(wanted) if prefix != wanted => {
                fail!("{wanted} was asked for, and {prefix} granted")
            }
            Choice::Automatic(wanted) | Choice::Sized(wanted, _) if family != wanted => {
                fail!("{wanted} was asked for, and {prefix} granted")
            }
            Choice::Sized(_, wanted) if length != wanted => {
                fail!("a pool of length {wanted} was asked for, and {prefix} granted")
            }
            Choice::Automatic(_) | Choice::Sized(..) => true,
            Choice::Exact(_) => false,
        };
        let gateway = check_gateway(&prefix, &data)?;
        let PoolRequest { space, sub_pool, .. } = request;
        let pool = Pool { id, space, prefix, sub_pool, gateway };
        if is_automatic && pool.is_none() {
            return Ok(pool);
        }
        for Live { pool: other, .. } in &self.live {
            let is_same_space = other.space == pool.space;
            if other.id == pool.id && (other.prefix != prefix || !is_same_space) {
                fail!("the id {} is that of {} already", quoted(&pool.id), other.prefix);
            }
            if other.id == pool.id && other.sub_pool != pool.sub_pool {
                fail!("the id {} is that of another sub-pool already", quoted(&pool.id));
            }
            let is_in_the_way =
                is_same_space && !other.is_none() && overlap(&other.prefix, &prefix);
            if is_automatic && is_in_the_way {
                fail!("it chose {prefix}, which overlaps {}", other.prefix);
            }
        }
        Ok(pool)
    }

    /// An address that was leased, if the contract allows it.
    pub(crate) fn check_address(
        &self,
        pool: &Pool,
        wanted: Option<IpAddr>,
        grant: AddressGrant,
    ) -> Check<Option<IpAddr>> {
        check_data(&grant.data)?;
        let Some((address, length)) = grant.address else { return Ok(None) };
        let leased = check_prefix(address, length)?;
        if pool.is_none() {
            fail!("{leased} was leased of no pool");
        }
        if !pool.prefix.contains(&address) {
            fail!("{leased} is not in {}", pool.prefix);
        }
        if length != pool.prefix.prefix_len() {
            fail!("{leased} does not carry the length of its pool {}", pool.prefix);
        }
        match wanted {
            Some(wanted) if wanted != address => {
                fail!("{wanted} was asked for, and {address} leased")
            }
            None if !pool.range().contains(&address) => {
                fail!("{leased} is not in the sub-pool {}", pool.range())
            }
            None if pool.gateway == Some(address) => fail!("{leased} is the pool's gateway"),
            Some(_) | None => {}
        }
        if self.is_held(pool, address) {
            fail!("{leased} is leased to somebody else");
        }
        Ok(Some(address))
    }
}

fn check_prefix(address: IpAddr, length: u8) -> Check<IpNet> {
    if address.to_canonical() != address {
        fail!("{address} is an IPv4-mapped address");
    }
    match IpNet::new(address, length) {
        Ok(net) => Ok(net),
        Err(_) => fail!("no prefix of {} has {length} bits", Family::of(&address)),
    }
}

fn check_data(data: &[(String, String)]) -> Check {
    if !data.is_sorted_by(|(one, _), (next, _)| one < next) {
        fail!("the keys of data are not unique and in ascending order");
    }
    Ok(())
}

/// `com.docker.network.gateway` = `ADDRESS/LENGTH`.
fn check_gateway(pool: &IpNet, data: &[(String, String)]) -> Check<Option<IpAddr>> {
    let Some((_, text)) = data.iter().find(|(key, _)| key == GATEWAY) else { return Ok(None) };
    match text.parse::<IpNet>() {
        // There is none, and none is to be asked for.
        Ok(at)
            if at.prefix_len() == 0
                && at.addr().is_unspecified()
                && at.addr().is_ipv4() == pool.addr().is_ipv4() =>
        {
            Ok(None)
        }
        Ok(at) if at.trunc() == *pool => Ok(Some(at.addr())),
        _ => fail!("the gateway {} is no address of {pool} with its length", quoted(text)),
    }
}
