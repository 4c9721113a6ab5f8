//! What the tests commit, and what has to be there afterwards.

use crate::disk::Disk;
use ipam_api::{Capability, Digest, DriverName, IpNet, Options, PoolId};
use ipam_ledger::{
    Asked, Audit, Changes, DurableError, DurableStore, Event, Lease, Opened, Pool, Record,
    Retention, Session, State, Store, Time, Version,
};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    ops::ControlFlow,
    sync::Arc,
};

/// Small, so that a script has several checkpoints.
pub(crate) const JOURNAL_BYTES: u64 = 2048;

pub(crate) type States = BTreeMap<DriverName, State>;

pub(crate) fn open(disk: &Disk) -> Result<(DurableStore, Opened), DurableError> {
    DurableStore::on(disk.clone(), Retention::default(), JOURNAL_BYTES)
}

pub(crate) fn id(text: &str) -> PoolId {
    PoolId::try_from(text).unwrap()
}

pub(crate) fn cause(at: u64) -> Audit {
    Audit { at: Time(at), ..Audit::default() }
}

pub(crate) fn pool(pool_id: &str, sub_pool: Option<&str>, generation: u64) -> Arc<Pool> {
    Arc::new(Pool {
        pool_id: id(pool_id),
        address_space: "global".to_owned(),
        prefix: "10.0.0.0/24".parse().unwrap(),
        sub_pool: sub_pool.map(|text| text.parse().unwrap()),
        asked: Asked::Explicit,
        options: Options::from([("com.example.option".to_owned(), "ünïcode".to_owned())]),
        data: Options::new(),
        generation,
        created_in: Some(Session(1)),
        granted: cause(generation),
    })
}

pub(crate) fn lease(pool_id: &str, host: u8) -> Arc<Lease> {
    Arc::new(Lease {
        pool_id: id(pool_id),
        address: IpNet::new(address(host), 24).unwrap(),
        asked: Asked::Automatic,
        options: Options::from([("endpoint".to_owned(), "x".repeat(usize::from(host) * 7))]),
        data: Options::new(),
        generation: 100 + u64::from(host),
        created_in: None,
        granted: cause(u64::from(host)),
    })
}

pub(crate) fn address(host: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, host).into()
}

pub(crate) fn changes(driver: &str, events: Vec<Event>) -> Changes {
    let record = |event| Record { cause: cause(1_000_000), event };
    let records = events.into_iter().map(record).collect();
    Changes { driver: driver.parse().unwrap(), records }
}

fn version(byte: u8) -> Event {
    Event::VersionChanged(Version {
        digest: Some(Digest([byte; 32])),
        capability: Capability { requires_mac_address: false, requires_request_replay: true },
    })
}

/// A count, a key for each host but every third, and none of the one before.
fn stored(host: u8) -> Event {
    let value = |host: u8| vec![host; usize::from(host)];
    Event::Stored(Arc::new(BTreeMap::from([
        ("count".to_owned(), Some(vec![host])),
        (format!("host/{host}"), (!host.is_multiple_of(3)).then(|| value(host))),
        (format!("host/{}", host.saturating_sub(1)), None),
    ])))
}

