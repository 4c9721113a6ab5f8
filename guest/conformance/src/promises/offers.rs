//! What a driver offers, found by asking: it may offer only some pools, or
//! none. What it refuses here is not applicable and no failure.

use crate::{
    case::{Case, Check, Pool, Stop, fail, not_applicable},
    model::{Choice, Family},
};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where pools are named: for benchmarks (RFC 2544) and for documentation
/// (RFC 3849), so that they are in nobody's way.
const IPV4: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 18, 0, 0));
const IPV6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0));

/// The address `number` of a prefix.
pub(crate) fn nth(prefix: &IpNet, number: u32) -> IpAddr {
    match prefix.network() {
        IpAddr::V4(base) => Ipv4Addr::from(u32::from(base).wrapping_add(number)).into(),
        IpAddr::V6(base) => Ipv6Addr::from(u128::from(base).wrapping_add(number.into())).into(),
    }
}

/// The prefix of that length that begins where another does.
pub(crate) fn cut(prefix: &IpNet, length: u8) -> IpNet {
    IpNet::new(prefix.addr(), length).unwrap_or(*prefix).trunc()
}

/// How many addresses a prefix has, if that can be counted.
pub(crate) fn size(prefix: &IpNet) -> u128 {
    let bits = prefix.max_prefix_len() - prefix.prefix_len();
    1_u128.checked_shl(bits.into()).unwrap_or(u128::MAX)
}

/// A length at which a pool has some hundred addresses or more.
pub(crate) fn usual(family: Family) -> u8 {
    match family {
        Family::Ipv4 => 24,
        Family::Ipv6 => 64,
    }
}

/// An exact pool of that length.
pub(crate) fn exact(case: &mut Case<'_>, family: Family, length: u8) -> Check<Pool> {
    exact_with(case, family, length, None)
}

/// An exact pool of that length, with a sub-pool of that length in its middle.
///
/// A driver may have pools in some place only: then one is taken that it chose
/// itself.
pub(crate) fn exact_with(
    case: &mut Case<'_>,
    family: Family,
    length: u8,
    sub_length: Option<u8>,
) -> Check<Pool> {
    let usual = match family {
        Family::Ipv4 => IPV4,
        Family::Ipv6 => IPV6,
    };
    let mut last = None;
    let mut base = IpNet::from(usual);
    loop {
        let prefix = cut(&base, length);
        let mut request = case.ask(Choice::Exact(prefix))?;
        request.sub_pool = match sub_length {
            Some(sub_length) => prefix.subnets(sub_length).ok().and_then(|subnets| {
                let all: Vec<IpNet> = subnets.take(64).collect();
                all.get(all.len() / 2).copied()
            }),
            None => None,
        };
        match case.request_pool(request)? {
            Ok(pool) if !pool.is_none() => return Ok(pool),
            Ok(_) => not_applicable!("it grants no pool"),
            Err(refusal) => {
                if last.is_some() {
                    not_applicable!("{prefix} is {refusal}");
                }
                last = Some(refusal);
            }
        }
        let request = case.ask(Choice::Automatic(family))?;
        let chosen = case.need_pool(request)?;
        case.release_pool(&chosen)?;
        if chosen.is_none() {
            not_applicable!("it grants no pool");
        }
        if chosen.prefix.prefix_len() > length {
            not_applicable!("it grants {} and no {family} pool of length {length}", chosen.prefix);
        }
        base = chosen.prefix;
    }
}

/// The first of two that is offered.
pub(crate) fn either<T>(
    case: &mut Case<'_>,
    first: impl FnOnce(&mut Case<'_>) -> Check<T>,
    second: impl FnOnce(&mut Case<'_>) -> Check<T>,
) -> Check<T> {
    match first(case) {
        Err(Stop::NotApplicable(_)) => second(case),
        other => other,
    }
}

/// A pool to take addresses of: named, or any.
pub(crate) fn usable(case: &mut Case<'_>, family: Family) -> Check<Pool> {
    either(case, |case| exact(case, family, usual(family)), |case| chosen(case, family))
}

/// A pool that the driver chooses.
fn chosen(case: &mut Case<'_>, family: Family) -> Check<Pool> {
    let request = case.ask(Choice::Automatic(family))?;
    let pool = case.need_pool(request)?;
    if pool.is_none() {
        not_applicable!("it grants no pool");
    }
    Ok(pool)
}

/// A pool to take addresses of, of either family.
pub(crate) fn any(case: &mut Case<'_>) -> Check<Pool> {
    either(case, |case| usable(case, Family::Ipv4), |case| usable(case, Family::Ipv6))
}

/// An exact pool, of either family.
pub(crate) fn any_exact(case: &mut Case<'_>) -> Check<Pool> {
    either(case, |case| exact(case, Family::Ipv4, 24), |case| exact(case, Family::Ipv6, 64))
}

/// An exact pool with a sub-pool of 16 addresses, of either family.
pub(crate) fn any_sub_pool(case: &mut Case<'_>) -> Check<Pool> {
    either(
        case,
        |case| exact_with(case, Family::Ipv4, 24, Some(28)),
        |case| exact_with(case, Family::Ipv6, 120, Some(124)),
    )
}

/// An address of a pool that can be leased by name, and is; a driver may keep
/// some for itself.
pub(crate) fn named(case: &mut Case<'_>, pool: &Pool) -> Check<IpAddr> {
    let mut last = None;
    for number in [77, 5, 2, 3, 200, 250, 1] {
        let address = nth(&pool.prefix, number);
        if !pool.prefix.contains(&address) {
            continue;
        }
        match case.request_address(pool, Some(address))? {
            Ok(Some(address)) => return Ok(address),
            Ok(None) => not_applicable!("it leases no addresses"),
            Err(refusal) if refusal.name == "other(not-implemented)" => {
                not_applicable!("{address} is {refusal}")
            }
            Err(refusal) => last = Some((address, refusal)),
        }
    }
    match last {
        Some((address, refusal)) => fail!(
            "nothing of {} is leased, and no address can be named: {address} is {refusal}",
            pool.prefix
        ),
        None => not_applicable!("{} has no addresses to name", pool.prefix),
    }
}
