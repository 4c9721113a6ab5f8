//! Replay, as far as one instance shows it: what a request with `wipam.replay`
//! asks for is answered exactly.

use super::offers;
use crate::{
    case::{Case, Check, Pool, REPLAY, fail, not_applicable},
    model::{Choice, Options},
};
use std::net::IpAddr;

fn options(value: &str) -> Options {
    [(REPLAY.to_owned(), value.to_owned())].into()
}

/// A pool that the driver granted, released and told of again, with addresses.
fn replayed(case: &mut Case<'_>, addresses: usize) -> Check<(Pool, Vec<IpAddr>)> {
    let pool = offers::any(case)?;
    let mut leased = Vec::new();
    for _ in 0..addresses {
        leased.push(case.need_address(&pool, None)?);
    }
    case.release_pool(&pool)?;
    let mut request = case.ask(Choice::Exact(pool.prefix))?;
    request.options = options("automatic");
    match case.request_pool(request)? {
        Ok(pool) => Ok((pool, leased)),
        Err(refusal) if refusal.name == "other(not-implemented)" => {
            not_applicable!("it is not replayed: {refusal}")
        }
        // Docker tells no plugin which of its requests are replayed, so none
        // need know the word.
        Err(refusal) if case.settings.nameless && refusal.name == "other(bad-request)" => {
            not_applicable!("it is not replayed: {refusal}")
        }
        Err(refusal) => fail!("{} was granted before, and its replay is {refusal}", pool.prefix),
    }
}

pub(super) fn pool(case: &mut Case<'_>) -> Check {
    replayed(case, 0).map(drop)
}

fn tell(case: &mut Case<'_>, pool: &Pool, leased: &[IpAddr]) -> Check {
    for (number, &address) in leased.iter().rev().enumerate() {
        let value = if number % 2 == 0 { "automatic" } else { "explicit" };
        match case.request_address_with(pool, Some(address), options(value))? {
            Ok(Some(_)) => {}
            Ok(None) => fail!("{address} was leased before, and its replay leases none"),
            Err(refusal) => fail!("{address} was leased before, and its replay is {refusal}"),
        }
    }
    Ok(())
}

pub(super) fn address(case: &mut Case<'_>) -> Check {
    let (pool, leased) = replayed(case, 4)?;
    tell(case, &pool, &leased)
}

pub(super) fn respected(case: &mut Case<'_>) -> Check {
    let (pool, leased) = replayed(case, 4)?;
    tell(case, &pool, &leased)?;
    for _ in 0..8 {
        let _ = case.request_address(&pool, None)?;
    }
    for &address in &leased {
        if case.request_address(&pool, Some(address))?.is_ok() {
            fail!("{address} was replayed, and was granted again");
        }
    }
    Ok(())
}