/// One event of every kind and more, in transactions of one driver, of two, of
/// none, and one that is larger than the journal.
pub(crate) fn script(rounds: u8) -> Vec<Vec<Changes>> {
    let lab = |events| changes("lab", events);
    let hold = |generation, claim| Event::PoolHeld { pool_id: id("a"), generation, claim };
    let under = |host| if host % 4 == 0 { "b" } else { "a" };
    let claimed = |host| Event::LeaseClaimed {
        lease: Lease { generation: 700 + u64::from(host), ..(*lease("a", host)).clone() }.into(),
        before: lease("a", host).generation,
    };
    let unclaimed = |address, generation, before| Event::Unclaimed {
        pool_id: id("a"),
        address,
        generation,
        before,
    };
    let claimed_pool = |generation, before| Event::PoolClaimed {
        pool: Pool { generation, ..(*pool("a", None, 1)).clone() }.into(),
        before,
    };
    let owed = |number, address| Event::Owed { number, pool_id: id("gone"), address };
    let mut script = vec![
        vec![lab(vec![version(1), Event::PoolGranted(pool("a", None, 1))])],
        vec![lab(vec![Event::PoolGranted(pool("b", Some("10.0.0.128/25"), 2))])],
        vec![lab(vec![hold(3, Some(Session(2)))])],
        vec![],
    ];
    for host in 1..=rounds {
        let leased = Event::AddressLeased(lease(under(host), host));
        let mut transaction = vec![lab(vec![leased, stored(host)])];
        let number = u64::from(host);
        match host % 5 {
            1 => transaction.push(changes("far", vec![owed(number, Some(address(host)))])),
            2 => transaction.push(changes("far", vec![Event::Told { number: number - 1 }])),
            3 => transaction
                .push(lab(vec![Event::AddressReleased(lease(under(host - 1), host - 1))])),
            4 => transaction.push(lab(vec![Event::AddressClaimed {
                // Also of a lease that was taken under "b".
                pool_id: id("a"),
                address: address(host),
                session: Session(number),
            }])),
            _ => transaction.push(lab(vec![version(host)])),
        }
        script.push(transaction);
    }
    script.push(vec![changes("far", vec![stored(1)])]);
    // Addresses in a row, some of them again.
    let leased = |host| Event::AddressLeased(lease("a", host));
    let released = |host| Event::AddressReleased(lease("a", host));
    script.extend([
        vec![lab((100..112).map(leased).collect())],
        vec![lab((104..108).map(released).chain((104..106).map(leased)).collect())],
        vec![lab((112..122).map(leased).chain((90..99).map(leased)).collect())],
        vec![lab(vec![claimed_pool(600, 1), claimed(113), claimed(114)])],
        vec![lab(vec![
            unclaimed(Some(address(114)), 714, lease("a", 114).generation),
            unclaimed(Some(address(113)), 712, 5),
        ])],
        vec![lab(vec![unclaimed(None, 600, 1), unclaimed(None, 600, 2)])],
        vec![lab(vec![claimed_pool(601, 1)])],
    ]);
    let many = (1..=200).map(|number| owed(1000 + number, None)).collect();
    script.extend([
        vec![lab(vec![Event::HoldDropped { pool_id: id("a"), generation: 3, undoes_claim: true }])],
        // With what was leased under it.
        vec![lab(vec![Event::PoolReleased(pool("b", Some("10.0.0.128/25"), 2))])],
        vec![changes("far", many), changes("far", vec![owed(7, None)])],
        // A generation that outlives its pool.
        vec![lab(vec![Event::PoolGranted(pool("c", Some("10.0.0.64/26"), 900))])],
        vec![lab(vec![Event::PoolReleased(pool("c", Some("10.0.0.64/26"), 900))])],
    ]);
    script
}

/// One that fits whatever there is.
pub(crate) fn one_more() -> Vec<Changes> {
    vec![changes("lab", vec![Event::PoolGranted(pool("d", Some("10.0.0.32/27"), 999))])]
}

pub(crate) fn apply(states: &mut States, transaction: &[Changes]) {
    for Changes { driver, records } in transaction {
        let state = states.entry(driver.clone()).or_default();
        records.iter().for_each(|record| state.apply(&record.event));
    }
}

/// How many events of the history it makes: what drivers store is none.
pub(crate) fn past(transaction: &[Changes]) -> usize {
    let records = transaction.iter().flat_map(|changes| &changes.records);
    records.filter(|record| !matches!(record.event, Event::Stored(_))).count()
}

/// What has to be there after each transaction, and how many events.
pub(crate) fn expected(script: &[Vec<Changes>]) -> Vec<(States, usize)> {
    let mut now = (States::new(), 0);
    let mut all = vec![now.clone()];
    for transaction in script {
        apply(&mut now.0, transaction);
        now.1 += past(transaction);
        all.push(now.clone());
    }
    all
}

/// All that is there.
pub(crate) fn found(store: &mut DurableStore) -> Result<(States, usize), ipam_ledger::StoreError> {
    let view = store.view()?;
    let mut states = States::new();
    for driver in view.drivers()? {
        states.insert(driver.clone(), view.load(&driver)?);
    }
    let mut events = 0;
    view.history(&mut |_| {
        events += 1;
        ControlFlow::Continue(())
    })?;
    Ok((states, events))
}
