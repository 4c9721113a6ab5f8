//! What one composition cannot show: other instances of the same driver.

use crate::{
    Outcome,
    asking::{Asking, Maker, Registered},
    model::{Answered, Model},
    recorder::{Exchange, Record, reason},
    show,
};
use ipam_api::{AddressRequest, Capability, DriverName, Failure, Request, Stored};

/// How much of what was granted is asked for again.
const ASKED_AGAIN: usize = 300;

/// An instance, or why the promise cannot be checked.
fn made(maker: &Maker, name: Option<&DriverName>, stored: Stored) -> Result<Asking, Outcome> {
    maker.make(name, stored).map_err(|failure| {
        Outcome::fail(format!("another instance does not start: {}", reason(&failure)))
    })
}

/// A new instance registers what the first did: that of one of several names
/// just its own.
pub(crate) fn registers_again(
    maker: &Maker,
    first: &Registered,
    name: Option<&DriverName>,
    capability: Capability,
) -> Outcome {
    let want = match name {
        Some(name) => vec![(name.clone(), capability)],
        None => first.names.clone(),
    };
    match made(maker, name, Stored::new()) {
        Ok(again) if again.registered.names == want && again.registered.refusal.is_none() => {
            Outcome::Pass
        }
        Ok(again) => Outcome::fail(format!(
            "it registers {} and not {}",
            listed(&again.registered.names),
            listed(&want)
        )),
        Err(outcome) => outcome,
    }
}

fn listed(names: &[(DriverName, Capability)]) -> String {
    let one = |(name, capability): &(DriverName, Capability)| {
        let needs = [
            (capability.requires_mac_address, " with MAC addresses"),
            (capability.requires_request_replay, " with replay"),
        ];
        let needs = needs.iter().filter(|(is_set, _)| *is_set).map(|(_, words)| *words);
        format!("{name}{}", needs.collect::<String>())
    };
    let all: Vec<String> = names.iter().take(8).map(one).collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
}

/// The same requests in the same order get the same answers.
pub(crate) fn deterministic(maker: &Maker, name: Option<&DriverName>, record: &Record) -> Outcome {
    let again = made(maker, name, Stored::new()).and_then(|mut again| {
        ask_again(&mut again, &record.exchanges).map_err(|(asked, first, now)| Outcome::Fail {
            reason: "the same requests in the same order were answered otherwise".to_owned(),
            exchange: vec![show::exchange(asked, first), now],
        })
    });
    again.map_or_else(|outcome| outcome, |()| Outcome::Pass)
}

type Differs<'a> = (&'a Request, &'a Result<ipam_api::Answer, ipam_api::Error>, String);

/// Asks for the same once more: where it differs.
fn ask_again<'a>(again: &mut Asking, exchanges: &'a [Exchange]) -> Result<(), Differs<'a>> {
    for (asked, first) in exchanges {
        let now = match again.ask(asked) {
            Ok(answer) => Ok(answer),
            Err(Failure::Refused(error)) => Err(error),
            Err(failure) => {
                let broke = format!("{asked} -> {}", reason(&failure));
                return Err((asked, first, broke));
            }
        };
        if now != *first {
            return Err((asked, first, show::exchange(asked, &now)));
        }
    }
    Ok(())
}

/// A second instance, told what the first has granted.
pub(crate) struct Told {
    model: Model,
    second: Asking,
}

/// Replays to a second instance what was held when most was held, and compares its
/// answers.
pub(crate) fn replay(
    maker: &Maker,
    name: Option<&DriverName>,
    record: &Record,
) -> Result<Told, Outcome> {
    // Finds the moment at which most was held.
    let mut model = Model::default();
    let (mut most, mut until) = (0, 0);
    for (number, exchange) in (0..).zip(&record.exchanges) {
        model.note(number, exchange);
        let held = model.pools.len() + model.leases.len();
        if held > most {
            (most, until) = (held, number + 1);
        }
    }
    if until == 0 {
        return Err(Outcome::not_applicable("it granted nothing that could be told"));
    }
    let mut first = made(maker, name, Stored::new())?;
    let mut model = Model::default();
    let told = &record.exchanges[..usize::try_from(until).unwrap_or(usize::MAX)];
    (0..).zip(told).for_each(|(number, exchange)| model.note(number, exchange));
    if let Err((asked, was, now)) = ask_again(&mut first, told) {
        return Err(Outcome::Fail {
            reason: "what is held cannot be granted once more".to_owned(),
            exchange: vec![show::exchange(asked, was), now],
        });
    }
    let mut second = made(maker, name, first.stored)?;
    for (number, asked, want) in model.replay() {
        second.asked = number;
        let answer = second.ask(&asked);
        let is_same = answer.as_ref().is_ok_and(|answer| Answered::of(answer) == want);
        if !is_same {
            let now = match &answer {
                Ok(answer) => show::exchange(&asked, &Ok(answer.clone())),
                Err(Failure::Refused(error)) => show::exchange(&asked, &Err(error.clone())),
                Err(failure) => format!("{asked} -> {}", reason(failure)),
            };
            let want = match want {
                Answered::Pool(id, pool) => format!("{} {pool}", show::quoted(id.as_str())),
                Answered::Address(address) => address.to_string(),
                Answered::Other => "another answer".to_owned(),
            };
            return Err(Outcome::Fail {
                reason: format!("a second instance was told of {want}, and does not grant it"),
                exchange: vec![now],
            });
        }
    }
    second.asked = until;
    Ok(Told { model, second })
}

/// What the second instance was told is leased to nobody else, and can be released.
pub(crate) fn respected(told: Told) -> Outcome {
    let Told { model, mut second } = told;
    let fail = |reason: String, asked: &Request| Outcome::Fail {
        reason,
        exchange: vec![asked.to_string()],
    };
    let mut leased = Vec::new();
    for (_, _, grant) in model.pools.iter().take(ASKED_AGAIN) {
        let asked = Request::Address(AddressRequest::any(grant.pool_id.clone()));
        match second.ask(&asked).map(|answer| Answered::of(&answer)) {
            Ok(Answered::Address(address)) if model.is_held(&grant.pool_id, address) => {
                return fail(format!("{address} was told, and is leased to another"), &asked);
            }
            Ok(Answered::Address(address)) => leased.push((grant.pool_id.clone(), address)),
            Err(failure @ Failure::Broken { .. }) => return fail(reason(&failure), &asked),
            Ok(_) | Err(Failure::Refused(_)) => {}
        }
    }
    for (_, request, address) in model.leases.iter().take(ASKED_AGAIN) {
        let again = AddressRequest {
            address: Some(*address),
            ..AddressRequest::any(request.pool_id.clone())
        };
        let asked = Request::Address(again);
        if second.ask(&asked).is_ok() {
            return fail(format!("{address} was told, and is leased to another"), &asked);
        }
    }
    let told = model.leases.iter().map(|(_, request, address)| (request.pool_id.clone(), *address));
    let addresses = told.chain(leased).map(|(id, address)| Request::ReleaseAddress(id, address));
    let pools = model.pools.iter().map(|(_, _, grant)| Request::ReleasePool(grant.pool_id.clone()));
    for asked in addresses.chain(pools) {
        if let Err(failure) = second.ask(&asked) {
            return fail(format!("what was told is not released: {}", reason(&failure)), &asked);
        }
    }
    Outcome::Pass
}
