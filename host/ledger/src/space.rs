//! The live prefixes of one address space, and the leases under each.

use crate::{Lease, state::Claimed};
use ipam_api::{Family, IpNet, PoolId};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    ops::RangeInclusive,
    sync::Arc,
};

/// One lease, and what it was before it was claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leased {
    pub(crate) lease: Arc<Lease>,
    pub(crate) claimed: Claimed,
}

/// One live prefix: the pools that share it, and their leases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Subnet {
    /// By sub-pool: no two pools of a space have the same prefix and sub-pool.
    pub(crate) pools: BTreeMap<Option<IpNet>, PoolId>,
    /// Unique by address, whatever the pool id.
    pub(crate) leases: BTreeMap<IpAddr, Leased>,
    /// Each gateway that came with a pool, with the sub-pool of that. Two pools
    /// have the same one only in ledgers from before that was checked.
    pub(crate) gateways: BTreeSet<(IpAddr, Option<IpNet>)>,
}

impl Subnet {
    /// Whether a pool has its gateway there.
    pub(crate) fn is_gateway(&self, address: IpAddr) -> bool {
        // No sub-pool is before every other.
        let next = self.gateways.range((address, None)..).next();
        next.is_some_and(|(gateway, _)| *gateway == address)
    }
}

/// One address space: live prefixes, ordered by family, address and length.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Space {
    subnets: BTreeMap<IpNet, Subnet>,
    /// How many live prefixes there are of each length, so that looking for a
    /// larger one costs one look-up per length in use and not per bit.
    lengths: BTreeMap<(Family, u8), usize>,
}

impl Space {
    pub(crate) fn is_empty(&self) -> bool {
        self.subnets.is_empty()
    }

    pub(crate) fn subnet(&self, prefix: &IpNet) -> Option<&Subnet> {
        self.subnets.get(prefix)
    }

    pub(crate) fn subnet_mut(&mut self, prefix: &IpNet) -> Option<&mut Subnet> {
        self.subnets.get_mut(prefix)
    }

    pub(crate) fn subnets(&self) -> impl Iterator<Item = &Subnet> {
        self.subnets.values()
    }

    /// The live prefixes that an address is in: several where pools overlap. Costs one
    /// look-up per length in use.
    pub(crate) fn around(&self, address: IpAddr) -> impl Iterator<Item = &Subnet> {
        let family = Family::of(&address.into());
        let lengths = self.lengths.range((family, 0)..=(family, family.bits()));
        lengths
            .filter_map(move |(&(_, length), _)| IpNet::new(address, length).ok())
            .filter_map(|around| self.subnets.get(&around.trunc()))
    }

    pub(crate) fn insert_pool(&mut self, prefix: IpNet, sub_pool: Option<IpNet>, id: PoolId) {
        let subnet = self.subnets.entry(prefix).or_insert_with(|| {
            *self.lengths.entry((Family::of(&prefix), prefix.prefix_len())).or_default() += 1;
            Subnet::default()
        });
        subnet.pools.insert(sub_pool, id);
    }

    /// The prefix is live until the last pool that shares it is gone.
    pub(crate) fn remove_pool(&mut self, prefix: &IpNet, sub_pool: &Option<IpNet>) {
        let Some(subnet) = self.subnets.get_mut(prefix) else { return };
        subnet.pools.remove(sub_pool);
        if !subnet.pools.is_empty() {
            return;
        }
        self.subnets.remove(prefix);
        let length = (Family::of(prefix), prefix.prefix_len());
        if let Some(count) = self.lengths.get_mut(&length) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&length);
            }
        }
    }

    /// A live prefix that overlaps `prefix`, if there is one. Logarithmic in
    /// the number of prefixes.
    pub(crate) fn overlap(&self, prefix: &IpNet) -> Option<IpNet> {
        // Whatever begins inside `prefix` overlaps it, as does, among those
        // that begin before it, only what contains it.
        let inside = self.subnets.range(beginning_in(prefix)).next();
        inside.map(|(live, _)| *live).or_else(|| {
            let family = Family::of(prefix);
            self.lengths
                .range((family, 0)..(family, prefix.prefix_len()))
                .filter_map(|(&(_, length), _)| IpNet::new(prefix.network(), length).ok())
                .map(|larger| larger.trunc())
                .find(|larger| self.subnets.contains_key(larger))
        })
    }
}

/// All keys whose address lies in `prefix`, in the order of [`IpNet`]: by
/// family, then address, then length.
fn beginning_in(prefix: &IpNet) -> RangeInclusive<IpNet> {
    let key = |address, length| {
        IpNet::new(address, length).expect("no length is above that of the address's own family")
    };
    key(prefix.network(), 0)..=key(prefix.broadcast(), prefix.max_prefix_len())
}

#[cfg(test)]
mod tests {
    use super::Space;
    use ipam_api::PoolId;

    #[track_caller]
    fn check(live: &[&str], prefix: &str, want: Option<&str>) {
        let mut space = Space::default();
        for (number, live) in live.iter().enumerate() {
            let id = PoolId::try_from(number.to_string().as_str()).unwrap();
            space.insert_pool(live.parse().unwrap(), None, id);
        }
        let got = space.overlap(&prefix.parse().unwrap()).map(|live| live.to_string());
        assert_eq!(got.as_deref(), want, "{prefix} among {live:?}");
    }

    #[test]
    fn overlap_is_the_same_a_larger_or_a_smaller_prefix_of_the_family() {
        let live = ["10.0.0.0/8", "192.168.4.0/24", "2001:db8::/32"];
        check(&live, "10.0.0.0/8", Some("10.0.0.0/8"));
        check(&live, "10.9.0.0/16", Some("10.0.0.0/8"));
        check(&live, "192.168.0.0/16", Some("192.168.4.0/24"));
        check(&live, "0.0.0.0/0", Some("10.0.0.0/8"));
        check(&live, "2001:db8:1::/48", Some("2001:db8::/32"));
        check(&live, "11.0.0.0/8", None);
        check(&live, "192.168.5.0/24", None);
        check(&live, "2001:db9::/32", None);
        check(&["0.0.0.0/0"], "::/0", None);
        check(&["::/0"], "ffff::/16", Some("::/0"));
    }

    #[test]
    fn a_prefix_is_live_until_its_last_pool_is_gone() {
        let mut space = Space::default();
        let prefix = "10.0.0.0/8".parse().unwrap();
        let sub_pool = Some("10.1.0.0/16".parse().unwrap());
        space.insert_pool(prefix, None, PoolId::try_from("bare").unwrap());
        space.insert_pool(prefix, sub_pool, PoolId::try_from("sub").unwrap());
        space.remove_pool(&prefix, &None);
        assert_eq!(space.overlap(&prefix), Some(prefix));
        space.remove_pool(&prefix, &sub_pool);
        assert!(space.is_empty() && space.lengths.is_empty());
    }
}
