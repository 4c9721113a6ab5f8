//! Leases are written in pieces, and nothing else is different.

use super::{super::leases::successor, DurableStore, Memory, changes, id, open};
use crate::{Audit, Event, Lease, MemoryStore, Pool, Session, Store};
use ipam_api::IpNet;
use proptest::prelude::*;
use redb::Database;
use std::{ops::Range, sync::Arc};

/// One is the beginning of the other's name, and their addresses are of the
/// two families.
const POOLS: [(&str, &str); 2] = [("a", "10.0.0.0/16"), ("a/b", "2001:db8::/112")];

fn pool_of(pool: usize) -> Arc<Pool> {
    let (name, prefix) = POOLS[pool];
    super::pool(id(name), prefix)
}

fn lease_of(pool: usize, host: u16) -> Arc<Lease> {
    let address: IpNet = match pool {
        0 => format!("10.0.{}.{}/16", host >> 8, host & 255).parse().unwrap(),
        _ => format!("2001:db8::{host:x}/112").parse().unwrap(),
    };
    super::lease(id(POOLS[pool].0), address, u64::from(host))
}

/// What happens to each address of a stretch.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Leased,
    Released,
    Claimed,
    /// Of early days.
    SessionClaimed,
    Unclaimed,
    /// With all others of the pool, which is granted again.
    PoolReleased,
}

#[derive(Debug, Clone)]
struct Stretch {
    pool: usize,
    hosts: Range<u16>,
    /// Every how many of them.
    stride: usize,
    fate: Fate,
}

impl Stretch {
    fn events(&self) -> Vec<Event> {
        let Self { pool, fate, stride, .. } = *self;
        let each = |event: fn(Arc<Lease>) -> Event| {
            self.hosts.clone().step_by(stride).map(|host| event(lease_of(pool, host))).collect()
        };
        match fate {
            Fate::Leased => each(Event::AddressLeased),
            Fate::Released => each(Event::AddressReleased),
            Fate::Claimed => each(|lease| {
                let claimed = Lease { generation: lease.generation + 1000, ..(*lease).clone() };
                Event::LeaseClaimed { lease: claimed.into(), before: lease.generation }
            }),
            Fate::Unclaimed => each(|lease| Event::Unclaimed {
                pool_id: lease.pool_id.clone(),
                address: Some(lease.ip()),
                generation: lease.generation + 1000,
                before: lease.generation,
            }),
            Fate::SessionClaimed => each(|lease| Event::AddressClaimed {
                pool_id: lease.pool_id.clone(),
                address: lease.ip(),
                session: Session(lease.generation),
            }),
            Fate::PoolReleased => {
                let pool = pool_of(pool);
                vec![Event::PoolReleased(pool.clone()), Event::PoolGranted(pool)]
            }
        }
    }
}

fn stretch() -> impl Strategy<Value = Stretch> {
    let fate = prop_oneof![
        12 => Just(Fate::Leased),
        6 => Just(Fate::Released),
        2 => Just(Fate::Claimed),
        2 => Just(Fate::Unclaimed),
        1 => Just(Fate::SessionClaimed),
        1 => Just(Fate::PoolReleased),
    ];
    (0..POOLS.len(), 0..600_u16, 1..60_u16, 1..3_usize, fate).prop_map(
        |(pool, from, length, stride, fate)| Stretch {
            pool,
            hosts: from..from + length,
            stride,
            fate,
        },
    )
}

#[derive(Debug, Clone, Copy)]
enum After {
    Nothing,
    Step,
    Idle,
}

fn check(stretches: Vec<(Stretch, After)>) -> Result<(), TestCaseError> {
    let memory = Memory::default();
    let (mut store, _) = open(&memory);
    let mut plain = MemoryStore::default();
    let mut commit = |store: &mut DurableStore, events: &[Event]| {
        let changes = [changes("lab", Audit::default(), events)];
        store.commit(&changes).unwrap();
        plain.commit(&changes).unwrap();
    };
    commit(&mut store, &[0, 1].map(|pool| Event::PoolGranted(pool_of(pool))));
    for (stretch, after) in stretches {
        commit(&mut store, &stretch.events());
        match after {
            After::Nothing => {}
            After::Step => store.maintain(false).unwrap(),
            After::Idle => store.maintain(true).unwrap(),
        }
    }
    let lab = "lab".parse().unwrap();
    prop_assert_eq!(store.load(&lab).unwrap(), Store::load(&mut plain, &lab).unwrap());
    store.close().unwrap();
    let mut database = Database::builder().create_with_backend(memory.entries).unwrap();
    prop_assert!(database.check_integrity().unwrap(), "the tree is not sound");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Into gaps, over what is there, and over many pages.
    #[test]
    fn whatever_happens_to_addresses_that_follow_each_other(
        stretches in prop::collection::vec(
            (stretch(), prop_oneof![Just(After::Nothing), Just(After::Step), Just(After::Idle)]),
            1..60,
        ),
    ) {
        check(stretches)?;
    }
}

#[test]
fn an_address_and_the_next() {
    let next = |address: &str| successor(address.parse().unwrap()).map(|next| next.to_string());
    assert_eq!(next("10.0.0.255").as_deref(), Some("10.0.1.0"));
    assert_eq!(next("2001:db8::ffff").as_deref(), Some("2001:db8::1:0"));
    // And not the first of the other family.
    assert_eq!(next("255.255.255.255"), None);
    assert_eq!(next("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), None);
}
