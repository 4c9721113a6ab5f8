//! The durable store, with a look inside: against the value in memory, and
//! against what older and newer programs wrote.

mod format;
mod growth;
mod leases;
mod property;
mod rows;
mod steps;

use super::{DurableStore, Opened, Retention, Storage};
use crate::{Asked, Audit, Changes, Event, Lease, Pool, Record};
use ipam_api::{IpNet, Options, PoolId};
use redb::StorageBackend;
use std::{
    io,
    sync::{Arc, Mutex},
};

/// Two files in memory.
#[derive(Debug, Clone, Default)]
struct Memory {
    entries: Bytes,
    journal: Bytes,
}

#[derive(Debug, Clone, Default)]
struct Bytes(Arc<Mutex<Vec<u8>>>);

impl Storage for Memory {
    fn entries(&self) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(self.entries.clone()))
    }

    fn journal(&self) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(self.journal.clone()))
    }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

impl StorageBackend for Bytes {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let bytes = self.0.lock().unwrap();
        let from = index(offset);
        let read = bytes.get(from..from + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(read);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.lock().unwrap().resize(index(len), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut bytes = self.0.lock().unwrap();
        let (from, to) = (index(offset), index(offset) + data.len());
        if bytes.len() < to {
            bytes.resize(to, 0);
        }
        bytes[from..to].copy_from_slice(data);
        Ok(())
    }
}

fn open(memory: &Memory) -> (DurableStore, Opened) {
    DurableStore::on(memory.clone(), Retention::default(), 4096).unwrap()
}

fn changes(driver: &str, cause: Audit, events: &[Event]) -> Changes {
    let record = |event: &Event| Record { cause, event: event.clone() };
    let records = events.iter().map(record).collect();
    Changes { driver: driver.parse().unwrap(), records }
}

fn id(text: &str) -> PoolId {
    PoolId::try_from(text).unwrap()
}

fn pool(id: PoolId, prefix: &str) -> Arc<Pool> {
    Arc::new(Pool {
        pool_id: id,
        address_space: "local".to_owned(),
        prefix: prefix.parse().unwrap(),
        sub_pool: None,
        asked: Asked::Explicit,
        options: Options::new(),
        data: Options::new(),
        generation: 1,
        created_in: None,
        granted: Audit::default(),
    })
}

fn lease(pool_id: PoolId, address: IpNet, generation: u64) -> Arc<Lease> {
    Arc::new(Lease {
        pool_id,
        address,
        asked: Asked::Automatic,
        options: Options::new(),
        data: Options::new(),
        generation,
        created_in: None,
        granted: Audit::default(),
    })
}
