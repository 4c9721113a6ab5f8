//! The pools that the driver chooses from when asked for none.

use crate::{
    block::{Block, Family},
    error::Error,
};
use alloc::{vec, vec::Vec};
use core::net::Ipv6Addr;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use sha2::{Digest, Sha256};

/// A prefix, and the length of the pools to be cut from it: one entry of Docker's
/// `default-address-pools`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Predefined {
    /// The prefix that pools are cut from; host bits are ignored.
    pub base: IpNet,
    /// The prefix length of a pool, at least that of `base`. Longer than an address is
    /// accepted, as in the reference, and serves only requests that name a length.
    pub size: u8,
}

/// The predefined pools of the local address space: 31 of them, 172.17.0.0/16 to
/// 172.31.0.0/16 and 192.168.0.0/20 to 192.168.240.0/20 (moby, `ipamutils/utils.go`).
/// None is IPv6; Docker appends [`ula`] when a list has none.
///
/// ```
/// use ipam_allocator::{local_predefined, ula};
/// let mut predefined = local_predefined();
/// predefined.push(ula("site"));
/// assert_eq!(predefined.len(), 8);
/// ```
#[must_use]
pub fn local_predefined() -> Vec<Predefined> {
    vec![
        v4([172, 17, 0, 0], 16, 16),
        v4([172, 18, 0, 0], 16, 16),
        v4([172, 19, 0, 0], 16, 16),
        v4([172, 20, 0, 0], 14, 16),
        v4([172, 24, 0, 0], 14, 16),
        v4([172, 28, 0, 0], 14, 16),
        v4([192, 168, 0, 0], 16, 20),
    ]
}

/// The predefined pools of the global address space: the 65,536 /24s of 10.0.0.0/8
/// (moby, `ipamutils/utils.go`).
///
/// ```
/// assert_eq!(ipam_allocator::global_predefined()[0].size, 24);
/// ```
#[must_use]
pub fn global_predefined() -> Vec<Predefined> {
    vec![v4([10, 0, 0, 0], 8, 24)]
}

/// The unique local addresses of a site: 65,536 IPv6 /64s.
///
/// The /48 is `fd00::/8` with the forty bits that end the first eight bytes of the id's
/// SHA-256 (moby, `daemon/daemon.go`, since 27.0.1; there the id is the engine's).
///
/// ```
/// let site = ipam_allocator::ula("499d4bc0-b0b3-416f-b1ee-cf6486315593");
/// assert_eq!((site.base, site.size), ("fd62:fb69:18af::/48".parse()?, 64));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn ula(site_id: &str) -> Predefined {
    let digest = Sha256::digest(site_id.as_bytes());
    let mut octets = [0; 16];
    octets[0] = 0xfd;
    octets[1..6].copy_from_slice(&digest[3..8]);
    let base = Ipv6Net::new_assert(Ipv6Addr::from(octets), 48);
    Predefined { base: base.into(), size: 64 }
}

fn v4(base: [u8; 4], len: u8, size: u8) -> Predefined {
    let base = Ipv4Net::new_assert(base.into(), len);
    Predefined { base: base.into(), size }
}

/// A predefined pool that was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Base {
    /// What pools are cut from.
    pub(crate) block: Block,
    /// The length of a pool, unless the request names one.
    pub(crate) size: u8,
}

/// The checked pools of both families, IPv4 first, each in address order. One that a
/// kept one before it overlaps is dropped, as in the reference.
pub(crate) fn checked(
    scope: &'static str,
    predefined: &[Predefined],
) -> Result<[Vec<Base>; 2], Error> {
    let mut bases = [vec![], vec![]];
    for (index, &Predefined { base, size }) in predefined.iter().enumerate() {
        let (family, found) =
            canonical(base, size).ok_or(Error::NotCanonical { scope, index, base, size })?;
        if found.block.len > found.size {
            return Err(Error::SmallerPrefix { scope, index, base, size });
        }
        bases[family as usize].push(found);
    }
    for bases in &mut bases {
        bases.sort_by_key(|base| base.block);
        bases.dedup_by(|later, kept| later.block.start <= kept.block.last());
    }
    Ok(bases)
}

