//! What drivers' systems of record hold.

use crate::{
    lookup::{Answers, name},
    out::{Out, Stop},
    wire::{self, RemovalOutcome},
};
use ipam_api::{
    Answer, Failure, HeldRecord, IpNet, Kind, PoolId, RecordId, RecordPage, RecordsAnswer,
    RecordsRequest, Removal, Request, Server as Actor,
};
use ipam_service::{NotNow, ask_within};
use std::net::IpAddr;

impl Answers {
    /// All pages of a list, or an error: a part is never told as if it were all.
    pub(crate) fn records(&self, driver: &str, out: &mut impl Out) -> Result<(), Stop> {
        let limits = self.service.limits();
        let mut cursor = None;
        for _ in 0..limits.record_pages_max {
            let request = RecordsRequest::List { cursor, limit: limits.record_page };
            let answer = self.ask_records(driver, request, Actor::Operator)?;
            let answer = answer.map_err(|failure| format!("{driver}: {failure}"))?;
            let RecordsAnswer::Page(RecordPage { records, next }) = answer else {
                return Err(mixed_up(driver));
            };
            for record in records {
                out.item(&row(driver, record))?;
            }
            cursor = next;
            if cursor.is_none() {
                return Ok(());
            }
        }
        Err(Stop::Error(format!(
            "{driver}: its system of record lists more than {} pages, so not all is known",
            limits.record_pages_max
        )))
    }

    pub(crate) fn has_record(
        &self,
        driver: &str,
        pool_id: PoolId,
        address: Option<IpAddr>,
        out: &mut impl Out,
    ) -> Result<(), Stop> {
        let request = RecordsRequest::Has(pool_id, address);
        let has_record = match self.ask_records(driver, request, Actor::Operator)? {
            Ok(RecordsAnswer::Has(has)) => has,
            Ok(_) => return Err(mixed_up(driver)),
            Err(failure) => return Err(Stop::Error(format!("{driver}: {failure}"))),
        };
        out.item(&wire::HasRecord { has_record })
    }

    pub(crate) fn remove_record(
        &self,
        driver: &str,
        record: HeldRecord,
        out: &mut impl Out,
    ) -> Result<(), Stop> {
        let request = RecordsRequest::Remove(record);
        let answer = self.ask_records(driver, request, Actor::Reconciler);
        let (outcome, reason) = match answer? {
            Ok(RecordsAnswer::Removal(removal)) => (removal.into(), None),
            Ok(_) => return Err(mixed_up(driver)),
            // What it refuses for good is no reason to leave the rest.
            Err(Failure::Refused(refusal)) if is_final(refusal.kind()) => {
                (RemovalOutcome::Refused, Some(refusal.to_string()))
            }
            Err(failure) => return Err(Stop::Error(format!("{driver}: {failure}"))),
        };
        out.item(&wire::RemovedRecord { outcome, reason })
    }

    fn ask_records(
        &self,
        driver: &str,
        request: RecordsRequest,
        by: Actor,
    ) -> Result<Result<RecordsAnswer, Failure>, Stop> {
        let handle = self.service.handle_for(&name(driver)?, by);
        let handle = handle.ok_or_else(|| format!("no driver {driver} is in service"))?;
        let answer = ask_within(&*handle, Request::Records(request), self.patience());
        match answer.ok_or_else(|| format!("{driver}: {NotNow}"))? {
            Ok(served) => match served.answer {
                Answer::Records(answer) => Ok(Ok(answer)),
                Answer::Pool(_) | Answer::Address(_) | Answer::Released | Answer::Status(_) => {
                    Err(mixed_up(driver))
                }
            },
            Err(Failure::Refused(refusal)) if refusal.kind() == Kind::NotImplemented => {
                Err(Stop::Error(format!("{driver} has no system of record to ask")))
            }
            Err(failure) => Ok(Err(failure)),
        }
    }
}

/// The record that a question names.
pub(crate) fn named(
    id: &str,
    address_space: String,
    pool: IpNet,
    address: Option<IpAddr>,
) -> Result<HeldRecord, Stop> {
    let id = RecordId::try_from(id).map_err(|error| Stop::Error(error.to_string()))?;
    // What the contract promises to drivers.
    if pool != pool.trunc() || address.is_some_and(|address| !pool.contains(&address)) {
        let text = "a record has a pool without host bits, and an address of that pool";
        return Err(Stop::Error(text.to_owned()));
    }
    Ok(HeldRecord { id, address_space, pool, address, label: String::new() })
}

fn is_final(kind: Kind) -> bool {
    match kind {
        Kind::BadRequest | Kind::Forbidden => true,
        Kind::NotFound | Kind::NotImplemented | Kind::Unavailable | Kind::Internal => false,
    }
}

fn row(driver: &str, record: HeldRecord) -> wire::Record {
    let HeldRecord { id, address_space, pool, address, label } = record;
    let driver = driver.to_owned();
    wire::Record { driver, id: id.to_string(), address_space, pool, address, label }
}

impl From<Removal> for RemovalOutcome {
    fn from(removal: Removal) -> Self {
        match removal {
            Removal::Removed => Self::Removed,
            Removal::Gone => Self::Gone,
            Removal::Held => Self::Held,
        }
    }
}

fn mixed_up(driver: &str) -> Stop {
    Stop::Error(format!("{driver}: the answer belongs to another question"))
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn a_driver_is_asked_for_what_can_be_a_record() {
        for (id, pool, address, can_be) in [
            ("7", "192.0.2.0/24", None, true),
            ("7", "192.0.2.0/24", Some("192.0.2.9"), true),
            ("", "192.0.2.0/24", None, false),
            ("7", "192.0.2.9/24", None, false),
            ("7", "192.0.2.0/24", Some("192.0.3.9"), false),
            ("7", "192.0.2.0/24", Some("2001:db8::9"), false),
        ] {
            let address = address.map(|address| address.parse().unwrap());
            let record = named(id, "lab".to_owned(), pool.parse().unwrap(), address);
            assert_eq!(record.is_ok(), can_be, "{id:?} {pool} {address:?}");
        }
    }
}
