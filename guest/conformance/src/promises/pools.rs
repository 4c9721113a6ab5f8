//! Pools.

use super::offers::{self, cut, nth};
use crate::{
    case::{Case, Check, Pool, fail, not_applicable, overlap},
    model::{Choice, Family, Refusal},
};
use ipnet::IpNet;

/// How many pools are asked for until there are none.
const POOLS_MAX: usize = 300;

pub(super) fn exact_ipv4(case: &mut Case<'_>) -> Check {
    exact(case, Family::Ipv4, &[24, 16, 28, 30])
}

pub(super) fn exact_ipv6(case: &mut Case<'_>) -> Check {
    exact(case, Family::Ipv6, &[64, 48, 120])
}

fn exact(case: &mut Case<'_>, family: Family, lengths: &[u8]) -> Check {
    let mut last = Ok(());
    let mut any = false;
    for &length in lengths {
        match offers::exact(case, family, length) {
            // The case has checked that it is the one asked for.
            Ok(pool) => {
                case.release_pool(&pool)?;
                any = true;
            }
            Err(stop @ crate::case::Stop::Fail(_)) => return Err(stop),
            Err(stop) => last = Err(stop),
        }
    }
    if any { Ok(()) } else { last }
}

/// Asks for a pool that is taken; the refusal.
pub(super) fn of_taken(case: &mut Case<'_>) -> Check<Refusal> {
    let pool = offers::any_exact(case)?;
    let again = case.ask(Choice::Exact(pool.prefix))?;
    match case.request_pool(again)? {
        Ok(_) => fail!("{} was granted twice", pool.prefix),
        Err(refusal) => Ok(refusal),
    }
}

pub(super) fn taken(case: &mut Case<'_>) -> Check {
    of_taken(case)?;
    // One that the driver chose itself is as much taken.
    let chosen = case.ask(Choice::Automatic(Family::Ipv4))?;
    if let Ok(pool) = case.request_pool(chosen)?
        && !pool.is_none()
    {
        let again = case.ask(Choice::Exact(pool.prefix))?;
        if case.request_pool(again)?.is_ok() {
            fail!("{} was granted twice", pool.prefix);
        }
    }
    Ok(())
}

pub(super) fn overlapping(case: &mut Case<'_>) -> Check {
    let pool = offers::any_exact(case)?;
    let length = pool.prefix.prefix_len();
    for other in [cut(&pool.prefix, length - 4), cut(&pool.prefix, length + 1)] {
        let request = case.ask(Choice::Exact(other))?;
        // The driver's policy; the case has checked what it granted.
        let _ = case.request_pool(request)?;
    }
    Ok(())
}

pub(super) fn automatic_ipv4(case: &mut Case<'_>) -> Check {
    automatic(case, Choice::Automatic(Family::Ipv4)).map(drop)
}

pub(super) fn automatic_ipv6(case: &mut Case<'_>) -> Check {
    automatic(case, Choice::Automatic(Family::Ipv6)).map(drop)
}

/// Takes some pools, as many as there are.
fn automatic(case: &mut Case<'_>, choice: Choice) -> Check<Vec<Pool>> {
    let first = case.ask(choice)?;
    let mut pools = vec![case.need_pool(first.clone())?];
    while pools.len() < 8 {
        match case.request_pool(first.clone())? {
            Ok(pool) => pools.push(pool),
            Err(_) => break,
        }
    }
    Ok(pools)
}

pub(super) fn automatic_beside_exact(case: &mut Case<'_>) -> Check {
    // Those that the driver would choose next, taken by name.
    let chosen = automatic(case, Choice::Automatic(Family::Ipv4))?;
    if chosen.iter().any(Pool::is_none) {
        not_applicable!("it grants no pool");
    }
    case.clean()?;
    let mut is_any = false;
    for pool in chosen.iter().take(3) {
        let request = case.ask(Choice::Exact(pool.prefix))?;
        is_any |= case.request_pool(request)?.is_ok();
    }
    if !is_any {
        not_applicable!("no pool can be named");
    }
    // The case checks that none overlaps.
    let request = case.ask(Choice::Automatic(Family::Ipv4))?;
    for _ in 0..3 {
        let _ = case.request_pool(request.clone())?;
    }
    Ok(())
}

pub(super) fn sized_ipv4(case: &mut Case<'_>) -> Check {
    sized(case, Family::Ipv4, &[24, 26, 28, 16])
}

pub(super) fn sized_ipv6(case: &mut Case<'_>) -> Check {
    sized(case, Family::Ipv6, &[64, 72, 112])
}

