//! What this host's own network uses already.
//!
//! Docker never tells a plugin, and repeats an automatic request until the
//! answer does not collide; for its built-in driver it keeps clear of just
//! these (moby, `netutils.InferReservedNetworks`): the IPv4 routes of link
//! scope, and the resolvers of both families. A route through a gateway, such
//! as a VPN's `0.0.0.0/1`, does not count.
//!
//! Nothing here fails: what cannot be read excludes nothing.

use ipnet::{IpNet, Ipv4Net};
use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
};

const ROUTES: &str = "/proc/net/route";
const RESOLVERS: &str = "/etc/resolv.conf";

/// The prefixes that are in use now.
pub(crate) fn in_use() -> Vec<IpNet> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let mut found = link_routes(&read(ROUTES));
    found.extend(resolvers(&read(RESOLVERS)));
    found
}

/// The routes of the kernel's table that go nowhere but to the link.
fn link_routes(table: &str) -> Vec<IpNet> {
    /// `RTF_UP`, `RTF_GATEWAY`, `RTF_REJECT` of `linux/route.h`.
    const UP: u16 = 0x1;
    const GATEWAY: u16 = 0x2;
    const REJECT: u16 = 0x200;

    let route = |line: &str| -> Option<IpNet> {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let destination = fields.next()?;
        let flags = u16::from_str_radix(fields.nth(1)?, 16).ok()?;
        let mask = fields.nth(3)?;
        // The kernel prints each address as the number its bytes make on this
        // machine, so the bytes come back in memory order.
        let address = |text| {
            u32::from_str_radix(text, 16).ok().map(|word| Ipv4Addr::from(memory_order(word)))
        };
        let prefix = Ipv4Net::with_netmask(address(destination)?, address(mask)?).ok()?;
        (flags & (UP | GATEWAY | REJECT) == UP && prefix.prefix_len() > 0)
            .then_some(IpNet::V4(prefix.trunc()))
    };
    table.lines().skip(1).filter_map(route).collect()
}

#[expect(clippy::host_endian_bytes, reason = "the kernel prints words of this very machine")]
fn memory_order(word: u32) -> [u8; 4] {
    word.to_ne_bytes()
}

/// The name servers, each as a prefix of its own.
fn resolvers(text: &str) -> Vec<IpNet> {
    let server = |line: &str| -> Option<IpNet> {
        let mut words = line.split_ascii_whitespace();
        (words.next()? == "nameserver").then_some(())?;
        // A link-local server carries its interface: fe80::1%eth0.
        let address = words.next()?.split('%').next()?;
        Some(IpNet::from(address.parse::<IpAddr>().ok()?.to_canonical()))
    };
    text.lines().filter_map(server).collect()
}

#[cfg(test)]
mod tests {
    use super::{link_routes, resolvers};

    #[cfg(target_endian = "little")]
    #[test]
    fn routes_of_link_scope_count_and_others_do_not() {
        let table = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0002A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
tun0\t00000000\t0100080A\t0003\t0\t0\t0\t00000080\t0\t0\t0
tun0\t00000A0A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
ppp0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0
*\t000010AC\t00000000\t0201\t0\t0\t0\t0000F0FF\t0\t0\t0
nonsense
";
        let found: Vec<String> = link_routes(table).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.168.2.0/24", "10.10.0.0/16"]);
    }

    #[test]
    fn resolvers_count_one_by_one() {
        let text = "# nameserver 1.1.1.1\nsearch lan\nnameserver 192.168.2.1\n\
                    nameserver fe80::1%eth0\nnameserver ::ffff:10.0.0.1\nnameserver x\nnameserver\n";
        let found: Vec<String> = resolvers(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.168.2.1/32", "fe80::1/128", "10.0.0.1/32"]);
    }
}
