//! Prefixes and addresses as numbers.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The two families of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// 32 bits.
    V4,
    /// 128 bits.
    V6,
}

impl Family {
    /// The family of a prefix.
    ///
    /// ```
    /// use ipam_allocator::Family;
    /// assert_eq!(Family::of(&"fd00::/8".parse()?), Family::V6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn of(prefix: &IpNet) -> Self {
        match prefix {
            IpNet::V4(_) => Self::V4,
            IpNet::V6(_) => Self::V6,
        }
    }

    /// The length of an address, in bits.
    ///
    /// ```
    /// assert_eq!(ipam_allocator::Family::V4.bits(), 32);
    /// ```
    #[must_use]
    pub fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    /// The address of that number, which must fit the family.
    pub(crate) fn address(self, number: u128) -> IpAddr {
        match self {
            Self::V4 => {
                let number = u32::try_from(number).expect("an IPv4 address has 32 bits");
                Ipv4Addr::from_bits(number).into()
            }
            Self::V6 => Ipv6Addr::from_bits(number).into(),
        }
    }
}

/// An address as a number.
pub(crate) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The largest offset that `host_bits` bits can say.
pub(crate) fn last_offset(host_bits: u8) -> u128 {
    u128::MAX.checked_shr(128 - u32::from(host_bits)).unwrap_or(0)
}

/// A prefix of either family, its first bit at the top of 128: one geometry for both.
/// An IPv4 block is never longer than 32 bits; the rest of `start` is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Block {
    /// The first address, host bits zero.
    pub(crate) start: u128,
    /// How many leading bits are fixed.
    pub(crate) len: u8,
}

impl Block {
    /// The block of `prefix`, host bits masked off.
    pub(crate) fn of(prefix: IpNet) -> Self {
        let unused = 128 - u32::from(prefix.max_prefix_len());
        Self { start: number(prefix.network()) << unused, len: prefix.prefix_len() }
    }

    /// The prefix of this block, which must fit the family.
    pub(crate) fn prefix(self, family: Family) -> IpNet {
        let reason = "a block is no longer than its family's addresses";
        match family.address(self.start >> (128 - u32::from(family.bits()))) {
            IpAddr::V4(address) => Ipv4Net::new(address, self.len).expect(reason).into(),
            IpAddr::V6(address) => Ipv6Net::new(address, self.len).expect(reason).into(),
        }
    }

    /// The last address of the block.
    pub(crate) fn last(self) -> u128 {
        self.start | last_offset(128 - self.len)
    }
}

/// The first multiple of a block of length `len` that is not below `from`; nothing at
/// the end of all addresses.
pub(crate) fn align_up(from: u128, len: u8) -> Option<u128> {
    let within = last_offset(128 - len);
    Some(from.checked_add(within)? & !within)
}

#[cfg(test)]
mod tests {
    use super::{Block, Family, align_up, last_offset};

    #[test]
    fn a_prefix_and_its_block_are_one() {
        for text in ["0.0.0.0/0", "10.0.0.0/8", "255.255.255.255/32", "::/0", "fd00::/8"] {
            let prefix = text.parse().unwrap();
            assert_eq!(Block::of(prefix).prefix(Family::of(&prefix)), prefix);
        }
        assert_eq!(Block::of("10.1.2.3/8".parse().unwrap()).start, 10 << 120);
    }

    #[test]
    fn both_ends_of_all_addresses() {
        assert_eq!(last_offset(0), 0);
        assert_eq!(last_offset(128), u128::MAX);
        assert_eq!(Block { start: 0, len: 0 }.last(), u128::MAX);
        assert_eq!(align_up(1, 1), Some(1 << 127));
        assert_eq!(align_up(1 << 127, 1), Some(1 << 127));
        assert_eq!(align_up((1 << 127) + 1, 1), None);
        assert_eq!(align_up(u128::MAX, 128), Some(u128::MAX));
    }
}
