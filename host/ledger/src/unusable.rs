//! Prefixes that no container network may have.

use ipam_api::IpNet;

/// What no automatic pool may meet unless the operator granted it: a stranger's
/// driver could take this machine's loopback, or have its containers look like
/// the links' own addresses. Ranges for documentation (RFC 5737, RFC 3849) are
/// as good as private ones.
///
/// The last of IPv4 holds the broadcast address; `::/8` holds the unspecified
/// address, loopback, and the mapped and translated addresses of IPv4.
const RANGES: [(&str, &str); 8] = [
    ("0.0.0.0/8", "\"this network\", RFC 791"),
    ("127.0.0.0/8", "loopback, RFC 1122"),
    ("169.254.0.0/16", "link-local, RFC 3927"),
    ("224.0.0.0/4", "multicast, RFC 5771"),
    ("240.0.0.0/4", "reserved, RFC 1112"),
    ("::/8", "reserved, RFC 4291"),
    ("fe80::/10", "link-local, RFC 4291"),
    ("ff00::/8", "multicast, RFC 4291"),
];

/// Why no container network may have that prefix: the range that it overlaps,
/// with what that is for. Nothing if it may.
///
/// ```
/// use ipam_ledger::unusable;
///
/// let why = |text: &str| unusable(&text.parse().expect("a prefix"));
/// assert_eq!(why("127.1.0.0/16").as_deref(), Some("127.0.0.0/8 (loopback, RFC 1122)"));
/// assert_eq!(why("192.0.2.0/24"), None);
/// ```
#[must_use]
pub fn unusable(prefix: &IpNet) -> Option<String> {
    let overlaps = |range: &IpNet| range.contains(prefix) || prefix.contains(range);
    RANGES.iter().find_map(|(range, what)| {
        let range: IpNet = range.parse().ok()?;
        overlaps(&range).then(|| format!("{range} ({what})"))
    })
}

#[cfg(test)]
mod tests {
    use super::{RANGES, unusable};
    use ipam_api::IpNet;

    #[test]
    fn each_range_is_a_prefix_and_each_overlap_counts() {
        for (range, _) in RANGES {
            let range: IpNet = range.parse().unwrap();
            assert_eq!(range, range.trunc());
            let within = IpNet::new(range.broadcast(), range.max_prefix_len()).unwrap();
            let around = range.supernet().unwrap();
            for met in [range, within, around] {
                assert!(unusable(&met).is_some(), "{met}");
            }
        }
    }

    #[test]
    fn what_is_private_global_or_for_documentation_is_usable() {
        for usable in [
            "1.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "126.0.0.0/8",
            "128.0.0.0/8",
            "169.253.0.0/16",
            "169.255.0.0/16",
            "172.16.0.0/12",
            "192.0.2.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "223.255.255.0/24",
            "100::/64",
            "2001:db8::/32",
            "2000::/3",
            "fc00::/7",
            "fec0::/10",
        ] {
            assert_eq!(unusable(&usable.parse().unwrap()), None, "{usable}");
        }
        for not in ["255.255.255.255/32", "0.0.0.0/1", "::/128", "::1/128", "::ffff:10.0.0.0/104"] {
            assert!(unusable(&not.parse().unwrap()).is_some(), "{not}");
        }
    }
}
