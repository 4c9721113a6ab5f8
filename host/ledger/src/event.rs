//! One change of the ledger.

use crate::{Audit, Lease, Pool, Session, Version};
use ipam_api::{PoolId, Receipt, Writes};
use serde::{Deserialize, Serialize};
use std::{net::IpAddr, sync::Arc};

/// One change of one driver's part of the ledger: plain data, made by the
/// checks of [`State`](crate::State) and changing nothing but by
/// [`State::apply`](crate::State::apply).
///
/// The generation in an event fences it: it is that of the entry which the
/// event concerns.
///
/// Events are stored in their order here; a new one goes to the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A pool came into being, held once.
    PoolGranted(Arc<Pool>),
    /// A "no pool" is held once more. With a session it was a claim of early
    /// days.
    PoolHeld {
        /// Which pool.
        #[serde(with = "crate::plain::pool_id")]
        pool_id: PoolId,
        /// Of the pool; of the claim of early days.
        generation: u64,
        /// The session that claimed it in early days.
        claim: Option<Session>,
    },
    /// A pool is held once less, and still held.
    HoldDropped {
        /// Which pool.
        #[serde(with = "crate::plain::pool_id")]
        pool_id: PoolId,
        /// Of the pool; of the claim of early days.
        generation: u64,
        /// Whether a claim of early days is taken back.
        undoes_claim: bool,
    },
    /// A pool is no more. Its leases were released before.
    PoolReleased(Arc<Pool>),
    /// An address was leased.
    AddressLeased(Arc<Lease>),
    /// A session claimed a lease, in early days.
    AddressClaimed {
        /// The pool of the lease.
        #[serde(with = "crate::plain::pool_id")]
        pool_id: PoolId,
        /// Which address.
        address: IpAddr,
        /// The session that claimed it.
        session: Session,
    },
    /// A lease is no more.
    AddressReleased(Arc<Lease>),
    /// A driver that keeps its state elsewhere must be told of a release.
    Owed {
        /// Larger than that of everything it is owed already.
        number: u64,
        /// The pool, or the pool of the address.
        #[serde(with = "crate::plain::pool_id")]
        pool_id: PoolId,
        /// The address, if that is what is released.
        address: Option<IpAddr>,
    },
    /// The driver was told what it was owed.
    Told {
        /// Of [`Event::Owed`].
        number: u64,
    },
    /// Another version of the driver serves from now on.
    VersionChanged(Version),
    /// The driver wrote to its store: staged with what came of the same call.
    Stored(Arc<Writes>),
    /// A pool that there was is asked for again, by who may have forgotten it.
    PoolClaimed {
        /// The pool as of now, with a generation of its own.
        pool: Arc<Pool>,
        /// Its generation before.
        before: u64,
    },
    /// A lease that there was is asked for again, by who may have forgotten it.
    LeaseClaimed {
        /// The lease as of now, with a generation and an owner of its own.
        lease: Arc<Lease>,
        /// Its generation before.
        before: u64,
    },
    /// The answer to a claim was lost: it may be made again. Who asked last
    /// stays noted, since they are who asks again.
    Unclaimed {
        /// The pool, or the pool of the lease.
        #[serde(with = "crate::plain::pool_id")]
        pool_id: PoolId,
        /// The address, if that was claimed.
        address: Option<IpAddr>,
        /// Of the claim.
        generation: u64,
        /// Before the claim, and from now on.
        before: u64,
    },
}

/// An event, when it came about and on whose account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When and on whose account.
    pub cause: Audit,
    /// What changed.
    pub event: Event,
}

impl Event {
    /// Whether this takes something away.
    #[must_use]
    pub fn is_release(&self) -> bool {
        match self {
            Self::PoolReleased(_)
            | Self::HoldDropped { .. }
            | Self::AddressReleased(_)
            | Self::Unclaimed { .. } => true,
            Self::PoolGranted(_)
            | Self::PoolClaimed { .. }
            | Self::LeaseClaimed { .. }
            | Self::PoolHeld { .. }
            | Self::AddressLeased(_)
            | Self::AddressClaimed { .. }
            | Self::Owed { .. }
            | Self::Told { .. }
            | Self::VersionChanged(_)
            | Self::Stored(_) => false,
        }
    }

    /// What the event concerns, fenced. Nothing for what brings nothing into
    /// being and leaves nothing to undo, such as the host's own books.
    #[must_use]
    pub fn receipt(&self) -> Option<Receipt> {
        let (pool_id, address, generation) = match self {
            Self::PoolGranted(pool) | Self::PoolReleased(pool) | Self::PoolClaimed { pool, .. } => {
                (&pool.pool_id, None, pool.generation)
            }
            Self::AddressLeased(lease)
            | Self::AddressReleased(lease)
            | Self::LeaseClaimed { lease, .. } => {
                (&lease.pool_id, Some(lease.ip()), lease.generation)
            }
            Self::Unclaimed { pool_id, address, generation, .. } => {
                (pool_id, *address, *generation)
            }
            Self::PoolHeld { pool_id, generation, .. }
            | Self::HoldDropped { pool_id, generation, .. } => (pool_id, None, *generation),
            Self::AddressClaimed { .. }
            | Self::Owed { .. }
            | Self::Told { .. }
            | Self::VersionChanged(_)
            | Self::Stored(_) => return None,
        };
        Some(Receipt { pool_id: pool_id.clone(), address, generation })
    }
}
