//! One change of the ledger.

use crate::{Lease, Pool, Session};
use ipam_api::{PoolId, Receipt};
use std::{net::IpAddr, sync::Arc};

/// One change of one driver's part of the ledger: plain data, made by the
/// checks of [`State`](crate::State) and changing nothing but by
/// [`State::apply`](crate::State::apply).
///
/// The generation in an event fences it: it is that of the entry, or of the
/// claim, which the event concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A pool came into being, held once.
    PoolGranted(Arc<Pool>),
    /// A pool is held once more: claimed by a session, or a repeated "no pool".
    PoolHeld {
        /// Which pool.
        pool_id: PoolId,
        /// Of the claim; of the pool, if this is none.
        generation: u64,
        /// The session that claimed it.
        claim: Option<Session>,
    },
    /// A pool is held once less, and still held.
    HoldDropped {
        /// Which pool.
        pool_id: PoolId,
        /// Of the claim; of the pool, if this undoes none.
        generation: u64,
        /// Whether its standing claim is taken back, so that the same session
        /// may claim it again.
        undoes_claim: bool,
    },
    /// A pool is no more. Its leases were released before.
    PoolReleased {
        /// Which pool.
        pool_id: PoolId,
        /// Of the pool.
        generation: u64,
    },
    /// An address was leased.
    AddressLeased(Arc<Lease>),
    /// A session claimed a lease that there was.
    AddressClaimed {
        /// The pool of the lease.
        pool_id: PoolId,
        /// Which address.
        address: IpAddr,
        /// The session that claimed it.
        session: Session,
    },
    /// A lease is no more.
    AddressReleased {
        /// The pool under which it was leased.
        pool_id: PoolId,
        /// Which address.
        address: IpAddr,
        /// Of the lease.
        generation: u64,
    },
}

impl Event {
    /// Whether this takes something away.
    #[must_use]
    pub fn is_release(&self) -> bool {
        match self {
            Self::PoolReleased { .. } | Self::HoldDropped { .. } | Self::AddressReleased { .. } => {
                true
            }
            Self::PoolGranted(_)
            | Self::PoolHeld { .. }
            | Self::AddressLeased(_)
            | Self::AddressClaimed { .. } => false,
        }
    }

    /// What the event concerns, fenced. Nothing for the claim of an address:
    /// it brings nothing into being and leaves nothing to undo.
    #[must_use]
    pub fn receipt(&self) -> Option<Receipt> {
        let (pool_id, address, generation) = match self {
            Self::PoolGranted(pool) => (&pool.pool_id, None, pool.generation),
            Self::AddressLeased(lease) => (&lease.pool_id, Some(lease.ip()), lease.generation),
            Self::PoolHeld { pool_id, generation, .. }
            | Self::HoldDropped { pool_id, generation, .. }
            | Self::PoolReleased { pool_id, generation } => (pool_id, None, *generation),
            Self::AddressReleased { pool_id, address, generation } => {
                (pool_id, Some(*address), *generation)
            }
            Self::AddressClaimed { .. } => return None,
        };
        Some(Receipt { pool_id: pool_id.clone(), address, generation })
    }
}
