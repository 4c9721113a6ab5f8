//! How far the service's shutdown has come.

use crate::sync::lock;
use ipam_api::Factory;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU8, Ordering},
};

/// The phase of the service's shutdown. It never goes back.
#[derive(Debug, Default)]
pub(crate) struct Shutdown(AtomicU8);

impl Shutdown {
    /// No driver starts any more; those that serve continue.
    const NO_STARTS: u8 = 1;
    /// Nothing is granted any more either.
    const NO_GRANTS: u8 = 2;

    pub(crate) fn stop_starts(&self) {
        self.0.fetch_max(Self::NO_STARTS, Ordering::AcqRel);
    }

    pub(crate) fn stop_grants(&self) {
        self.0.fetch_max(Self::NO_GRANTS, Ordering::AcqRel);
    }

    pub(crate) fn is_begun(&self) -> bool {
        self.0.load(Ordering::Acquire) >= Self::NO_STARTS
    }

    pub(crate) fn grants_nothing(&self) -> bool {
        self.0.load(Ordering::Acquire) >= Self::NO_GRANTS
    }
}

/// Which factory made the instance that serves now, for whoever must stop it.
pub(crate) struct CurrentFactory(Mutex<Arc<dyn Factory>>);

impl CurrentFactory {
    pub(crate) fn new(factory: &Arc<dyn Factory>) -> Self {
        Self(Mutex::new(factory.clone()))
    }

    pub(crate) fn set(&self, factory: &Arc<dyn Factory>) {
        *lock(&self.0) = factory.clone();
    }

    pub(crate) fn get(&self) -> Arc<dyn Factory> {
        lock(&self.0).clone()
    }
}
