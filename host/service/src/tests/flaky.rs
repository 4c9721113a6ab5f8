//! A store that fails when a test wants it to.

use super::harness::PATIENCE;
use crate::sync::lock;
use ipam_ledger::{Changes, Event, MemoryStore, State, Store, StoreError, View};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
    mpsc,
};

/// A store that fails while it is told to, and says each commit if asked to.
/// Its medium can be opened again.
pub(super) struct FlakyStore {
    pub(super) medium: Arc<Mutex<MemoryStore>>,
    pub(super) is_volatile: bool,
    pub(super) fails: Arc<AtomicBool>,
    /// While it fails it cannot be read either: what the journal has must be in
    /// the entries before anything is read, which a full disk refuses, too.
    pub(super) fails_reads: bool,
    /// Its maintenance fails, as that of a disk does that has room for one small
    /// record only.
    pub(super) fails_maintenance: Arc<AtomicBool>,
    /// Every event that was ever committed, in order.
    pub(super) committed: Arc<Mutex<Vec<Event>>>,
    /// Each commit says how many changes it has, and waits for the other end.
    pub(super) gate: Option<(mpsc::Sender<usize>, mpsc::Receiver<()>)>,
}

/// Holds each commit of a store until a test lets it pass; dropped, it holds none.
pub(super) struct Gate {
    begins: mpsc::Receiver<usize>,
    go: mpsc::Sender<()>,
}

impl Gate {
    /// Waits until a commit has begun, and returns how many changes it has.
    pub(super) fn begun(&self) -> usize {
        self.begins.recv_timeout(PATIENCE).expect("a commit begins")
    }

    /// Lets the commit that has begun pass.
    pub(super) fn pass(&self) {
        self.go.send(()).unwrap();
    }
}

impl FlakyStore {
    /// A durable store whose commits wait at a gate.
    pub(super) fn gated() -> (Self, Gate) {
        let ((began, begins), (go, goes)) = (mpsc::channel(), mpsc::channel());
        (Self { gate: Some((began, goes)), ..Self::new(false) }, Gate { begins, go })
    }

    pub(super) fn new(is_volatile: bool) -> Self {
        let committed = Arc::default();
        Self {
            medium: Arc::default(),
            is_volatile,
            fails: Arc::default(),
            fails_reads: false,
            fails_maintenance: Arc::default(),
            committed,
            gate: None,
        }
    }

    fn check(&self, is_read: bool) -> Result<(), StoreError> {
        let fails = self.fails.load(Ordering::SeqCst) && (!is_read || self.fails_reads);
        if fails { Err(StoreError::new("the disk is full")) } else { Ok(()) }
    }
}

impl Store for FlakyStore {
    /// Reads entries and not their history, as a store of entries does.
    fn load(&mut self, driver: &ipam_api::DriverName) -> Result<State, StoreError> {
        self.check(true)?;
        let medium = lock(&self.medium).load(driver)?;
        let mut state = State::default();
        for pool in medium.pools() {
            state.apply(&Event::PoolGranted(pool.clone()));
        }
        for lease in medium.leases() {
            state.apply(&Event::AddressLeased(lease.clone()));
        }
        for (&number, (pool_id, address)) in medium.owed() {
            let (pool_id, address) = (pool_id.clone(), *address);
            state.apply(&Event::Owed { number, pool_id, address });
        }
        let stored = medium.stored().iter().map(|(key, it)| (key.clone(), Some(it.clone())));
        state.apply(&Event::Stored(Arc::new(stored.collect())));
        Ok(state)
    }

    fn commit(&mut self, changes: &[Changes]) -> Result<bool, StoreError> {
        if let Some((began, go)) = &self.gate {
            // A test that no longer listens no longer holds anything up.
            if began.send(changes.len()).is_ok() {
                let _ = go.recv();
            }
        }
        self.check(false)?;
        let events = changes.iter().flat_map(|changes| &changes.records).map(|it| it.event.clone());
        lock(&self.committed).extend(events);
        lock(&self.medium).commit(changes)
    }

    fn view(&mut self) -> Result<Box<dyn View>, StoreError> {
        self.check(true)?;
        lock(&self.medium).view()
    }

    fn note(&mut self, name: &str) -> Result<Option<String>, StoreError> {
        lock(&self.medium).note(name)
    }

    fn set_note(&mut self, name: &str, text: &str) -> Result<(), StoreError> {
        lock(&self.medium).set_note(name, text)
    }

    fn maintain(&mut self, idle: bool) -> Result<(), StoreError> {
        let fails = idle && self.fails_maintenance.load(Ordering::SeqCst);
        if fails { Err(StoreError::new("the disk is full")) } else { Ok(()) }
    }

    fn is_volatile(&self) -> bool {
        self.is_volatile
    }
}
