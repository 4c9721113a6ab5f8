//! Pool ids: opaque to everybody but the driver.

use super::offers::{self, cut, nth};
use crate::{
    case::{Case, Check, fail, not_applicable},
    model::{Choice, Family},
};
use ipnet::IpNet;

pub(super) fn bounded(case: &mut Case<'_>) -> Check {
    // Long to write, with and without a sub-pool. The case checks that none is too
    // long.
    let long: IpNet = "2001:db8:aaaa:bbbb:cccc:dddd:eeee:0/112".parse().expect("a prefix");
    let mut is_any = false;
    for sub_pool in [None, Some(cut(&long, 127))] {
        let mut request = case.ask(Choice::Exact(long))?;
        request.sub_pool = sub_pool;
        if let Ok(pool) = case.request_pool(request)? {
            case.release_pool(&pool)?;
            is_any = true;
        }
    }
    if is_any { Ok(()) } else { offers::any(case).map(drop) }
}

pub(super) fn distinct(case: &mut Case<'_>) -> Check {
    // The case checks that an id means one pool.
    let pool = offers::any(case)?;
    for _ in 0..4 {
        let request = case.ask(Choice::Automatic(Family::of(&pool.prefix.addr())))?;
        let _ = case.request_pool(request)?;
    }
    for half in pool.prefix.subnets(pool.prefix.prefix_len() + 1).into_iter().flatten() {
        let mut request = case.ask(Choice::Exact(pool.prefix))?;
        request.sub_pool = Some(half);
        let _ = case.request_pool(request)?;
    }
    if case.pools().count() < 2 {
        not_applicable!("it grants one pool");
    }
    Ok(())
}

pub(super) fn stable(case: &mut Case<'_>) -> Check {
    let pool = offers::any(case)?;
    let before = case.need_address(&pool, None)?;
    let request = case.ask(Choice::Automatic(Family::of(&pool.prefix.addr())))?;
    let mut others = Vec::new();
    for _ in 0..4 {
        if let Ok(other) = case.request_pool(request.clone())? {
            others.push(other);
        }
    }
    for other in &others {
        case.release_pool(other)?;
    }
    // It is of the same pool, and knows what is leased there.
    case.need_address(&pool, None)?;
    match case.request_address(&pool, Some(before))? {
        Ok(_) => fail!("{before} was leased before, and is leased again"),
        Err(_) => Ok(()),
    }
}

/// An id that is none.
pub(super) fn unknown(case: &mut Case<'_>) -> Check<String> {
    let known: Vec<&String> = case.pools().map(|(pool, _)| &pool.id).collect();
    let unknown = "no pool of this driver".to_owned();
    if known.contains(&&unknown) {
        not_applicable!("it calls a pool {unknown:?}")
    } else {
        Ok(unknown)
    }
}

/// The address after the last of a pool, if there is one.
pub(super) fn behind(prefix: &IpNet) -> Option<std::net::IpAddr> {
    let behind = nth(&IpNet::from(prefix.broadcast()), 1);
    (!prefix.contains(&behind) && behind > prefix.broadcast()).then_some(behind)
}
