//! What a system of record holds: believed as little as any other answer.

use super::{Broken, address, address_space, address_to_guest, prefix, prefix_to_guest};
use crate::{Limits, bindings::records as wit};
use ipam_api::{
    HeldRecord, RECORD_CURSOR_MAX_BYTES, RECORD_LABEL_MAX_BYTES, RecordId, RecordPage,
    text::bounded,
};

/// A page of at most `limit` records that begins at `cursor`.
pub(crate) fn page(
    page: wit::RecordPage,
    cursor: Option<&str>,
    limit: u32,
    limits: &Limits,
) -> Result<RecordPage, Broken> {
    let listed = page.records.len();
    if u32::try_from(listed).is_ok_and(|listed| listed <= limit) {
        let next = page.next.map(|next| self::next(next, cursor)).transpose()?;
        let records = page.records.into_iter().map(|held| record(held, limits));
        Ok(RecordPage { records: records.collect::<Result<_, _>>()?, next })
    } else {
        Err(format!("a page of {listed} records, where {limit} were asked for"))
    }
}

/// A list that does not go on would never end.
fn next(next: String, cursor: Option<&str>) -> Result<String, Broken> {
    if cursor == Some(&*next) {
        return Err("a page of records whose next page is itself".to_owned());
    }
    match next.len() {
        1..=RECORD_CURSOR_MAX_BYTES => Ok(next),
        bytes => {
            Err(format!("a cursor of {bytes} bytes, where 1 to {RECORD_CURSOR_MAX_BYTES} may be"))
        }
    }
}

fn record(held: wit::HeldRecord, limits: &Limits) -> Result<HeldRecord, Broken> {
    let pool = prefix(held.pool)?;
    let address = held.address.map(address).transpose()?;
    if let Some(outside) = address.filter(|address| !pool.contains(address)) {
        return Err(format!("a record of {outside} in the pool {pool}"));
    }
    address_space(&held.address_space, limits)?;
    Ok(HeldRecord {
        id: RecordId::try_from(&*held.id).map_err(|error| error.to_string())?,
        address_space: held.address_space,
        pool,
        address,
        label: bounded(RECORD_LABEL_MAX_BYTES, held.label),
    })
}

/// Without its label, of which the host has no more than a part.
pub(crate) fn to_guest(record: &HeldRecord) -> wit::HeldRecord {
    wit::HeldRecord {
        id: record.id.as_str().to_owned(),
        address_space: record.address_space.clone(),
        pool: prefix_to_guest(record.pool),
        address: record.address.map(address_to_guest),
        label: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{page, wit};
    use crate::{
        Limits,
        bindings::types::{IpAddress, Prefix},
        convert::Broken,
    };
    use ipam_api::RecordPage;

    const TEN: IpAddress = IpAddress::Ipv4((10, 0, 0, 0));

    fn held(id: &str) -> wit::HeldRecord {
        wit::HeldRecord {
            id: id.to_owned(),
            address_space: "lab".to_owned(),
            pool: Prefix { address: TEN, length: 24 },
            address: Some(IpAddress::Ipv4((10, 0, 0, 7))),
            label: "a label".to_owned(),
        }
    }

    fn one(change: impl FnOnce(&mut wit::HeldRecord)) -> Result<RecordPage, Broken> {
        let mut record = held("17");
        change(&mut record);
        let listed = wit::RecordPage { records: vec![record], next: None };
        page(listed, None, 1, &Limits::default())
    }

    #[track_caller]
    fn broken(result: Result<RecordPage, Broken>, rule: &str) {
        let reason = result.expect_err("the contract forbids it");
        assert!(reason.contains(rule), "{reason:?} does not say {rule:?}");
    }

    #[test]
    fn what_a_record_may_not_be() {
        assert!(one(|_| ()).is_ok());
        assert!(one(|record| record.address = None).is_ok());
        broken(one(|record| record.id.clear()), "not 0");
        broken(one(|record| record.id = "x".repeat(257)), "not 257");
        broken(one(|record| record.address_space.clear()), "0 bytes");
        broken(one(|record| record.pool.length = 33), "length 33");
        broken(one(|record| record.pool.length = 4), "host bits");
        let outside = IpAddress::Ipv4((10, 0, 1, 0));
        broken(one(|record| record.address = Some(outside)), "10.0.1.0 in the pool 10.0.0.0/24");
        let mapped = IpAddress::Ipv6((0, 0, 0, 0, 0, 0xffff, 0x0a00, 1));
        broken(one(|record| record.address = Some(mapped)), "IPv4-mapped");
    }

    #[test]
    fn labels_are_cut_and_do_nothing_to_a_terminal() {
        let label = |text: &str| one(|record| record.label = text.to_owned()).unwrap().records;
        assert_eq!(label("\u{1b}[2J\u{202e}gone")[0].label, "\\u{1b}[2J\\u{202e}gone");
        assert_eq!(label(&"x".repeat(1 << 20))[0].label.len(), 256);
    }

    #[test]
    fn a_list_goes_on_or_ends() {
        let from = |cursor, next: Option<&str>| {
            let listed = wit::RecordPage { records: Vec::new(), next: next.map(str::to_owned) };
            page(listed, cursor, 1, &Limits::default())
        };
        assert_eq!(from(None, None), Ok(RecordPage::default()));
        assert_eq!(from(Some("a"), Some("b")).unwrap().next.as_deref(), Some("b"));
        broken(from(Some("a"), Some("a")), "itself");
        broken(from(None, Some("")), "0 bytes");
        broken(from(None, Some(&"x".repeat(1_025))), "1025 bytes");
    }

    #[test]
    fn a_page_has_no_more_than_was_asked_for() {
        let of = |count: usize| {
            let records = (0..count).map(|id| held(&id.to_string())).collect();
            page(wit::RecordPage { records, next: None }, None, 2, &Limits::default())
        };
        assert_eq!(of(2).unwrap().records.len(), 2);
        broken(of(3), "3 records, where 2");
    }
}
