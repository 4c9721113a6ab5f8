//! A disk with two files that keeps what was synced apart from what was only
//! written.
//!
//! A page whose sync failed is clean afterwards and not on the disk, as on
//! Linux: only who writes it again gets it there.

use ipam_ledger::Storage;
use redb::StorageBackend;
use std::{
    collections::BTreeSet,
    io,
    sync::{Arc, Mutex},
};

/// What power failures tear apart.
pub(crate) const SECTOR_BYTES: usize = 512;
/// What the system keeps track of.
const PAGE_BYTES: usize = 4096;

pub(crate) const ENTRIES: usize = 0;
pub(crate) const JOURNAL: usize = 1;

/// Something that was done to a file.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    Write { file: usize, at: usize, bytes: Vec<u8> },
    SetLength { file: usize, bytes: usize },
    Sync { file: usize },
}

/// One file, as its readers see it and as it is on the disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct File {
    pub(crate) written: Vec<u8>,
    pub(crate) synced: Vec<u8>,
    dirty: BTreeSet<usize>,
}

impl File {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { synced: bytes.clone(), written: bytes, dirty: BTreeSet::new() }
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        let end = at + bytes.len();
        if self.written.len() < end {
            self.written.resize(end, 0);
        }
        self.written[at..end].copy_from_slice(bytes);
        self.dirty.extend(at / PAGE_BYTES..=end.saturating_sub(1) / PAGE_BYTES);
    }

    fn sync(&mut self) {
        self.synced.resize(self.written.len(), 0);
        for page in std::mem::take(&mut self.dirty) {
            let from = (page * PAGE_BYTES).min(self.written.len());
            let to = (from + PAGE_BYTES).min(self.written.len());
            self.synced[from..to].copy_from_slice(&self.written[from..to]);
        }
    }

    pub(crate) fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Write { at, bytes, .. } => self.write(*at, bytes),
            Operation::SetLength { bytes, .. } => self.written.resize(*bytes, 0),
            Operation::Sync { .. } => self.sync(),
        }
    }
}

/// Which operations fail: so many, from that one on, if they are of a kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failure {
    pub(crate) from: usize,
    pub(crate) count: usize,
    /// Whether only what makes a file larger fails: the disk is full.
    pub(crate) is_full: bool,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) files: [File; 2],
    pub(crate) count: usize,
    pub(crate) failure: Option<Failure>,
    /// Every operation, with what `mark` was before it.
    pub(crate) log: Option<Vec<(usize, Operation)>>,
    pub(crate) mark: usize,
}

impl State {
    fn operate(&mut self, file: usize, operation: Operation) -> io::Result<()> {
        let number = self.count;
        self.count += 1;
        let grows = match &operation {
            Operation::Write { at, bytes, .. } => at + bytes.len() > self.files[file].written.len(),
            Operation::SetLength { bytes, .. } => *bytes > self.files[file].written.len(),
            Operation::Sync { .. } => false,
        };
        if let Some(Failure { from, count, is_full }) = self.failure
            && (from..from + count).contains(&number)
            && (grows || !is_full)
        {
            match operation {
                // It got half the way.
                Operation::Write { at, bytes, .. } if !is_full => {
                    self.files[file].write(at, &bytes[..bytes.len() / 2]);
                }
                Operation::Sync { .. } => self.files[file].dirty.clear(),
                Operation::Write { .. } | Operation::SetLength { .. } => {}
            }
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.files[file].apply(&operation);
        let mark = self.mark;
        if let Some(log) = &mut self.log {
            log.push((mark, operation));
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Disk(pub(crate) Arc<Mutex<State>>);

impl Disk {
    /// A disk that was switched on with these files.
    pub(crate) fn with(files: [Vec<u8>; 2]) -> Self {
        let files = files.map(File::new);
        Self(Arc::new(Mutex::new(State { files, ..State::default() })))
    }

    /// What is on the disk, or in the system's memory.
    pub(crate) fn written(&self) -> [Vec<u8>; 2] {
        self.0.lock().unwrap().files.clone().map(|file| file.written)
    }
}

impl Storage for Disk {
    fn entries(&self) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(Handle(self.clone(), ENTRIES)))
    }

    fn journal(&self) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(Handle(self.clone(), JOURNAL)))
    }
}

#[derive(Debug)]
struct Handle(Disk, usize);

fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

impl StorageBackend for Handle {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.0.lock().unwrap().files[self.1].written.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.0.0.lock().unwrap();
        let at = index(offset);
        let bytes = state.files[self.1].written.get(at..at + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let operation = Operation::SetLength { file: self.1, bytes: index(len) };
        self.0.0.lock().unwrap().operate(self.1, operation)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.0.lock().unwrap().operate(self.1, Operation::Sync { file: self.1 })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let operation = Operation::Write { file: self.1, at: index(offset), bytes: data.to_vec() };
        self.0.0.lock().unwrap().operate(self.1, operation)
    }
}
