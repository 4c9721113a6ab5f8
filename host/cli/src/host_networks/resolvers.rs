//! The name servers that this host asks.

use ipam_api::parse_address;
use ipam_runtime::read_regular;
use ipnet::IpNet;
use std::path::Path;

const FILE: &str = "/etc/resolv.conf";
/// Where systemd keeps the servers that its own one asks.
const BEHIND_SYSTEMD: &str = "/run/systemd/resolve/resolv.conf";
/// systemd's own one.
const SYSTEMD: &str = "127.0.0.53/32";
/// Of a larger file nothing is read.
const FILE_BYTES: u64 = 64 << 10;

/// Each as a prefix of its own; behind systemd, as Docker has it (moby,
/// `resolvconf.Path`).
pub(super) fn read() -> Vec<IpNet> {
    let of = |path| resolvers(&read_regular(Path::new(path), FILE_BYTES).unwrap_or_default());
    let found = of(FILE);
    if is_systemd(&found) { of(BEHIND_SYSTEMD) } else { found }
}

fn is_systemd(found: &[IpNet]) -> bool {
    matches!(found, [only] if only.to_string() == SYSTEMD)
}

fn resolvers(text: &[u8]) -> Vec<IpNet> {
    let server = |line: &str| -> Option<IpNet> {
        let mut words = line.split_ascii_whitespace();
        (words.next()? == "nameserver").then_some(())?;
        // A link-local server carries its interface: fe80::1%eth0.
        let address = words.next()?.split('%').next()?;
        parse_address(address).ok().map(IpNet::from)
    };
    String::from_utf8_lossy(text).lines().filter_map(server).collect()
}

#[cfg(test)]
mod tests {
    use super::{is_systemd, resolvers};

    #[test]
    fn resolvers_count_one_by_one() {
        let text = b"# nameserver 1.1.1.1\nsearch lan\nnameserver 192.168.2.1\n\
                    nameserver fe80::1%eth0\nnameserver ::ffff:10.0.0.1\nnameserver x\nnameserver\n\
                    nameserver 010.0.0.2\nsearch \xff\n";
        let found: Vec<String> = resolvers(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.168.2.1/32", "fe80::1/128", "10.0.0.1/32"]);
    }

    #[test]
    fn systemds_own_is_asked_for_those_behind_it() {
        assert!(is_systemd(&resolvers(b"nameserver 127.0.0.53\noptions edns0\n")));
        assert!(!is_systemd(&resolvers(b"nameserver 127.0.0.53\nnameserver 1.1.1.1\n")));
        assert!(!is_systemd(&resolvers(b"")));
    }
}
