//! Addresses.

use super::{
    ids,
    offers::{self, nth},
};
use crate::{
    case::{ADDRESS_TYPE, Case, Check, GATEWAY, SERIAL, fail, not_applicable},
    model::{Choice, Family, Options, Refusal},
};
use std::net::IpAddr;

pub(super) fn any_ipv4(case: &mut Case<'_>) -> Check {
    any(case, Family::Ipv4)
}

pub(super) fn any_ipv6(case: &mut Case<'_>) -> Check {
    any(case, Family::Ipv6)
}

fn any(case: &mut Case<'_>, family: Family) -> Check {
    let pool = offers::usable(case, family)?;
    case.need_address(&pool, None)?;
    let many = offers::size(&pool.range()) > 32;
    for _ in 0..16 {
        // What it leases is checked by the case; a small pool may be full.
        if many {
            case.need_address(&pool, None)?;
        } else if case.request_address(&pool, None)?.is_err() {
            break;
        }
    }
    Ok(())
}

pub(super) fn explicit_ipv4(case: &mut Case<'_>) -> Check {
    explicit(case, Family::Ipv4)
}

pub(super) fn explicit_ipv6(case: &mut Case<'_>) -> Check {
    explicit(case, Family::Ipv6)
}

fn explicit(case: &mut Case<'_>, family: Family) -> Check {
    let pool = offers::usable(case, family)?;
    offers::named(case, &pool).map(drop)
}

/// Asks for an address that is leased; the refusal.
pub(super) fn of_in_use(case: &mut Case<'_>) -> Check<Refusal> {
    let pool = offers::any(case)?;
    let chosen = case.need_address(&pool, None)?;
    let named = offers::named(case, &pool)?;
    let mut last = None;
    for address in [chosen, named] {
        match case.request_address(&pool, Some(address))? {
            Ok(_) => fail!("{address} is leased, and was granted again"),
            Err(refusal) => last = Some(refusal),
        }
    }
    match last {
        Some(refusal) => Ok(refusal),
        None => not_applicable!("nothing is leased"),
    }
}

pub(super) fn in_use(case: &mut Case<'_>) -> Check {
    of_in_use(case).map(drop)
}

pub(super) fn any_beside_explicit(case: &mut Case<'_>) -> Check {
    let pool = offers::any(case)?;
    // Those that the driver would choose next, taken by name.
    let first = case.need_address(&pool, None)?;
    case.release_address(&pool, first)?;
    let mut next = first;
    for _ in 0..6 {
        if pool.range().contains(&next) {
            let _ = case.request_address(&pool, Some(next))?;
        }
        next = nth(&next.into(), 1);
    }
    for _ in 0..16 {
        if case.request_address(&pool, None)?.is_err() {
            break;
        }
    }
    Ok(())
}

/// Asks for addresses that are not of the pool; the last refusal.
pub(super) fn of_out_of_range(case: &mut Case<'_>) -> Check<Refusal> {
    let pool = offers::any(case)?;
    case.need_address(&pool, None)?;
    let other_family = match pool.prefix.addr() {
        IpAddr::V4(_) => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 7]),
        IpAddr::V6(_) => IpAddr::from([198, 18, 0, 7]),
    };
    let mut last = None;
    for address in [Some(other_family), ids::behind(&pool.prefix)].into_iter().flatten() {
        match case.request_address(&pool, Some(address))? {
            Ok(_) => fail!("{address} is not in {}", pool.prefix),
            Err(refusal) => last = Some(refusal),
        }
    }
    match last {
        Some(refusal) => Ok(refusal),
        None => not_applicable!("nothing is outside {}", pool.prefix),
    }
}

pub(super) fn out_of_range(case: &mut Case<'_>) -> Check {
    of_out_of_range(case).map(drop)
}

pub(super) fn outside_sub_pool(case: &mut Case<'_>) -> Check {
    let pool = offers::any_sub_pool(case)?;
    // The sub-pool lies in the middle, and these do not.
    let mut last = None;
    for number in [5, 9, 77, 2] {
        let address = nth(&pool.prefix, number);
        match case.request_address(&pool, Some(address))? {
            Ok(Some(_)) => return Ok(()),
            Ok(None) => not_applicable!("it leases no addresses"),
            Err(refusal) => last = Some(refusal),
        }
    }
    match last {
        Some(refusal) => not_applicable!("it leases what is in the sub-pool only: {refusal}"),
        None => Ok(()),
    }
}