/// The entry with host bits masked off, and an IPv4-mapped base as the IPv4 it means.
fn canonical(base: IpNet, size: u8) -> Option<(Family, Base)> {
    const MAPPED_LEN: u8 = 96;
    let (base, size) = match base {
        IpNet::V6(v6) => match v6.addr().to_ipv4_mapped() {
            Some(address) => {
                let len = v6.prefix_len().checked_sub(MAPPED_LEN)?;
                let base = Ipv4Net::new(address, len).expect("128 less 96 is 32");
                (base.into(), size.checked_sub(MAPPED_LEN)?)
            }
            None => (base, size),
        },
        IpNet::V4(_) => (base, size),
    };
    (size > 0).then(|| (Family::of(&base), Base { block: Block::of(base), size }))
}

#[cfg(test)]
mod tests {
    use super::{Predefined, checked, ula};
    use crate::{Error, block::Family};
    use alloc::{
        format,
        string::{String, ToString},
        vec::Vec,
    };

    /// Entries are `BASE:SIZE`; so is what is left of them.
    fn check(entries: &[&str]) -> Result<Vec<String>, Error> {
        let entries: Vec<_> = entries
            .iter()
            .map(|entry| {
                let (base, size) = entry.rsplit_once(':').unwrap();
                Predefined { base: base.parse().unwrap(), size: size.parse().unwrap() }
            })
            .collect();
        let families = [Family::V4, Family::V6].into_iter().zip(checked("local", &entries)?);
        let texts = families.flat_map(|(family, bases)| {
            bases
                .into_iter()
                .map(move |base| format!("{}:{}", base.block.prefix(family), base.size))
        });
        Ok(texts.collect())
    }

    #[test]
    fn a_later_base_inside_an_earlier_one_is_dropped() {
        let given = [
            "10.0.0.0/8:16",
            "10.0.0.0/8:24",
            "10.10.0.0/8:24",
            "10.0.100.0/8:24",
            "192.168.0.0/24:24",
        ];
        assert_eq!(check(&given).unwrap(), ["10.0.0.0/8:16", "192.168.0.0/24:24"]);
        assert_eq!(check(&["10.1.0.0/16:24", "10.0.0.0/8:16"]).unwrap(), ["10.0.0.0/8:16"]);
    }

    #[test]
    fn bases_are_sorted_by_family_and_address_and_have_no_host_bits() {
        let given = ["fd00::1/48:64", "192.168.7.9/16:24", "10.0.0.0/8:24"];
        let want = ["10.0.0.0/8:24", "192.168.0.0/16:24", "fd00::/48:64"];
        assert_eq!(check(&given).unwrap(), want);
    }

    /// The reference unmaps the address; that both lengths count the bits of the mapped
    /// form is our reading.
    #[test]
    fn an_ipv4_mapped_base_means_the_ipv4_one() {
        assert_eq!(check(&["::ffff:10.0.0.0/104:120"]).unwrap(), ["10.0.0.0/8:24"]);
        assert!(matches!(check(&["::ffff:10.0.0.0/90:120"]), Err(Error::NotCanonical { .. })));
        assert!(matches!(check(&["::ffff:10.0.0.0/104:96"]), Err(Error::NotCanonical { .. })));
    }

    #[test]
    fn what_cannot_be_cut_is_refused_in_the_words_of_the_reference() {
        let refused = |entries: &[&str]| check(entries).unwrap_err().to_string();
        assert_eq!(
            refused(&["10.0.0.0/24:16"]),
            "could not construct local address space: network at index 0 (&{10.0.0.0/24 16}) \
             has a smaller prefix (/24) than the target size of that pool (/16)"
        );
        assert_eq!(
            refused(&["10.0.0.0/24:24", "10.1.0.0/24:0"]),
            "could not construct local address space: network at index 1 (&{10.1.0.0/24 0}) \
             is not in canonical form"
        );
        assert_eq!(check(&["10.0.0.0/24:33"]).unwrap(), ["10.0.0.0/24:33"]);
    }

    /// moby, `daemon/daemon_test.go`.
    #[test]
    fn the_unique_local_addresses_of_a_site() {
        let check = |id, base: &str| {
            assert_eq!(ula(id), Predefined { base: base.parse().unwrap(), size: 64 });
        };
        check("", "fd42:98fc:1c14::/48");
        check("499d4bc0-b0b3-416f-b1ee-cf6486315593", "fd62:fb69:18af::/48");
    }
}
