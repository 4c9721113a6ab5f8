//! What the system has in this host's name, for `wipam check` and `wipam reconcile`.

use crate::{Object, Of, Policy, SystemOfRecord, is_end};
use ipam_driver::{Code, Error, HeldRecord, IpNet, Kind, RecordPage};
use std::net::IpAddr;

/// The two kinds, in the order in which they are listed.
const KINDS: [Of; 2] = [Of::Pools, Of::Addresses];

#[expect(clippy::missing_errors_doc, reason = "the refusals of the contract")]
impl<S: SystemOfRecord> Policy<S> {
    /// Lists records. The cursor is what they are listed by, the kind, and the offset of the
    /// next page: `field/ip-addresses/200`.
    pub fn list_records(&mut self, cursor: Option<&str>, limit: u32) -> Result<RecordPage, Error> {
        self.system.prepare()?;
        let ways = self.system.listed_by();
        let lists = ways.iter().flat_map(|by| KINDS.map(|of| (*by, of)));
        let lists: Vec<(String, &str, Of)> =
            lists.map(|(by, of)| (format!("{by}/{}", kind::<S>(of)), by, of)).collect();
        let (name, offset) = match cursor {
            Some(cursor) => cursor.rsplit_once('/').ok_or_else(unreadable::<S>)?,
            None => (lists.first().map_or("", |(name, ..)| name), "0"),
        };
        let at = lists.iter().position(|(list, ..)| list == name).ok_or_else(unreadable::<S>)?;
        let offset = offset.parse().map_err(|_| unreadable::<S>())?;
        let limit = usize::try_from(limit).map_err(|_| unreadable::<S>())?;
        let (_, by, of) = lists[at];
        let (found, end) = self.system.page(by, of, limit, offset)?;
        let next = match end {
            Some(end) => Some(format!("{name}/{end}")),
            None => lists.get(at + 1).map(|(name, ..)| format!("{name}/0")),
        };
        let mut records = Vec::new();
        for known in found {
            records.extend(self.record(of, &known)?);
        }
        Ok(RecordPage { records, next })
    }

    /// What would be deleted when it is released.
    fn record(&mut self, of: Of, known: &Object) -> Result<Option<HeldRecord>, Error> {
        if !self.is_ours(known, None) {
            return Ok(None);
        }
        let address = (of == Of::Addresses).then(|| known.net.addr());
        let pool = self.pool_of(known)?;
        // What is put aside is nobody's lease.
        if address.is_some_and(|address| is_end(pool, address)) {
            return Ok(None);
        }
        Ok(Some(HeldRecord {
            id: format!("{}/{}", kind::<S>(of), known.id),
            address_space: S::SPACE.to_owned(),
            pool,
            address,
            label: S::label(of, known.id),
        }))
    }

    /// The prefix of an object's pool: its own, or that of the pool which it names. What the
    /// system took from a range has the range's length, and some have none at all.
    fn pool_of(&mut self, known: &Object) -> Result<IpNet, Error> {
        let has_none = known.net.prefix_len() == known.net.max_prefix_len();
        let key = self.system.identity().pool_key(known);
        let (number, ranges) = key.map_or((None, None), |key| match key.split_once('-') {
            Some((number, ranges)) => (Some(number), Some(ranges)),
            None => (Some(key), None),
        });
        let number = number.filter(|_| has_none || ranges.is_some());
        let Some(number) = number.and_then(|number| number.parse().ok()) else {
            return Ok(known.net.trunc());
        };
        if let Some(net) = self.nets.get(&number) {
            return Ok(*net);
        }
        let Some(found) = self.system.get(Of::Pools, number)? else {
            return Ok(known.net.trunc());
        };
        self.nets.insert(number, found.net);
        Ok(found.net)
    }

    /// Whether the system has it, whoever made it.
    pub fn has_record(&mut self, pool_id: &str, address: Option<IpAddr>) -> Result<bool, Error> {
        let pool = self.pool(pool_id)?;
        match address {
            Some(address) => Ok(!self.at(&pool, address)?.is_empty()),
            None => Ok(self.system.prefix(pool.net)?.is_some()),
        }
    }

    /// Deletes what a record stands for, if it is still that and ours.
    pub fn remove_record(&mut self, record: &HeldRecord) -> Result<bool, Error> {
        self.system.prepare()?;
        let read = || {
            let (name, id) = record.id.split_once('/')?;
            let of = KINDS.into_iter().find(|of| kind::<S>(*of) == name)?;
            Some((of, id.parse().ok()?))
        };
        let (of, id) = read().ok_or_else(unreadable::<S>)?;
        let Some(known) = self.system.get(of, id)? else { return Ok(false) };
        let now = self.record(of, &known)?;
        let is_same = |now: &HeldRecord| (now.pool, now.address) == (record.pool, record.address);
        if !now.as_ref().is_some_and(is_same) {
            return Ok(false);
        }
        if of == Of::Pools {
            self.refuse_used(&known)?;
        }
        self.system.delete(of, id)
    }

    /// A pool with what is not ours stays.
    fn refuse_used(&mut self, Object { id, net, .. }: &Object) -> Result<(), Error> {
        let addresses = self.addresses_in(*id, *net)?;
        let inside = self.children(*id, *net)?;
        let all = addresses.iter().map(|known| (Of::Addresses, known));
        let mut all = all.chain(inside.iter().map(|known| (Of::Pools, known)));
        let other = all.find(|(_, known)| !self.is_ours(known, None));
        other.map_or(Ok(()), |(of, known)| {
            let text = format!("{net} is used by {}", S::label(of, known.id));
            Err(Error::other(Kind::Forbidden, text))
        })
    }
}

/// How records call a kind.
fn kind<S: SystemOfRecord>(of: Of) -> &'static str {
    let path = S::path(of).trim_end_matches('/');
    path.rsplit('/').next().unwrap_or(path)
}

fn unreadable<S: SystemOfRecord>() -> Error {
    Error::new(Code::InvalidRequest, format!("{} has no such record or page", S::NAME))
}