/// Asks for an address of pools that there are not; the last refusal.
pub(super) fn of_unknown_pool(case: &mut Case<'_>) -> Check<Refusal> {
    let mut pool = offers::any(case)?;
    case.need_address(&pool, None)?;
    case.release_pool(&pool)?;
    let was = std::mem::replace(&mut pool.id, ids::unknown(case)?);
    let never = case.request_address(&pool, None)?;
    pool.id = was;
    match (never, case.request_address(&pool, None)?) {
        (Err(_), Err(refusal)) => Ok(refusal),
        _ => fail!("an address of a pool that is not was granted"),
    }
}

pub(super) fn unknown_pool(case: &mut Case<'_>) -> Check {
    of_unknown_pool(case).map(drop)
}

fn gateway_options() -> Options {
    [(ADDRESS_TYPE.to_owned(), GATEWAY.to_owned())].into()
}

pub(super) fn gateway(case: &mut Case<'_>) -> Check {
    let pool = offers::any(case)?;
    case.need_address(&pool, None)?;
    if let Some(gateway) = pool.gateway {
        // The driver chose one, and nobody asks. Nobody else gets it.
        return match case.request_address(&pool, Some(gateway))? {
            Ok(_) => fail!("{gateway} is the pool's gateway"),
            Err(_) => Ok(()),
        };
    }
    let chosen = match case.request_address_with(&pool, None, gateway_options())? {
        Ok(Some(gateway)) => gateway,
        Ok(None) => not_applicable!("it leases no gateway"),
        Err(refusal) => fail!("there are free addresses, and the gateway is {refusal}"),
    };
    if case.request_address(&pool, Some(chosen))?.is_ok() {
        fail!("{chosen} is the pool's gateway");
    }
    // One that is named, as Docker names the first.
    case.release_address(&pool, chosen)?;
    for number in [1, 2, 254] {
        let address = nth(&pool.prefix, number);
        if case.is_held(&pool, address) || !pool.prefix.contains(&address) {
            continue;
        }
        if let Ok(Some(gateway)) =
            case.request_address_with(&pool, Some(address), gateway_options())?
        {
            if case.request_address(&pool, Some(gateway))?.is_ok() {
                fail!("{gateway} is the pool's gateway");
            }
            break;
        }
    }
    // The case checks that no endpoint gets it either.
    for _ in 0..4 {
        let _ = case.request_address(&pool, None)?;
    }
    Ok(())
}

pub(super) fn serial(case: &mut Case<'_>) -> Check {
    let pool = offers::any(case)?;
    let serial = || Options::from([(SERIAL.to_owned(), "true".to_owned())]);
    let mut before = Vec::new();
    for _ in 0..4 {
        match case.request_address_with(&pool, None, serial())? {
            Ok(Some(address)) => {
                case.release_address(&pool, address)?;
                before.push(address);
            }
            Ok(None) => not_applicable!("it leases no addresses"),
            Err(refusal) => fail!("{} is empty, and any address is {refusal}", pool.prefix),
        }
    }
    let again = before.windows(2).find(|pair| pair[0] == pair[1]);
    match again {
        Some(pair) => not_applicable!("{} is leased again at once, as without", pair[0]),
        None => Ok(()),
    }
}

pub(super) fn no_pool(case: &mut Case<'_>) -> Check {
    for family in [Family::Ipv4, Family::Ipv6] {
        let request = case.ask(Choice::Automatic(family))?;
        if let Ok(pool) = case.request_pool(request)?
            && pool.is_none()
        {
            for address in [None, Some(nth(&pool.prefix, 7))] {
                // The case checks that none is leased; a refusal is allowed, too.
                let _ = case.request_address(&pool, address)?;
            }
            return Ok(());
        }
    }
    not_applicable!("it grants pools")
}
