//! What NetBox has in this host's name, for `wipam check` and `wipam reconcile`.

use crate::{
    SPACE,
    api::{DESCRIPTION_FILTER, Object, Of},
    identity::prefix_of_ranges,
    policy::{Policy, is_end},
    pool_name::PoolName,
};
use ipam_driver::{Code, Error, HeldRecord, IpNet, Kind, RecordPage};
use ipam_http_driver::{Http, Page};
use std::net::IpAddr;

/// The two kinds, in the order in which they are listed, and how records call them.
const KINDS: [(&str, Of); 2] = [("prefixes", Of::Prefixes), ("ip-addresses", Of::Addresses)];

/// What records are listed by, as cursors call it.
const DESCRIPTION: &str = "description";
const FIELD: &str = "field";

impl<H: Http> Policy<H> {
    /// The cursor is what is listed by, the kind, and the offset of the next page:
    /// `field/ip-addresses/200`.
    pub(crate) fn list_records(
        &mut self,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<RecordPage, Error> {
        self.find_vrf()?;
        let filter = self.api.identity_filter();
        // By the description, too, where the field was not always there.
        let mut by = vec![(DESCRIPTION, DESCRIPTION_FILTER)];
        by.extend(self.api.field.is_some().then_some((FIELD, filter.as_str())));
        let first = format!("{DESCRIPTION}/prefixes/0");
        let (way, rest) = cursor.unwrap_or(&first).split_once('/').ok_or_else(unreadable)?;
        let at = by.iter().position(|(name, _)| *name == way).ok_or_else(unreadable)?;
        let (kind, offset) = read(rest)?;
        let offset = usize::try_from(offset).map_err(|_| unreadable())?;
        let limit = usize::try_from(limit).map_err(|_| unreadable())?;
        let (name, of) = KINDS[kind];
        let text = self.identity.text(None);
        let Page { items, has_next } = self.api.page(of, &[(by[at].1, &text)], limit, offset)?;
        let next = match has_next {
            true if items.is_empty() => return Err(self.api.odd("a page has no results")),
            true => Some(format!("{way}/{name}/{}", offset + items.len())),
            false => match (KINDS.get(kind + 1), by.get(at + 1)) {
                (Some((name, _)), _) => Some(format!("{way}/{name}/0")),
                (None, Some((way, _))) => Some(format!("{way}/prefixes/0")),
                (None, None) => None,
            },
        };
        let mut records = Vec::new();
        for known in items {
            // What has both texts is listed by its description.
            if way == FIELD && self.identity.is_described(&known) {
                continue;
            }
            records.extend(self.record(name, of, &known)?);
        }
        Ok(RecordPage { records, next })
    }

    /// What would be deleted when it is released.
    fn record(&mut self, name: &str, of: Of, known: &Object) -> Result<Option<HeldRecord>, Error> {
        let address = (of == Of::Addresses).then(|| known.net.addr());
        let pool = self.pool_of(known)?;
        // What is put aside is nobody's lease.
        let is_aside = address.is_some_and(|address| is_end(pool, address));
        if !self.identity.is_ours(known, None) || is_aside {
            return Ok(None);
        }
        Ok(Some(HeldRecord {
            id: format!("{name}/{}", known.id),
            address_space: SPACE.to_owned(),
            pool,
            address,
            label: Self::url(of, known.id),
        }))
    }

    /// The pool of an address: one that NetBox took from an IP range has the range's length.
    fn pool_of(&mut self, known: &Object) -> Result<IpNet, Error> {
        let Some(prefix) = prefix_of_ranges(known) else { return Ok(known.net.trunc()) };
        if let Some(net) = self.used.get(&prefix) {
            return Ok(*net);
        }
        let found = self.api.get(Of::Prefixes, prefix)?;
        Ok(found.map_or_else(|| known.net.trunc(), |found| found.net))
    }

    pub(crate) fn has_record(
        &mut self,
        pool_id: &str,
        address: Option<IpAddr>,
    ) -> Result<bool, Error> {
        self.find_vrf()?;
        let pool = PoolName::parse(pool_id)?;
        if let Some(address) = address {
            return Ok(!self.at(address)?.is_empty());
        }
        let found = self.api.list(Of::Prefixes, &[("prefix", &pool.net.to_string())])?;
        Ok(found.iter().any(|known| known.net == pool.net))
    }

    pub(crate) fn remove_record(&mut self, record: &HeldRecord) -> Result<bool, Error> {
        self.find_vrf()?;
        let (kind, id) = read(&record.id)?;
        let (name, of) = KINDS[kind];
        let Some(known) = self.api.get(of, id)? else { return Ok(false) };
        let now = self.record(name, of, &known)?;
        let is_same = |now: &HeldRecord| (now.pool, now.address) == (record.pool, record.address);
        if !now.as_ref().is_some_and(is_same) {
            return Ok(false);
        }
        if of == Of::Prefixes {
            self.refuse_used(known.net)?;
        }
        self.api.delete(of, id)
    }

    /// A pool with what is not ours stays.
    fn refuse_used(&mut self, net: IpNet) -> Result<(), Error> {
        let addresses = self.addresses_in(net)?;
        let mut inside = self.api.list(Of::Prefixes, &[("within", &net.to_string())])?;
        inside.retain(|known| known.net != net);
        let all = addresses.iter().map(|known| (Of::Addresses, known));
        let mut all = all.chain(inside.iter().map(|known| (Of::Prefixes, known)));
        let other = all.find(|(_, known)| !self.identity.is_ours(known, None));
        other.map_or(Ok(()), |(of, known)| {
            let text = format!("{net} is used by {}", Self::url(of, known.id));
            Err(Error::other(Kind::Forbidden, text))
        })
    }
}

/// A kind and a number, as they are in ids and cursors.
fn read(text: &str) -> Result<(usize, u64), Error> {
    let read = || {
        let (name, number) = text.split_once('/')?;
        let kind = KINDS.iter().position(|(kind, _)| *kind == name)?;
        Some((kind, number.parse().ok()?))
    };
    read().ok_or_else(unreadable)
}

fn unreadable() -> Error {
    Error::new(Code::InvalidRequest, "that is no record of NetBox")
}
