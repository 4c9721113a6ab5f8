//! What was found and done: lines for people, and JSON for programs.

use super::compare::{Differing, Entry};
use ipam_api::{
    HeldRecord, POOL_ID_MAX_BYTES, RECORD_ID_MAX_BYTES, RECORD_LABEL_MAX_BYTES, text::quoted,
};
use serde::{Serialize, Serializer, ser::SerializeStruct as _};
use std::fmt::{self, Display};

/// How one driver's part of the ledger and its system of record compare.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Entries of the ledger.
    pub entries: usize,
    /// Records that the system has in this host's name.
    pub records: usize,
    /// What the ledger holds and the system does not have: somebody deleted it there.
    pub missing: Vec<Entry>,
    /// What only the system has.
    #[serde(serialize_with = "records")]
    pub leftover: Vec<HeldRecord>,
    /// What the system has in another pool than the ledger.
    pub differing: Vec<Differing>,
    /// What the system has more than once.
    #[serde(serialize_with = "records")]
    pub duplicates: Vec<HeldRecord>,
    /// Entries that were not looked for, because there are too many that are not listed.
    pub not_looked_for: usize,
}

impl Checked {
    /// How many differences there are.
    #[must_use]
    pub fn differences(&self) -> usize {
        self.missing.len() + self.leftover.len() + self.differing.len() + self.duplicates.len()
    }
}

/// What was given back. Each record is in at most one list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GivenBack {
    /// Whether it was a dry run, which changes nothing.
    pub dry_run: bool,
    /// Records that were removed.
    #[serde(serialize_with = "records")]
    pub removed: Vec<HeldRecord>,
    /// Records that a run which is not dry would have removed.
    #[serde(serialize_with = "records")]
    pub would_remove: Vec<HeldRecord>,
    /// Pools that the ledger does not hold, and addresses of such pools. They stay,
    /// because another host may have the same name there.
    #[serde(serialize_with = "records")]
    pub kept: Vec<HeldRecord>,
    /// Left over at first, but gone or held by the ledger later.
    #[serde(serialize_with = "records")]
    pub settled: Vec<HeldRecord>,
    /// Records whose removal was refused.
    pub refused: Vec<Refused>,
    /// Records that the next run would remove: they are too many for one.
    #[serde(serialize_with = "records")]
    pub postponed: Vec<HeldRecord>,
    /// What was not removed, because a removal failed. If only the answer was lost, the
    /// first of these was removed nevertheless.
    #[serde(serialize_with = "records")]
    pub left: Vec<HeldRecord>,
    /// Why the first of `left` was not removed.
    pub failure: Option<String>,
}

/// A record whose removal was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// The record.
    #[serde(serialize_with = "record")]
    pub record: HeldRecord,
    /// Why, in the driver's words.
    pub reason: String,
}

/// A record, as one line for an operator.
#[must_use]
pub fn line(record: &HeldRecord) -> String {
    let HeldRecord { id, address_space, pool, address, label } = record;
    let id = quoted(RECORD_ID_MAX_BYTES, id.as_str());
    let place = place(pool, *address, address_space);
    let label = if label.is_empty() {
        String::new()
    } else {
        format!(", {}", quoted(RECORD_LABEL_MAX_BYTES, label))
    };
    format!("{place}: {id}{label}")
}

/// A pool or an address of it. The space is the driver's word.
fn place(pool: impl Display, address: Option<std::net::IpAddr>, space: &str) -> String {
    let space = quoted(RECORD_LABEL_MAX_BYTES, space);
    match address {
        Some(address) => format!("address {address} of {pool} in {space}"),
        None => format!("pool {pool} in {space}"),
    }
}

impl Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address_space, prefix, address, pool_id, .. } = self;
        let id = quoted(POOL_ID_MAX_BYTES, pool_id.as_str());
        write!(f, "{}, pool id {id}", place(prefix, *address, address_space))
    }
}