fn sized(case: &mut Case<'_>, family: Family, lengths: &[u8]) -> Check {
    let mut last = None;
    let mut is_any = false;
    for &length in lengths {
        let request = case.ask(Choice::Sized(family, length))?;
        match case.request_pool(request)? {
            Ok(_) => is_any = true,
            Err(refusal) => last = Some(refusal),
        }
    }
    match last {
        Some(refusal) if !is_any => not_applicable!("it chooses no size: {refusal}"),
        _ => Ok(()),
    }
}

pub(super) fn impossible_size(case: &mut Case<'_>) -> Check {
    for (family, length) in [(Family::Ipv4, 33), (Family::Ipv4, 255), (Family::Ipv6, 129)] {
        let request = case.ask(Choice::Sized(family, length))?;
        if let Ok(pool) = case.request_pool(request)? {
            fail!("{} was granted for a length of {length}", pool.prefix);
        }
    }
    Ok(())
}

/// Takes automatic pools until there are none; the refusal.
pub(super) fn all(case: &mut Case<'_>) -> Check<(Vec<Pool>, Refusal)> {
    let mut pools = Vec::new();
    while pools.len() < POOLS_MAX {
        let request = case.ask(Choice::Automatic(Family::Ipv4))?;
        match case.request_pool(request)? {
            Ok(pool) if pool.is_none() => not_applicable!("it grants no pool"),
            Ok(pool) => pools.push(pool),
            Err(refusal) if pools.is_empty() => not_applicable!("it chooses none: {refusal}"),
            Err(refusal) => return Ok((pools, refusal)),
        }
    }
    not_applicable!("it has more than {POOLS_MAX} pools")
}

pub(super) fn exhausted(case: &mut Case<'_>) -> Check {
    let (pools, _) = all(case)?;
    let released = &pools[pools.len() / 2];
    case.release_pool(released)?;
    let request = case.ask(Choice::Automatic(Family::Ipv4))?;
    match case.request_pool(request)? {
        Ok(_) => Ok(()),
        Err(refusal) => fail!("{} was released, and any is {refusal}", released.prefix),
    }
}

pub(super) fn excluded(case: &mut Case<'_>) -> Check {
    let request = case.ask(Choice::Automatic(Family::Ipv4))?;
    let pool = case.need_pool(request.clone())?;
    if pool.is_none() {
        not_applicable!("it grants no pool");
    }
    case.release_pool(&pool)?;
    let mut without = request;
    without.exclude = vec![pool.prefix];
    match case.request_pool(without)? {
        Ok(other) if overlap(&other.prefix, &pool.prefix) => {
            not_applicable!("it ignores what is excluded, as it may")
        }
        Ok(_) => Ok(()),
        Err(refusal) => not_applicable!("it has no other pool: {refusal}"),
    }
}

pub(super) fn sub_pool(case: &mut Case<'_>) -> Check {
    let pool = offers::any_sub_pool(case)?;
    // The case checks that they lie in the sub-pool.
    for _ in 0..8 {
        case.need_address(&pool, None)?;
    }
    Ok(())
}

/// Asks for a pool with a sub-pool beside it; the refusal.
pub(super) fn of_sub_pool_outside(case: &mut Case<'_>) -> Check<Refusal> {
    let pool = offers::any_exact(case)?;
    case.release_pool(&pool)?;
    let outside = IpNet::new(nth(&pool.prefix, 0), pool.prefix.prefix_len() - 1);
    let beside = outside.ok().and_then(|wider| {
        let mut halves = wider.trunc().subnets(pool.prefix.prefix_len()).ok()?;
        halves.find(|half| *half != pool.prefix)
    });
    let Some(beside) = beside else { not_applicable!("{} has no neighbour", pool.prefix) };
    let mut request = case.ask(Choice::Exact(pool.prefix))?;
    request.sub_pool = Some(beside);
    match case.request_pool(request)? {
        Ok(_) => fail!("{} was granted with the sub-pool {beside}", pool.prefix),
        Err(refusal) => Ok(refusal),
    }
}

pub(super) fn sub_pool_outside(case: &mut Case<'_>) -> Check {
    of_sub_pool_outside(case).map(drop)
}

pub(super) fn options(case: &mut Case<'_>) -> Check {
    let pool = offers::any_exact(case)?;
    case.release_pool(&pool)?;
    let mut request = case.ask(Choice::Exact(pool.prefix))?;
    request.options = [("a".to_owned(), String::new()), ("z".to_owned(), "é\n".to_owned())].into();
    // A driver may refuse words that it does not know.
    case.need_pool(request).map(drop)
}
