//! The ledger survives a crash at every write and every sync.
//!
//! `Disk` keeps what was synced apart from what was only written. A first pass
//! counts the operations of a scripted load; then the load is run once for
//! each of them, and the power fails there: what was not synced is lost, or
//! kept, or kept in part.

#![expect(clippy::unwrap_used, reason = "a test may")]

use ipam_api::{DriverName, IpNet, Options, PoolId};
use ipam_ledger::{
    Asked, Cause, Changes, DurableStore, Event, Lease, Medium, Pool, Record, Retention, State,
    Store,
};
use redb::StorageBackend;
use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex},
};

/// Small, so that the script goes through many checkpoints.
const JOURNAL_BYTES: u64 = 2048;
const SECTOR: usize = 512;
const ROUNDS: u8 = 24;

#[derive(Debug, Default, Clone)]
struct File {
    written: Vec<u8>,
    synced: Vec<u8>,
}

/// Two files, and after how many more operations the power, or one operation,
/// fails.
#[derive(Debug, Default)]
struct Disk {
    files: [File; 2],
    operations: usize,
    fails_at: Option<usize>,
    /// Whether everything after the failure fails as well.
    is_crash: bool,
}

impl Disk {
    fn operate(&mut self) -> io::Result<()> {
        self.operations += 1;
        match self.fails_at {
            Some(at) if self.operations == at || (self.is_crash && self.operations > at) => {
                Err(io::Error::other("the power failed"))
            }
            _ => Ok(()),
        }
    }
}

/// What becomes of what was written and not synced.
#[derive(Debug, Clone, Copy)]
enum Unsynced {
    Lost,
    Kept,
    /// Of each sector, by a coin.
    Torn(u64),
}

fn after_crash(file: &File, unsynced: Unsynced) -> File {
    let bytes = match unsynced {
        Unsynced::Lost => file.synced.clone(),
        Unsynced::Kept => file.written.clone(),
        Unsynced::Torn(seed) => {
            let mut bytes = file.synced.clone();
            bytes.resize(file.written.len(), 0);
            let mut coin = seed;
            for (old, new) in bytes.chunks_mut(SECTOR).zip(file.written.chunks(SECTOR)) {
                coin = coin.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
                if coin >> 63 == 1 {
                    old.copy_from_slice(new);
                }
            }
            bytes
        }
    };
    File { written: bytes.clone(), synced: bytes }
}

#[derive(Debug, Clone)]
struct Handle(Arc<Mutex<Disk>>, usize);

impl StorageBackend for Handle {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().files[self.1].written.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let disk = self.0.lock().unwrap();
        let at = usize::try_from(offset).unwrap();
        let bytes = disk.files[self.1].written.get(at..at + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.operate()?;
        disk.files[self.1].written.resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.operate()?;
        let file = &mut disk.files[self.1];
        file.synced.clone_from(&file.written);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        let outcome = disk.operate();
        // A write that fails may have been made, as far as it got.
        let made = if outcome.is_ok() { data.len() } else { data.len() / 2 };
        let at = usize::try_from(offset).unwrap();
        let written = &mut disk.files[self.1].written;
        if written.len() < at + made {
            written.resize(at + made, 0);
        }
        written[at..at + made].copy_from_slice(&data[..made]);
        outcome
    }
}

#[derive(Debug, Clone)]
struct Simulated(Arc<Mutex<Disk>>);

impl Medium for Simulated {
    fn entries(&self) -> io::Result<impl StorageBackend> {
        Ok(Handle(self.0.clone(), 0))
    }

    fn journal(&self) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(Handle(self.0.clone(), 1)))
    }
}

fn open(medium: &Simulated) -> Result<DurableStore<Simulated>, ipam_ledger::StoreError> {
    DurableStore::on(medium.clone(), Retention::default(), JOURNAL_BYTES)
}

fn lab() -> DriverName {
    "lab".parse().unwrap()
}

fn commit(store: &mut impl Store, event: Event) -> bool {
    let record = Record { cause: Cause::default(), event };
    store.commit(&[Changes { driver: lab(), records: vec![record] }]).is_ok()
}

fn pool() -> Arc<Pool> {
    Arc::new(Pool {
        pool_id: PoolId::try_from("pool").unwrap(),
        address_space: "local".to_owned(),
        prefix: "10.0.0.0/24".parse().unwrap(),
        sub_pool: None,
        asked: Asked::Explicit,
        options: Options::new(),
        data: Options::new(),
        generation: 1,
        created_in: None,
        granted: Cause::default(),
    })
}

fn lease(host: u8) -> Arc<Lease> {
    let address = IpAddr::from(Ipv4Addr::new(10, 0, 0, host));
    Arc::new(Lease {
        pool_id: pool().pool_id.clone(),
        address: IpNet::new(address, 24).unwrap(),
        asked: Asked::Automatic,
        options: Options::from([("endpoint".to_owned(), "x".repeat(100))]),
        data: Options::new(),
        generation: 2 + u64::from(host),
        created_in: None,
        granted: Cause::default(),
    })
}

fn hosts(state: &State) -> BTreeSet<u8> {
    let last = |ip| if let IpAddr::V4(ip) = ip { ip.octets()[3] } else { 0 };
    state.leases().map(|lease| last(lease.ip())).collect()
}

