//! Which addresses are never leased.

use alloc::{vec, vec::Vec};
use core::net::IpAddr;
use ipnet::IpNet;

/// The addresses of `pool` that no endpoint may have, in order.
///
/// - IPv4: the network and the broadcast address, except in a /31 or /32, where both
///   ends are usable ([RFC 3021]).
/// - IPv6: the subnet-router anycast address ([RFC 4291], section 2.6.1), except in a
///   /127 or /128 ([RFC 6164]).
///
/// ```
/// # use ipam_allocator::reserved;
/// let ends = reserved("192.0.2.0/24".parse()?);
/// assert_eq!(ends, ["192.0.2.0".parse()?, "192.0.2.255".parse::<std::net::IpAddr>()?]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [RFC 3021]: https://www.rfc-editor.org/rfc/rfc3021
/// [RFC 4291]: https://www.rfc-editor.org/rfc/rfc4291#section-2.6.1
/// [RFC 6164]: https://www.rfc-editor.org/rfc/rfc6164
#[must_use]
pub fn reserved(pool: IpNet) -> Vec<IpAddr> {
    match ends(pool) {
        (false, _) => vec![],
        (true, false) => vec![pool.network()],
        (true, true) => vec![pool.network(), pool.broadcast()],
    }
}

/// Whether the first and the last address of `pool` are reserved.
pub(crate) fn ends(pool: IpNet) -> (bool, bool) {
    let has_ends = pool.max_prefix_len() - pool.prefix_len() > 1;
    (has_ends, has_ends && matches!(pool, IpNet::V4(_)))
}

#[cfg(test)]
mod tests {
    use super::reserved;
    use alloc::{string::ToString, vec::Vec};

    #[track_caller]
    fn check(pool: &str, want: &[&str]) {
        let got: Vec<_> = reserved(pool.parse().unwrap()).iter().map(ToString::to_string).collect();
        assert_eq!(got, want, "reserved({pool})");
    }

    #[test]
    fn both_ends_of_an_ipv4_pool() {
        check("0.0.0.0/0", &["0.0.0.0", "255.255.255.255"]);
        check("192.0.2.0/24", &["192.0.2.0", "192.0.2.255"]);
        check("192.0.2.4/30", &["192.0.2.4", "192.0.2.7"]);
    }

    #[test]
    fn the_anycast_address_of_an_ipv6_pool() {
        check("::/0", &["::"]);
        check("2001:db8::/64", &["2001:db8::"]);
        check("2001:db8::4/126", &["2001:db8::4"]);
    }

    #[test]
    fn nothing_of_a_point_to_point_link() {
        check("192.0.2.0/31", &[]);
        check("192.0.2.1/32", &[]);
        check("2001:db8::/127", &[]);
        check("2001:db8::1/128", &[]);
    }
}
