//! A disk that is full: the journal grows by bytes that are written, whatever
//! failed before, and a ledger that there is opens, is read and takes nothing.

use super::{Memory, changes, open, steps::copy};
use crate::{
    Audit, Event, Store,
    durable::{DurableStore, Retention, Storage},
};
use ipam_api::PoolId;
use redb::StorageBackend;
use std::{
    io,
    sync::{Arc, Mutex},
};

/// A journal on a disk of so many bytes. Which of them were written is noted:
/// what was only allotted is a hole.
#[derive(Debug, Clone)]
struct Full {
    memory: Memory,
    /// Bytes that fit, for now.
    fits: Arc<Mutex<u64>>,
    written: Arc<Mutex<Vec<bool>>>,
}

#[derive(Debug)]
struct Journal(Full, Box<dyn StorageBackend>);

/// Entries on the same disk: when nothing fits there, no page can be written
/// but the header, in its place.
#[derive(Debug)]
struct Pages(Full, Box<dyn StorageBackend>);

impl StorageBackend for Pages {
    fn len(&self) -> io::Result<u64> {
        self.1.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.1.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.1.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.1.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if offset > 0 && *self.0.fits.lock().unwrap() == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.1.write(offset, data)
    }
}

impl Storage for Full {
    fn entries(&self) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(Pages(self.clone(), self.memory.entries()?)))
    }

    fn journal(&self) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(Journal(self.clone(), self.memory.journal()?)))
    }
}

impl StorageBackend for Journal {
    fn len(&self) -> io::Result<u64> {
        self.1.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.1.read(offset, out)
    }

    /// A hole takes no room.
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.written.lock().unwrap().resize(usize::try_from(len).unwrap(), false);
        self.1.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.1.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if offset + data.len() as u64 > *self.0.fits.lock().unwrap() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let at = usize::try_from(offset).unwrap();
        let mut written = self.0.written.lock().unwrap();
        let length = written.len().max(at + data.len());
        written.resize(length, false);
        written[at..at + data.len()].fill(true);
        self.1.write(offset, data)
    }
}

#[test]
fn what_was_allotted_on_a_full_disk_is_written_when_there_is_room() {
    let fits = Arc::new(Mutex::new(u64::MAX));
    let disk = Full { memory: Memory::default(), fits: fits.clone(), written: Arc::default() };
    let (mut store, _) = DurableStore::on(disk.clone(), Retention::default(), 4096).unwrap();
    let pool_id = PoolId::try_from("a").unwrap();
    let events: Vec<_> = (1..=1000)
        .map(|number| Event::Owed { number, pool_id: pool_id.clone(), address: None })
        .collect();
    let large = [changes("lab", Audit::default(), &events)];
    // Room for some of what it is to grow by.
    *fits.lock().unwrap() = 4096 + 4096 + (1 << 16);
    assert!(store.commit(&large).is_err());
    let hole = |disk: &Full| disk.written.lock().unwrap().iter().skip(4096).any(|it| !it);
    assert!(hole(&disk), "it was allotted");
    *fits.lock().unwrap() = u64::MAX;
    store.commit(&large).unwrap();
    assert!(!hole(&disk));
    drop(store);
    let (mut store, _) = open(&disk.memory);
    assert_eq!(store.load(&"lab".parse().unwrap()).unwrap().owed().len(), 1000);
}

#[test]
fn a_ledger_that_there_is_opens_on_a_full_disk_and_takes_nothing_until_there_is_room() {
    let lab = "lab".parse().unwrap();
    let pool_id = PoolId::try_from("a").unwrap();
    let event = |number| Event::Owed { number, pool_id: pool_id.clone(), address: None };
    let one = |number| [changes("lab", Audit::default(), &[event(number)])];
    // As after a crash, and closed and without its journal, as from a backup.
    for is_closed in [false, true] {
        let memory = Memory::default();
        let (mut store, _) = open(&memory);
        store.commit(&one(1)).unwrap();
        let memory = if is_closed {
            store.close().unwrap();
            Memory { entries: memory.entries, ..Memory::default() }
        } else {
            copy(&memory)
        };
        let fits = Arc::new(Mutex::new(0));
        let disk = Full { memory: memory.clone(), fits: fits.clone(), written: Arc::default() };
        let on = || DurableStore::on(disk.clone(), Retention::default(), 4096);
        let (mut store, opened) = on().unwrap();
        let said = opened.no_room.unwrap();
        assert!(said.contains("no storage space"), "{said}");
        assert_eq!(store.note("site-id").unwrap(), None);
        for _ in 0..2 {
            assert_eq!(store.load(&lab).unwrap().owed().len(), 1);
            assert!(store.commit(&one(2)).is_err());
        }
        // It ends so, and begins so again.
        drop(store);
        let (mut store, opened) = on().unwrap();
        assert!(opened.no_room.is_some());
        *fits.lock().unwrap() = u64::MAX;
        store.commit(&one(2)).unwrap();
        assert_eq!(store.load(&lab).unwrap().owed().len(), 2);
        let (mut crashed, opened) = open(&copy(&memory));
        assert_eq!((opened.replayed, opened.no_room), (1, None));
        assert_eq!(crashed.load(&lab).unwrap().owed().len(), 2);
    }
}

#[test]
fn a_ledger_that_there_is_not_is_not_made_on_a_full_disk() {
    let fits = Arc::new(Mutex::new(4096));
    let disk = Full { memory: Memory::default(), fits, written: Arc::default() };
    let refused = DurableStore::on(disk, Retention::default(), 4096).unwrap_err();
    assert!(refused.to_string().contains("write the journal"), "{refused}");
}
