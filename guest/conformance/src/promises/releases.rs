//! Releases. A host releases what it granted, once; what is released beyond
//! that may be refused or not, and must change nothing.

use super::{ids, offers, small};
use crate::{
    case::{Case, Check, fail, not_applicable},
    model::{Choice, Family},
};

pub(super) fn address(case: &mut Case<'_>) -> Check {
    if case.settings.resting {
        not_applicable!("released addresses rest");
    }
    let pool = offers::any(case)?;
    case.need_address(&pool, None)?;
    let address = offers::named(case, &pool)?;
    for _ in 0..3 {
        case.release_address(&pool, address)?;
        case.need_address(&pool, Some(address))?;
    }
    Ok(())
}

pub(super) fn full_pool(case: &mut Case<'_>) -> Check {
    if case.settings.resting {
        not_applicable!("released addresses rest");
    }
    let pool = small::of_eight(case)?;
    let (leased, _) = small::fill(case, &pool)?;
    for address in leased {
        case.release_address(&pool, address)?;
        let again = case.need_address(&pool, None)?;
        if again != address {
            fail!("{address} alone is free, and {again} is leased");
        }
    }
    Ok(())
}

pub(super) fn address_twice(case: &mut Case<'_>) -> Check {
    let pool = offers::any(case)?;
    let kept = case.need_address(&pool, None)?;
    let released = case.need_address(&pool, None)?;
    case.release_address(&pool, released)?;
    let _ = case.release_any_address(&pool.id, released);
    still_held(case, &pool, kept)?;
    // Once free, it is leased once.
    if !case.settings.resting {
        case.need_address(&pool, Some(released))?;
        still_held(case, &pool, released)?;
    }
    // The case checks that nobody gets what is leased.
    for _ in 0..4 {
        let _ = case.request_address(&pool, None)?;
    }
    Ok(())
}

fn still_held(case: &mut Case<'_>, pool: &crate::case::Pool, address: std::net::IpAddr) -> Check {
    match case.request_address(pool, Some(address))? {
        Ok(_) => fail!("{address} is leased, and was granted again"),
        Err(_) => Ok(()),
    }
}

pub(super) fn unknown(case: &mut Case<'_>) -> Check {
    let pool = offers::any(case)?;
    let kept = case.need_address(&pool, None)?;
    let free = case.need_address(&pool, None)?;
    case.release_address(&pool, free)?;
    let unknown = ids::unknown(case)?;
    let _ = case.release_any_address(&unknown, kept);
    let _ = case.release_any_pool(&unknown);
    if let Some(behind) = ids::behind(&pool.prefix) {
        let _ = case.release_any_address(&pool.id, behind);
    }
    let _ = case.release_any_address(&pool.id, free);
    // Neither was the broadcast address released into circulation.
    let _ = case.release_any_address(&pool.id, pool.prefix.broadcast());
    let _ = case.release_any_address(&pool.id, pool.prefix.network());
    still_held(case, &pool, kept)?;
    for _ in 0..4 {
        let _ = case.request_address(&pool, None)?;
    }
    Ok(())
}

pub(super) fn pool(case: &mut Case<'_>) -> Check {
    let pool = offers::any_exact(case)?;
    let address = offers::named(case, &pool)?;
    case.release_pool(&pool)?;
    let again = case.ask(Choice::Exact(pool.prefix))?;
    let pool = match case.request_pool(again)? {
        Ok(pool) => pool,
        Err(refusal) => fail!("{} was released, and is {refusal}", pool.prefix),
    };
    if !case.settings.resting {
        case.need_address(&pool, Some(address))?;
    }
    Ok(())
}

/// How often a pool is taken and released.
const ROUNDS: usize = 300;

pub(super) fn automatic_pools(case: &mut Case<'_>) -> Check {
    let request = case.ask(Choice::Automatic(Family::Ipv4))?;
    let first = case.need_pool(request.clone())?;
    case.release_pool(&first)?;
    for round in 1..ROUNDS {
        match case.request_pool(request.clone())? {
            Ok(pool) => case.release_pool(&pool)?,
            Err(refusal) => fail!("{round} pools were released, and the next is {refusal}"),
        }
    }
    Ok(())
}

pub(super) fn pool_twice(case: &mut Case<'_>) -> Check {
    let kept = offers::any(case)?;
    let address = case.need_address(&kept, None)?;
    let request = case.ask(Choice::Automatic(Family::of(&kept.prefix.addr())))?;
    let released = case.need_pool(request)?;
    case.release_pool(&released)?;
    let _ = case.release_any_pool(&released.id);
    still_held(case, &kept, address)?;
    // It is not taken, and no half of it is left.
    let again = case.ask(Choice::Exact(released.prefix))?;
    if let Ok(pool) = case.request_pool(again)? {
        case.need_address(&pool, None)?;
    }
    Ok(())
}

pub(super) fn pool_in_use(case: &mut Case<'_>) -> Check {
    let pool = offers::any(case)?;
    let address = case.need_address(&pool, None)?;
    if case.release_any_pool(&pool.id).is_err() {
        return still_held(case, &pool, address);
    }
    case.forget(&pool);
    // It is gone as a whole: named again it is another, and empty.
    let again = case.ask(Choice::Exact(pool.prefix))?;
    let Ok(again) = case.request_pool(again)? else { return Ok(()) };
    if !case.settings.resting {
        case.need_address(&again, Some(address))?;
        still_held(case, &again, address)?;
    }
    Ok(())
}

pub(super) fn neighbours(case: &mut Case<'_>) -> Check {
    let kept = offers::any(case)?;
    let address = case.need_address(&kept, None)?;
    let request = case.ask(Choice::Automatic(Family::of(&kept.prefix.addr())))?;
    let other = case.need_pool(request)?;
    let there = case.need_address(&other, None)?;
    // Of the other pool, under this one's id.
    let _ = case.release_any_address(&kept.id, there);
    still_held(case, &other, there)?;
    case.release_pool(&other)?;
    still_held(case, &kept, address)
}