impl Display for Differing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; the ledger has it in {}", line(&self.record), self.held)
    }
}

/// A record as programs read it.
struct Json<'a>(&'a HeldRecord);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let HeldRecord { id, address_space, pool, address, label } = self.0;
        let mut object = to.serialize_struct("Record", 5)?;
        object.serialize_field("id", id.as_str())?;
        object.serialize_field("address_space", address_space)?;
        object.serialize_field("pool", &pool.to_string())?;
        object.serialize_field("address", address)?;
        object.serialize_field("label", label)?;
        object.end()
    }
}

fn record<S: Serializer>(record: &HeldRecord, to: S) -> Result<S::Ok, S::Error> {
    Json(record).serialize(to)
}

fn records<S: Serializer>(records: &[HeldRecord], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(records.iter().map(Json))
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut object = to.serialize_struct("Entry", 4)?;
        object.serialize_field("address_space", &self.address_space)?;
        object.serialize_field("prefix", &self.prefix.to_string())?;
        object.serialize_field("address", &self.address)?;
        object.serialize_field("pool_id", self.pool_id.as_str())?;
        object.end()
    }
}

impl Serialize for Differing {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut object = to.serialize_struct("Differing", 2)?;
        object.serialize_field("record", &Json(&self.record))?;
        object.serialize_field("held", &self.held.to_string())?;
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use super::{Checked, Differing, GivenBack, Refused, line};
    use crate::records::compare::tests::{entry, record};

    const POOL: &str = "192.0.2.0/24";

    #[test]
    fn programs_read_these_names() {
        let other = record("7", POOL, Some("192.0.2.9"));
        let checked = Checked {
            missing: vec![entry(POOL, None)],
            leftover: vec![other.clone()],
            differing: vec![Differing { record: other, held: "192.0.2.0/25".parse().unwrap() }],
            ..Checked::default()
        };
        let json = concat!(
            r#"{"entries":0,"records":0,"missing":[{"address_space":"lab","prefix":"192.0.2.0/24","#,
            r#""address":null,"pool_id":"192.0.2.0/24"}],"leftover":[{"id":"7","#,
            r#""address_space":"lab","pool":"192.0.2.0/24","address":"192.0.2.9","#,
            r#""label":"number 7"}],"differing":[{"record":{"id":"7","address_space":"lab","#,
            r#""pool":"192.0.2.0/24","address":"192.0.2.9","label":"number 7"},"#,
            r#""held":"192.0.2.0/25"}],"duplicates":[],"not_looked_for":0}"#,
        );
        assert_eq!(serde_json::to_string(&checked).unwrap(), json);
        let refused = Refused { record: record("7", POOL, None), reason: "no".to_owned() };
        let report = GivenBack { refused: vec![refused], ..GivenBack::default() };
        let json = concat!(
            r#"{"dry_run":false,"removed":[],"would_remove":[],"kept":[],"settled":[],"refused":[{"#,
            r#""record":{"id":"7","address_space":"lab","pool":"192.0.2.0/24","address":null,"#,
            r#""label":"number 7"},"reason":"no"}],"postponed":[],"left":[],"failure":null}"#,
        );
        assert_eq!(serde_json::to_string(&report).unwrap(), json);
    }

    #[test]
    fn people_read_these_lines() {
        let other = record("7", POOL, Some("192.0.2.9"));
        let text = "address 192.0.2.9 of 192.0.2.0/24 in \"lab\": \"7\", \"number 7\"";
        assert_eq!(line(&other), text);
        let pool = ipam_api::HeldRecord { label: String::new(), ..record("8", POOL, None) };
        assert_eq!(line(&pool), "pool 192.0.2.0/24 in \"lab\": \"8\"");
        let text = "pool 192.0.2.0/24 in \"lab\", pool id \"192.0.2.0/24\"";
        assert_eq!(entry(POOL, None).to_string(), text);
    }
}
