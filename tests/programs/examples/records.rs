//! A driver with a system of record, which is in its memory, and that does what its
//! table says there: `does` is how it lies, `left` what was left behind, `lost` what
//! somebody deleted.

use ipam_driver::{
    AddressGrant, AddressRequest, Code, Error, HeldRecord, IpNet, Kind, RecordPage, Records,
};
use ipam_programs::{Bent, Honest, SPACE};
use std::net::IpAddr;

#[derive(Debug)]
struct Program {
    honest: Honest,
    does: String,
    /// Addresses of 10.66.0.0/24, and pools.
    left: Vec<String>,
    lost: Vec<String>,
    /// What was removed, and not granted since.
    removed: Vec<String>,
}

ipam_programs::export!(Program, records);

impl Bent for Program {
    const NAME: &'static str = "registry";

    fn new(config: &str) -> Self {
        let words = |key: &str| {
            let (_, rest) = config.split_once(&format!("\"{key}\":\""))?;
            Some(rest.split('"').next()?.split(' ').map(str::to_owned).collect::<Vec<_>>())
        };
        Self {
            honest: Honest::default(),
            does: words("does").unwrap_or_default().concat(),
            left: words("left").unwrap_or_default(),
            lost: words("lost").unwrap_or_default(),
            removed: Vec::new(),
        }
    }

    fn honest(&mut self) -> &mut Honest {
        &mut self.honest
    }

    fn request_address(&mut self, request: AddressRequest) -> Result<AddressGrant, Error> {
        let grant = self.honest.request_address(&request)?;
        let id = grant.address.map(|leased| leased.addr().to_string());
        self.removed.retain(|removed| Some(removed) != id.as_ref());
        Ok(grant)
    }
}

/// The pool of what is left behind, unless it is a pool itself.
const POOL: &str = "10.66.0.0/24";

fn net(text: &str) -> IpNet {
    text.parse().expect("a prefix")
}

fn held(pool: IpNet, address: Option<IpAddr>) -> HeldRecord {
    let id = address.map_or_else(|| pool.to_string(), |address| address.to_string());
    HeldRecord {
        label: format!("the record of {id}"),
        id,
        address_space: SPACE.into(),
        pool,
        address,
    }
}

impl Program {
    fn is_lost(&self, record: &HeldRecord) -> bool {
        self.lost.contains(&record.id) || self.removed.contains(&record.id)
    }

    /// All that there is, in order of id.
    fn all(&self) -> Vec<HeldRecord> {
        let mut all = Vec::new();
        for (pool, _, leases) in self.honest.pools.values() {
            all.push(held(*pool, None));
            all.extend(leases.iter().map(|address| held(*pool, Some(*address))));
        }
        all.retain(|record| !self.is_lost(record));
        all.extend(self.left.iter().map(|text| match text.parse::<IpNet>() {
            Ok(pool) => held(pool, None),
            Err(_) => held(net(POOL), Some(text.parse().expect("an address"))),
        }));
        all.sort_by(|one, other| one.id.cmp(&other.id));
        all.dedup();
        all
    }

    /// Two at a time, whatever is allowed: nobody promised more.
    fn page(&self, cursor: Option<&str>) -> RecordPage {
        let rest = self.all().into_iter().filter(|it| cursor.is_none_or(|last| *it.id > *last));
        let mut records: Vec<_> = rest.take(3).collect();
        let is_last = records.len() < 3;
        records.truncate(2);
        let next = records.last().filter(|_| !is_last).map(|it| it.id.clone());
        RecordPage { records, next }
    }
}

/// Page `number` of a list, with as many records as are allowed.
fn flood(number: u32, limit: u32) -> Vec<HeldRecord> {
    let address = |host: u32| IpAddr::from((0x0a43_0000 + number * limit + host).to_be_bytes());
    (0..limit).map(|host| held(net("10.64.0.0/10"), Some(address(host)))).collect()
}

impl Records for Program {
    fn list_records(&mut self, cursor: Option<&str>, limit: u32) -> Result<RecordPage, Error> {
        let one = |change: &dyn Fn(&mut HeldRecord)| {
            let mut record = held(net(POOL), "10.66.0.9".parse().ok());
            change(&mut record);
            RecordPage { records: vec![record], next: None }
        };
        let number: u32 = cursor.and_then(|it| it.parse().ok()).unwrap_or(0);
        let next = |next: &str| RecordPage { records: Vec::new(), next: Some(next.to_owned()) };
        Ok(match &*self.does {
            "lists-for-ever" => {
                RecordPage { records: flood(number, limit), next: Some((number + 1).to_string()) }
            }
            "stands-still" => next("here"),
            "turns" => next(if cursor == Some("a") { "b" } else { "a" }),
            "begins-nowhere" => next(""),
            "floods" => RecordPage { records: flood(0, limit + 1), next: None },
            "shouts" => one(&|it| it.label = "x".repeat(2 << 20)),
            "paints" => one(&|it| {
                it.id = "\u{1b}[2J\u{202e}7".into();
                it.label = "\u{1b}[31m\u{9b}2J\n".repeat(200);
            }),
            "names-nothing" => one(&|it| it.id.clear()),
            "names-too-much" => one(&|it| it.id = "x".repeat(257)),
            "leaves-the-pool" => one(&|it| it.address = "10.67.0.9".parse().ok()),
            "leaves-the-space" => one(&|it| it.address_space = "somewhere".into()),
            // What it leased, as if it were of another pool.
            "moves" => one(&|it| {
                it.pool = net("10.66.0.0/16");
                it.address = "10.66.0.1".parse().ok();
            }),
            "panics" => panic!("as told"),
            "loops" => loop {
                std::hint::black_box(());
            },
            "is-away" => return Err(Error::other(Kind::Unavailable, "the system is away")),
            _ => self.page(cursor),
        })
    }

    fn has_record(&mut self, pool_id: &str, address: Option<IpAddr>) -> Result<bool, Error> {
        let (pool, ..) = self.honest.pools.get(pool_id).ok_or(Code::PoolNotFound)?;
        Ok(!self.is_lost(&held(*pool, address)))
    }

    fn remove_record(&mut self, record: &HeldRecord) -> Result<bool, Error> {
        match &*self.does {
            "refuses" => return Err(Error::other(Kind::Forbidden, "others are in it")),
            // It says so, and does nothing.
            "pretends" => return Ok(true),
            _ => {}
        }
        let is_this = |it: &HeldRecord| (&it.id, it.address) == (&record.id, record.address);
        let is_there = self.all().iter().any(is_this);
        self.left.retain(|left| !is_there || *left != record.id);
        self.removed.extend(is_there.then(|| record.id.clone()));
        Ok(is_there)
    }
}
