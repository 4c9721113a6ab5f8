//! Pools with few addresses: how many they lease, and what comes then.

use super::offers;
use crate::{
    case::{Case, Check, Pool, fail, not_applicable},
    model::{Family, Refusal},
};
use std::net::IpAddr;

/// Leases addresses of a pool until it refuses.
pub(super) fn fill(case: &mut Case<'_>, pool: &Pool) -> Check<(Vec<IpAddr>, Refusal)> {
    let most = offers::size(&pool.range());
    let mut leased = Vec::new();
    loop {
        match case.request_address(pool, None)? {
            Ok(Some(address)) => leased.push(address),
            Ok(None) => not_applicable!("it leases no addresses"),
            Err(refusal) => return Ok((leased, refusal)),
        }
        // Each is another, as the case has checked; one more cannot be.
        if leased.len() as u128 > most {
            fail!("{} has {most} addresses, and {} are leased", pool.range(), leased.len());
        }
    }
}

/// A pool of eight addresses.
pub(super) fn of_eight(case: &mut Case<'_>) -> Check<Pool> {
    offers::either(
        case,
        |case| offers::exact(case, Family::Ipv4, 29),
        |case| offers::exact(case, Family::Ipv6, 125),
    )
}

pub(super) fn exhausted(case: &mut Case<'_>) -> Check {
    let pool = of_eight(case)?;
    let (leased, refusal) = fill(case, &pool)?;
    // Network, broadcast, and what the driver keeps for a gateway and itself.
    if leased.len() < 4 {
        fail!(
            "{} has eight addresses, {} are leased, and one more is {refusal}",
            pool.prefix,
            leased.len()
        );
    }
    Ok(())
}

pub(super) fn sub_pool_exhausted(case: &mut Case<'_>) -> Check {
    let pool = offers::any_sub_pool(case)?;
    let (leased, refusal) = fill(case, &pool)?;
    if leased.len() < 8 {
        fail!(
            "{} has 16 addresses, {} are leased, and one more is {refusal}",
            pool.range(),
            leased.len()
        );
    }
    Ok(())
}

pub(super) fn ipv4_31(case: &mut Case<'_>) -> Check {
    tiny(case, Family::Ipv4, 31)
}

pub(super) fn ipv4_32(case: &mut Case<'_>) -> Check {
    tiny(case, Family::Ipv4, 32)
}

pub(super) fn ipv6_127(case: &mut Case<'_>) -> Check {
    tiny(case, Family::Ipv6, 127)
}

pub(super) fn ipv6_128(case: &mut Case<'_>) -> Check {
    tiny(case, Family::Ipv6, 128)
}

fn tiny(case: &mut Case<'_>, family: Family, length: u8) -> Check {
    let pool = offers::exact(case, family, length)?;
    fill(case, &pool).map(drop)
}
