//! What automatic pools of a driver may be: the operator's grant, or whatever
//! a container network may have.
//!
//! A driver is not told of the grant, so what lies outside of it is no lie: the
//! driver is asked again, as for what the caller excludes. What no network may
//! have, every author knows.

use crate::{Service, lock};
use ipam_api::{DriverName, IpNet, PoolChoice, PoolRequest};
use ipam_ledger::{Violation, unusable};
use std::sync::{Arc, Mutex};

/// The bounds of one driver; the operator may change them while it serves.
#[derive(Debug, Default)]
pub(crate) struct Bounds(Mutex<Option<Arc<[IpNet]>>>);

impl Bounds {
    pub(crate) fn new(pools: Option<Vec<IpNet>>) -> Self {
        Self(Mutex::new(pools.map(Into::into)))
    }

    fn set(&self, pools: Option<Vec<IpNet>>) {
        *lock(&self.0) = pools.map(Into::into);
    }

    fn granted(&self) -> Option<Arc<[IpNet]>> {
        lock(&self.0).clone()
    }

    /// Whether what was proposed may be a pool of containers at all. What was
    /// asked for by name is its caller's, and what the operator granted is the
    /// operator's.
    pub(crate) fn check(&self, request: &PoolRequest, pool: &IpNet) -> Result<(), Violation> {
        if !is_chosen(request, pool) || self.granted().is_some() {
            return Ok(());
        }
        match unusable(pool) {
            Some(range) => Err(Violation::Unusable { proposed: *pool, range }),
            None => Ok(()),
        }
    }

    /// Whether what was proposed lies outside of what the operator granted.
    pub(crate) fn exclude(&self, request: &PoolRequest, pool: &IpNet) -> bool {
        is_chosen(request, pool)
            && self
                .granted()
                .is_some_and(|granted| !granted.iter().any(|granted| granted.contains(pool)))
    }
}

/// Whether the driver chose a pool, and not "no pool".
fn is_chosen(request: &PoolRequest, pool: &IpNet) -> bool {
    !matches!(request.pool, PoolChoice::Exact(_)) && pool.prefix_len() > 0
}

impl Service {
    /// Bounds the automatic pools of all names of the component that `name` is
    /// one of, from the next request on: each lies in one of `pools`. Without
    /// any list they are bounded by what a network of containers may have
    /// ([`unusable`]).
    pub fn bound_pools(&self, name: &DriverName, pools: Option<&[IpNet]>) {
        self.registered(|all| {
            let component = all.get(name).map(|driver| driver.component.clone());
            for name in component.iter().flat_map(|names| names.iter()) {
                if let Some(driver) = all.get(name) {
                    driver.bounds.set(pools.map(<[IpNet]>::to_vec));
                }
            }
        });
    }
}
