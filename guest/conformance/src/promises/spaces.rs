//! Address spaces.

use super::offers;
use crate::{
    case::{Case, Check, Pool, fail, not_applicable},
    model::{Choice, Family, Refusal},
};

/// A name that no driver gives to a space.
pub(super) const UNKNOWN: &str = "no space of this driver";

pub(super) fn named(case: &mut Case<'_>) -> Check {
    case.spaces().map(drop)
}

pub(super) fn stable(case: &mut Case<'_>) -> Check {
    let first = case.spaces()?;
    // Whatever comes of it.
    let _ = offers::any(case)?;
    if case.spaces()? != first {
        fail!("they were {:?} and {:?} before", first.0, first.1);
    }
    Ok(())
}

/// Asks for pools of a space that does not exist; returns the last refusal.
pub(super) fn of_unknown(case: &mut Case<'_>) -> Check<Refusal> {
    let mut last = None;
    for choice in
        [Choice::Automatic(Family::Ipv4), Choice::Exact("198.18.0.0/24".parse().expect("a prefix"))]
    {
        let mut request = case.ask(choice)?;
        request.space = UNKNOWN.to_owned();
        match case.request_pool(request)? {
            Ok(Pool { prefix, .. }) => fail!("{prefix} was granted in a space that is not"),
            Err(refusal) => last = Some(refusal),
        }
    }
    match last {
        Some(refusal) => Ok(refusal),
        None => not_applicable!("nothing was asked for"),
    }
}

pub(super) fn unknown(case: &mut Case<'_>) -> Check {
    of_unknown(case).map(drop)
}

pub(super) fn apart(case: &mut Case<'_>) -> Check {
    let (local, global) = case.spaces()?;
    if local == global {
        not_applicable!("it has one space, {local:?}");
    }
    let one = offers::any_exact(case)?;
    let mut request = case.ask(Choice::Exact(one.prefix))?;
    request.space = global;
    let other = match case.request_pool(request)? {
        Ok(other) => other,
        Err(refusal) if refusal.name == "pool-overlap" => {
            fail!("{} is not taken there, and is {refusal}", one.prefix)
        }
        Err(refusal) => not_applicable!("it has no such pool there: {refusal}"),
    };
    if one.id == other.id {
        fail!("both spaces call {} {:?}", one.prefix, one.id);
    }
    let address = offers::named(case, &one)?;
    case.need_address(&other, Some(address))?;
    case.release_address(&one, address)?;
    match case.request_address(&other, Some(address))? {
        Ok(_) => fail!("{address} is leased in the other space, and leased again"),
        Err(_) => Ok(()),
    }
}
