//! The journal grows by bytes that are written, whatever failed before.

use super::{Memory, changes, open};
use crate::{
    Cause, Event, Store,
    durable::{DurableStore, Medium, Retention},
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

impl Medium for Full {
    fn entries(&self) -> io::Result<Box<dyn StorageBackend>> {
        self.memory.entries()
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
        self.0.written.lock().unwrap()[at..at + data.len()].fill(true);
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
    let large = [changes("lab", Cause::default(), &events)];
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
