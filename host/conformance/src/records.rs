//! What a driver says of its system of record, beside what it granted.

use crate::{
    Outcome,
    asking::{Asking, Maker},
    host::{need, some_pool},
    recorder::reason,
};
use ipam_api::{
    AddressRequest, Answer, DriverName, Failure, HeldRecord, IpNet, PoolGrant, Request, Stored,
};
use std::{collections::BTreeSet, net::IpAddr};

/// Few, so that there is more than one page.
const PAGE: u32 = 2;
/// Pages of a list that has come to its end by then.
const PAGES_MAX: usize = 1_000;

/// A driver with a pool and two addresses of it.
struct Granted {
    asking: Asking,
    pool: PoolGrant,
    addresses: [IpAddr; 2],
}

/// What is granted is in the system of record, and what is released is not.
pub(crate) fn lists(maker: &Maker, name: Option<&DriverName>) -> Outcome {
    outcome(Granted::new(maker, name).and_then(|mut granted| granted.lists()))
}

/// A pool that is released takes all with it that is recorded in it.
pub(crate) fn releases(maker: &Maker, name: Option<&DriverName>) -> Outcome {
    outcome(Granted::new(maker, name).and_then(|mut granted| granted.releases()))
}

/// What is removed is gone, and nothing else is removed.
pub(crate) fn removes(maker: &Maker, name: Option<&DriverName>) -> Outcome {
    outcome(Granted::new(maker, name).and_then(|mut granted| granted.removes()))
}

fn outcome(checked: Result<(), Outcome>) -> Outcome {
    checked.map_or_else(|outcome| outcome, |()| Outcome::Pass)
}

impl Granted {
    fn new(maker: &Maker, name: Option<&DriverName>) -> Result<Self, Outcome> {
        let failed = |failure: Failure| Outcome::fail(reason(&failure));
        let mut asking = maker.make(name, Stored::new()).map_err(failed)?;
        let pool = some_pool(&mut asking)?;
        let mut lease = || {
            let any = AddressRequest::any(pool.pool_id.clone());
            match need(&mut asking, Request::Address(any))? {
                Answer::Address(grant) => grant.address.map(|leased| leased.addr()),
                Answer::Pool(_) | Answer::Released | Answer::Status(_) | Answer::Records(_) => None,
            }
            .ok_or_else(|| Outcome::not_applicable("it leases no addresses"))
        };
        let addresses = [lease()?, lease()?];
        Ok(Self { asking, pool, addresses })
    }

    fn lists(&mut self) -> Result<(), Outcome> {
        self.list()?;
        let [first, second] = self.addresses;
        for address in [None, Some(first), Some(second)] {
            if !self.has(address)? {
                return Err(self.fail(address, "is granted, and its system does not have it"));
            }
        }
        need(&mut self.asking, Request::ReleaseAddress(self.pool.pool_id.clone(), first))?;
        if self.find(Some(first))?.is_some() {
            return Err(self.fail(Some(first), "is released, and listed"));
        }
        need(&mut self.asking, Request::ReleaseAddress(self.pool.pool_id.clone(), second))?;
        need(&mut self.asking, Request::ReleasePool(self.pool.pool_id.clone()))?;
        if self.find(None)?.is_some() {
            return Err(self.fail(None, "is released, and listed"));
        }
        Ok(())
    }

    /// The host tells of the pool alone.
    fn releases(&mut self) -> Result<(), Outcome> {
        need(&mut self.asking, Request::ReleasePool(self.pool.pool_id.clone()))?;
        let [first, second] = self.addresses;
        for address in [None, Some(first), Some(second)] {
            if self.find(address)?.is_some() {
                return Err(self.fail(address, "is released with its pool, and listed"));
            }
        }
        Ok(())
    }

    fn removes(&mut self) -> Result<(), Outcome> {
        let [first, second] = self.addresses;
        let Some(record) = self.find(Some(first))? else {
            // It chose the address, so it made that record or took it over.
            return Err(self.fail(Some(first), "is granted, and not listed"));
        };
        // As if the id stood for another address by now.
        let other = HeldRecord { address: Some(second), ..record.clone() };
        if self.remove(&other)? || self.find(Some(first))?.is_none() {
            return Err(self.fail(Some(first), "is removed as if it were another address"));
        }
        for (want, what) in [(true, "is listed, and not removed"), (false, "is removed twice")] {
            if self.remove(&record)? != want {
                return Err(self.fail(Some(first), what));
            }
        }
        if self.find(Some(first))?.is_some() || self.has(Some(first))? {
            return Err(self.fail(Some(first), "is removed, and still there"));
        }
        if !self.has(Some(second))? {
            return Err(self.fail(Some(second), "is gone with another address"));
        }
        // It may refuse what it does not find; that is no promise of these.
        for address in self.addresses {
            let _ = self.asking.ask(&Request::ReleaseAddress(self.pool.pool_id.clone(), address));
        }
        let _ = self.asking.ask(&Request::ReleasePool(self.pool.pool_id.clone()));
        Ok(())
    }

    fn list(&mut self) -> Result<Vec<HeldRecord>, Outcome> {
        let (mut all, mut ids, mut cursor) = (Vec::new(), BTreeSet::new(), None::<String>);
        for _ in 0..PAGES_MAX {
            let page = answered(self.asking.now().list_records(cursor.as_deref(), PAGE))?;
            for record in page.records {
                if !ids.insert(record.id.clone()) {
                    return Err(Outcome::fail(format!("it lists {:?} twice", record.id.as_str())));
                }
                all.push(record);
            }
            cursor = page.next;
            if cursor.is_none() {
                return Ok(all);
            }
        }
        Err(Outcome::fail(format!("its list has more than {PAGES_MAX} pages")))
    }

    fn find(&mut self, address: Option<IpAddr>) -> Result<Option<HeldRecord>, Outcome> {
        let pool: IpNet = self.pool.pool;
        let mut all = self.list()?.into_iter();
        Ok(all.find(|record| record.pool == pool && record.address == address))
    }

    fn has(&mut self, address: Option<IpAddr>) -> Result<bool, Outcome> {
        answered(self.asking.now().has_record(&self.pool.pool_id, address))
    }

    fn remove(&mut self, record: &HeldRecord) -> Result<bool, Outcome> {
        answered(self.asking.now().remove_record(record))
    }

    fn fail(&self, address: Option<IpAddr>, what: &str) -> Outcome {
        let pool = self.pool.pool;
        Outcome::fail(match address {
            Some(address) => format!("{address} of {pool} {what}"),
            None => format!("{pool} {what}"),
        })
    }
}

/// The answer of a driver that exports records.
fn answered<T>(answer: Option<Result<T, Failure>>) -> Result<T, Outcome> {
    let answer = answer.ok_or_else(|| Outcome::not_applicable("it does not export records"))?;
    answer.map_err(|failure| Outcome::fail(reason(&failure)))
}
