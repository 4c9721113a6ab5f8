//! Prefixes that come as text: from an operator's table, from another server.

use ipnet::IpNet;

/// Reads a prefix, with its host bits, as strictly as the host does: no leading
/// zeros, since 010 is eight to some and ten to others, no signs, no zone.
/// `IpNet`'s own reading takes leading zeros. What an IPv4-mapped prefix means is
/// left to the caller.
///
/// ```
/// use ipam_driver::parse_prefix;
///
/// assert!(parse_prefix("10.1.0.0/16").is_some());
/// assert!(parse_prefix("10.001.0.0/16").is_none());
/// ```
#[must_use]
pub fn parse_prefix(text: &str) -> Option<IpNet> {
    let (address, length) = text.split_once('/')?;
    let is_plain = length == "0" || !length.starts_with(['0', '+']);
    let length = length.parse().ok().filter(|_| is_plain)?;
    IpNet::new(address.parse().ok()?, length).ok()
}

#[cfg(test)]
mod tests {
    use super::parse_prefix;
    use std::string::ToString as _;

    #[test]
    fn a_prefix_is_read_as_the_host_reads_it() {
        for text in ["10.0.0.0/8", "10.1.2.3/8", "0.0.0.0/0", "fd00::/8", "::/0"] {
            assert_eq!(parse_prefix(text).unwrap().to_string(), text);
        }
        for text in [
            "010.0.0.0/8",
            "172.017.0.0/16",
            "10.0.0.0/08",
            "10.0.0.0/00",
            "10.0.0.0/+8",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0",
            "10.0.0.0/",
            "/8",
            "10.0.0.0/8 ",
            "fe80::1%eth0/64",
            "",
        ] {
            assert!(parse_prefix(text).is_none(), "{text:?}");
        }
    }
}
