//! Routes of link scope as `/proc/net/route` has them, for where the kernel
//! cannot be asked by netlink. It knows no scope: a route without a gateway
//! counts, one that rejects does not.

use ipnet::Ipv4Net;
use std::{fs, net::Ipv4Addr};

const ROUTES: &str = "/proc/net/route";

pub(super) fn read() -> Vec<Ipv4Net> {
    link_routes(&fs::read_to_string(ROUTES).unwrap_or_default())
}

/// The routes of the kernel's table that go nowhere but to the link.
fn link_routes(table: &str) -> Vec<Ipv4Net> {
    /// `RTF_UP`, `RTF_GATEWAY`, `RTF_REJECT` of `linux/route.h`.
    const UP: u16 = 0x1;
    const GATEWAY: u16 = 0x2;
    const REJECT: u16 = 0x200;

    let route = |line: &str| -> Option<Ipv4Net> {
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
        let is_link = flags & (UP | GATEWAY | REJECT) == UP;
        (is_link && !prefix.addr().is_unspecified()).then_some(prefix.trunc())
    };
    table.lines().skip(1).filter_map(route).collect()
}

#[expect(clippy::host_endian_bytes, reason = "the kernel prints words of this very machine")]
fn memory_order(word: u32) -> [u8; 4] {
    word.to_ne_bytes()
}

#[cfg(test)]
mod tests {
    use super::link_routes;

    #[cfg(target_endian = "little")]
    #[test]
    fn routes_to_the_link_count_and_others_do_not() {
        let table = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0002A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
tun0\t00000000\t0100080A\t0003\t0\t0\t0\t00000080\t0\t0\t0
tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0
tun0\t00000A0A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
ppp0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0
*\t000010AC\t00000000\t0201\t0\t0\t0\t0000F0FF\t0\t0\t0
nonsense
";
        let found: Vec<String> = link_routes(table).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.168.2.0/24", "10.10.0.0/16"]);
    }
}
