//! Entries of the ledger as they are told.

use crate::{Timestamp, wire};
use ipam_api::DriverName;
use ipam_ledger::{Asked, Lease, Pool, State};

/// What the address of a gateway is.
const GATEWAY: &str = "gateway";

/// `loaded` is the ledger's generation when the process read it.
pub(crate) fn pool(driver: &DriverName, pool: &Pool, state: &State, loaded: u64) -> wire::Pool {
    let leases = state.leases_of(&pool.pool_id);
    let stale_addresses = leases.filter(|lease| state.is_stale(lease, loaded)).count();
    let newest = state.newest(&pool.pool_id);
    wire::Pool {
        driver: driver.to_string(),
        pool_id: pool.pool_id.to_string(),
        address_space: pool.address_space.clone(),
        prefix: pool.prefix,
        sub_pool: pool.sub_pool,
        asked: asked(pool.asked).to_owned(),
        holds: state.holds(&pool.pool_id),
        addresses: state.lease_count(&pool.pool_id) + usize::from(state.gateway(pool).is_some()),
        status: None,
        options: pool.options.clone(),
        data: pool.data.clone(),
        generation: pool.generation,
        newest,
        granted_at: Timestamp::known(pool.granted.at),
        granted_by: pool.granted.by.to_string(),
        stale: newest <= loaded,
        stale_addresses,
    }
}

pub(crate) fn address(driver: &DriverName, lease: &Lease) -> wire::Address {
    let kind = if lease.is_gateway() { GATEWAY } else { asked(lease.asked) };
    wire::Address {
        driver: driver.to_string(),
        pool_id: lease.pool_id.to_string(),
        address: lease.address,
        kind: kind.to_owned(),
        owner: lease.owner().map(str::to_owned),
        options: lease.options.clone(),
        data: lease.data.clone(),
        generation: lease.generation,
        granted_at: Timestamp::known(lease.granted.at),
        granted_by: lease.granted.by.to_string(),
        comes_with_pool: false,
        stale: None,
    }
}

/// The gateway that came with a pool.
pub(crate) fn gateway(driver: &DriverName, pool: &Pool) -> Option<wire::Address> {
    Some(wire::Address {
        driver: driver.to_string(),
        pool_id: pool.pool_id.to_string(),
        address: pool.gateway()?,
        kind: GATEWAY.to_owned(),
        owner: None,
        options: pool.options.clone(),
        data: pool.data.clone(),
        generation: pool.generation,
        granted_at: Timestamp::known(pool.granted.at),
        granted_by: pool.granted.by.to_string(),
        comes_with_pool: true,
        stale: None,
    })
}

fn asked(asked: Asked) -> &'static str {
    match asked {
        Asked::Explicit => "explicit",
        Asked::Automatic => "automatic",
    }
}
