//! Where automatic pools of a driver may lie: in what the operator granted, or
//! in any range that a container network may use.
//!
//! A driver is not told of the grant, so a pool outside of it breaks no promise:
//! the driver is asked again, as for a pool that the caller excludes. Ranges that
//! no network may use are part of the contract.

use crate::sync::lock;
use ipam_api::{IpNet, PoolChoice, PoolRequest};
use ipam_ledger::{Violation, unusable};
use std::sync::{Arc, Mutex};

/// The bounds of one driver; the operator may change them while it serves.
#[derive(Debug, Default)]
pub(crate) struct Bounds(Mutex<Option<Arc<[IpNet]>>>);

impl Bounds {
    pub(crate) fn new(pools: Option<Vec<IpNet>>) -> Self {
        Self(Mutex::new(pools.map(Into::into)))
    }

    pub(crate) fn set(&self, pools: Option<Vec<IpNet>>) {
        *lock(&self.0) = pools.map(Into::into);
    }

    fn granted(&self) -> Option<Arc<[IpNet]>> {
        lock(&self.0).clone()
    }

    /// Checks that a container network may use the proposed pool at all. A pool
    /// that the caller named, or that the operator granted, is not checked.
    pub(crate) fn check(&self, request: &PoolRequest, pool: &IpNet) -> Result<(), Violation> {
        if !is_chosen(request, pool) || self.granted().is_some() {
            return Ok(());
        }
        match unusable(pool) {
            Some(range) => Err(Violation::Unusable { proposed: *pool, range }),
            None => Ok(()),
        }
    }

    /// Whether the proposed pool lies outside of what the operator granted.
    pub(crate) fn exclude(&self, request: &PoolRequest, pool: &IpNet) -> bool {
        is_chosen(request, pool)
            && self
                .granted()
                .is_some_and(|granted| !granted.iter().any(|granted| granted.contains(pool)))
    }
}

/// Whether the driver chose the pool, and it is not "no pool".
fn is_chosen(request: &PoolRequest, pool: &IpNet) -> bool {
    !matches!(request.pool, PoolChoice::Exact(_)) && pool.prefix_len() > 0
}
