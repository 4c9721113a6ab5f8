//! What only a host sees of a driver: the status of its pools, its log and its
//! registrations.

use crate::{
    Outcome,
    asking::{Asking, Maker},
    recorder::reason,
    show,
};
use ipam_api::{
    AddressRequest, Answer, DriverName, Failure, Family, PoolChoice, PoolGrant, PoolId,
    PoolRequest, PoolStatus, Request, Stored,
};
use ipam_runtime::Behaviour;

/// A question that must be answered, or the outcome.
pub(crate) fn need(asking: &mut Asking, request: Request) -> Result<Answer, Outcome> {
    asking.ask(&request).map_err(|failure| match failure {
        Failure::Refused(error) => Outcome::not_applicable(show::exchange(&request, &Err(error))),
        failure @ Failure::Broken { .. } => {
            Outcome::Fail { reason: reason(&failure), exchange: vec![request.to_string()] }
        }
    })
}

/// A pool to try things in: one for tests, or whatever the driver grants.
pub(crate) fn some_pool(asking: &mut Asking) -> Result<PoolGrant, Outcome> {
    let spaces = asking.now().default_address_spaces();
    let spaces = spaces.map_err(|failure| Outcome::fail(reason(&failure)))?;
    let any = PoolRequest::new(&spaces.local, PoolChoice::Automatic(Family::Ipv4));
    let exact = "198.18.0.0/24".parse().map(PoolChoice::Exact);
    let exact = exact.map(|exact| PoolRequest::new(&spaces.local, exact));
    let pool = match exact.ok().map(|exact| asking.ask(&Request::Pool(exact))) {
        Some(Ok(answer)) => answer,
        _ => need(asking, Request::Pool(any))?,
    };
    match pool {
        Answer::Pool(pool) => Ok(pool),
        Answer::Address(_) | Answer::Released | Answer::Status(_) | Answer::Records(_) => {
            Err(Outcome::fail("no pool was answered"))
        }
    }
}

fn status(asking: &mut Asking, id: &PoolId) -> Result<PoolStatus, Outcome> {
    match need(asking, Request::Status(id.clone()))? {
        Answer::Status(status) => Ok(status),
        Answer::Pool(_) | Answer::Address(_) | Answer::Released | Answer::Records(_) => {
            Err(Outcome::fail("no status was answered"))
        }
    }
}

/// `status` counts what is leased.
pub(crate) fn status_counts(maker: &Maker, name: Option<&DriverName>) -> Outcome {
    counts(maker, name).map_or_else(|outcome| outcome, |()| Outcome::Pass)
}

fn counts(maker: &Maker, name: Option<&DriverName>) -> Result<(), Outcome> {
    let failed = |failure: Failure| Outcome::fail(reason(&failure));
    let mut asking = maker.make(name, Stored::new()).map_err(failed)?;
    let pool = some_pool(&mut asking)?;
    let id = pool.pool_id;
    if asking.now().pool_status(&id).is_none() {
        return Err(Outcome::not_applicable("it does not export status"));
    }
    let empty = status(&mut asking, &id)?;
    let mut last = None;
    for _ in 0..3 {
        match need(&mut asking, Request::Address(AddressRequest::any(id.clone())))? {
            Answer::Address(grant) => last = grant.address,
            Answer::Pool(_) | Answer::Released | Answer::Status(_) | Answer::Records(_) => {}
        }
    }
    let Some(last) = last else { return Err(Outcome::not_applicable("it leases no addresses")) };
    let three = status(&mut asking, &id)?;
    need(&mut asking, Request::ReleaseAddress(id.clone(), last.addr()))?;
    let two = status(&mut asking, &id)?;
    for (what, status, leased) in [("leased", three, 3), ("leased and released", two, 2)] {
        let is_counted = status.ips_in_use.checked_sub(empty.ips_in_use) == Some(leased);
        if !is_counted && status.ips_in_use != u64::MAX {
            return Err(Outcome::fail(format!(
                "{} addresses of {} were in use, {leased} more are ({what}), and it says {}",
                empty.ips_in_use, pool.pool, status.ips_in_use
            )));
        }
        let is_less = status.dynamic_ips_available < empty.dynamic_ips_available;
        if !is_less && status.dynamic_ips_available != u64::MAX {
            return Err(Outcome::fail(format!(
                "{leased} addresses of {} are leased, and as many are available as before: {}",
                pool.pool, status.dynamic_ips_available
            )));
        }
    }
    Ok(())
}

/// No host relies on it, but a file is not part of its host.
pub(crate) fn is_not_built_in(maker: &Maker, name: Option<&DriverName>) -> Outcome {
    let asked = maker.make(name, Stored::new()).and_then(|mut asking| asking.now().is_built_in());
    match asked {
        Ok(says) if says == maker.is_built_in => Outcome::Pass,
        Ok(true) => Outcome::fail("it says that it is built in, and it comes from a file"),
        Ok(false) => Outcome::fail("it says that it is not built in, and it is"),
        Err(failure) => Outcome::fail(reason(&failure)),
    }
}

/// No line of its log was dropped.
pub(crate) fn says_little(behaviour: Option<Behaviour>) -> Outcome {
    match behaviour {
        None => Outcome::not_applicable("it says nothing to a host"),
        Some(Behaviour { lines_dropped: 0, .. }) => Outcome::Pass,
        Some(Behaviour { lines_dropped, .. }) => {
            Outcome::fail(format!("{lines_dropped} lines were too many in their second"))
        }
    }
}

/// It registered only while it started.
pub(crate) fn registers_in_time(behaviour: Option<Behaviour>) -> Outcome {
    match behaviour {
        None => Outcome::not_applicable("it does not register"),
        Some(Behaviour { late_registrations: 0, .. }) => Outcome::Pass,
        Some(Behaviour { late_registrations, .. }) => Outcome::fail(format!(
            "it tried to register {late_registrations} times after its start"
        )),
    }
}
