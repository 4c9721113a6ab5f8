//! What the ledger says of a record: of a pool or an address that a driver's system of
//! record has in this host's name.

use crate::State;
use ipam_api::{HeldRecord, IpNet};

impl State {
    /// Whether something is held that the record may stand for: its address, in
    /// whatever pool of the space; or a pool that overlaps its pool. So what a system
    /// of record has under another prefix by now, because somebody resized that, counts
    /// as held.
    #[must_use]
    pub fn may_hold(&self, record: &HeldRecord) -> bool {
        let Some(space) = self.space(&record.address_space) else { return false };
        match record.address {
            None => space.overlap(&record.pool).is_some(),
            Some(address) => space
                .around(address)
                .any(|subnet| subnet.leases.contains_key(&address) || subnet.is_gateway(address)),
        }
    }

    /// The live prefix of a space that a new pool `prefix` would overlap. What has the
    /// same prefix is one subnet, and no overlap.
    #[must_use]
    pub fn overlapped_by(&self, space: &str, prefix: &IpNet) -> Option<IpNet> {
        let space = self.space(space)?;
        if space.subnet(prefix).is_some() { None } else { space.overlap(prefix) }
    }
}