/// What callers were told, and what of it they were not sure of.
#[derive(Default)]
struct Told {
    pool: bool,
    leased: BTreeSet<u8>,
    unsure: BTreeSet<u8>,
}

/// Leases, and releases every third, until something fails.
fn run(store: &mut impl Store, told: &mut Told, goes_on: bool) {
    told.pool = commit(store, Event::PoolGranted(pool()));
    if goes_on && !told.pool {
        told.pool = commit(store, Event::PoolGranted(pool()));
    }
    if !told.pool {
        return;
    }
    for host in 1..=ROUNDS {
        if commit(store, Event::AddressLeased(lease(host))) {
            told.leased.insert(host);
        } else {
            told.unsure.insert(host);
            if !goes_on {
                return;
            }
        }
        if host % 3 == 0
            && told.leased.remove(&(host - 1))
            && !commit(store, Event::AddressReleased(lease(host - 1)))
        {
            told.unsure.insert(host - 1);
            if !goes_on {
                return;
            }
        }
    }
}

fn operations() -> usize {
    let medium = Simulated(Arc::default());
    let mut told = Told::default();
    run(&mut open(&medium).unwrap(), &mut told, false);
    assert_eq!(told.leased.len(), usize::from(ROUNDS - ROUNDS / 3));
    let disk = medium.0.lock().unwrap();
    disk.operations
}

#[test]
fn a_crash_at_any_write_or_sync_loses_and_invents_nothing() {
    let operations = operations();
    assert!(operations > 100, "only {operations} operations");
    for at in 1..=operations {
        let disk = Disk { fails_at: Some(at), is_crash: true, ..Disk::default() };
        let medium = Simulated(Arc::new(Mutex::new(disk)));
        let mut told = Told::default();
        let opened = open(&medium);
        let is_made = opened.is_ok();
        if let Ok(mut store) = opened {
            run(&mut store, &mut told, false);
        }
        for unsynced in [Unsynced::Lost, Unsynced::Kept, Unsynced::Torn(at as u64)] {
            let crashed = medium.0.lock().unwrap();
            let files = [0, 1].map(|file| after_crash(&crashed.files[file], unsynced));
            drop(crashed);
            let disk = Disk { files, ..Disk::default() };
            let medium = Simulated(Arc::new(Mutex::new(disk)));
            let place = format!("operation {at}, {unsynced:?}");
            let mut store = match open(&medium) {
                Ok(store) => store,
                // Real files get their name when they are whole: see `files.rs`.
                Err(_) if !is_made => continue,
                Err(error) => panic!("{place}: {error}"),
            };
            let state = store.load(&lab()).unwrap_or_else(|error| panic!("{place}: {error}"));
            let found = hosts(&state);
            assert!(!told.pool || state.pools().count() == 1, "{place}: the pool is lost");
            let lost: Vec<_> = told.leased.difference(&found).collect();
            assert!(lost.is_empty(), "{place}: lost {lost:?}");
            let known: BTreeSet<u8> = &told.leased | &told.unsure;
            let invented: Vec<_> = found.difference(&known).collect();
            assert!(invented.is_empty(), "{place}: invented {invented:?}");
            assert!(commit(&mut store, Event::PoolGranted(pool())), "{place}: it goes on");
        }
    }
}

#[test]
fn an_operation_that_fails_once_fails_what_rests_on_it_and_nothing_else() {
    for at in 1..=operations() {
        let disk = Disk { fails_at: Some(at), ..Disk::default() };
        let medium = Simulated(Arc::new(Mutex::new(disk)));
        let Ok(mut store) = open(&medium) else { continue };
        let mut told = Told::default();
        run(&mut store, &mut told, true);
        assert!(told.unsure.len() <= 2, "operation {at}: {:?} failed", told.unsure);
        // A release that failed leaves its lease; a grant that failed, nothing.
        let unreleased: BTreeSet<u8> =
            told.unsure.iter().copied().filter(|host| host % 3 == 2).collect();
        drop(store);
        let found = hosts(&open(&medium).unwrap().load(&lab()).unwrap());
        assert!(told.leased.is_subset(&found), "operation {at}: lost");
        let invented: BTreeSet<u8> = found.difference(&told.leased).copied().collect();
        assert!(invented.is_subset(&unreleased), "operation {at}: {invented:?} came back");
    }
}

#[test]
fn a_damaged_record_that_others_follow_is_not_repaired() {
    let medium = Simulated(Arc::default());
    let mut store = open(&medium).unwrap();
    assert!(commit(&mut store, Event::PoolGranted(pool())));
    for host in 1..=3 {
        assert!(commit(&mut store, Event::AddressLeased(lease(host))));
    }
    let files = medium.0.lock().unwrap().files.clone();
    let begins = |at: &usize| files[1].written[*at..*at + 4] == *b"WIPJ";
    let second = (64..files[1].written.len()).step_by(64).find(begins).unwrap();
    for byte in [0, 5, 9, 17, 25] {
        let mut files = files.clone();
        files[1].written[second + byte] ^= 4;
        let disk = Disk { files, ..Disk::default() };
        let refused = open(&Simulated(Arc::new(Mutex::new(disk)))).unwrap_err().to_string();
        assert!(refused.contains("journal record 2 at byte"), "{refused}");
    }
}
