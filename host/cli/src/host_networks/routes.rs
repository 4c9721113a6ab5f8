//! The kernel's IPv4 routes, asked and heard by netlink (RFC 3549).
//!
//! What counts is what counts for Docker (moby, `netutils.queryOnLinkRoutes`,
//! and the `RouteList` that it asks): routes of the main table, of link scope
//! and of any type, whose destination is not the unspecified address.

use ipnet::Ipv4Net;
use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REPLACE, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR,
    NetlinkBuffer, NetlinkHeader, NetlinkMessage, NlasIterator,
};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    route::{RouteFlags, RouteHeader, RouteMessage, RouteScope},
};
use rustix::{
    io::Errno,
    net::{
        AddressFamily as Family, RecvFlags, SendFlags, SocketFlags, SocketType, bind,
        netlink::SocketAddrNetlink,
        recvfrom, send, socket_with,
        sockopt::{Timeout, set_socket_timeout},
    },
};
use std::{
    io, iter,
    net::Ipv4Addr,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

/// How long until resolvers are read again, of whose changes nobody tells; and
/// routes where the kernel does not tell.
pub(super) const PERIOD: Duration = Duration::from_secs(2);

/// `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR`, `RTMGRP_IPV4_ROUTE` of
/// `linux/rtnetlink.h`: when a link goes down or loses its address, its routes
/// go without a word of theirs. Routes of IPv6 do not count.
const GROUPS: u32 = 0x1 | 0x10 | 0x40;
/// `RTM_NEWROUTE` and `RTM_DELROUTE` of `linux/rtnetlink.h`.
const ROUTE_CHANGES: [u16; 2] = [24, 25];
/// `RTA_DST` of `linux/rtnetlink.h`.
const DESTINATION: u16 = 1;
/// `sizeof(struct rtmsg)`: attributes come behind it.
const HEADER_BYTES: usize = 12;
/// The kernel answers in pieces of 32 KiB at most.
const PIECE_BYTES: usize = 64 << 10;
/// How often routes are read again because they changed meanwhile. What came of
/// the last time counts; what changed was told, too.
const READS_MAX: usize = 3;
/// How many messages one reading answers at most: it must come some time.
const TOGETHER_MAX: usize = 4096;
/// More routes of link scope than this are not kept.
const ROUTES_MAX: usize = 1 << 16;

/// A socket that is told of changes.
pub(super) struct Watch(OwnedFd);

/// What was told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing that matters.
    Nothing,
    /// That routes may be others than those that were read.
    Change,
}

impl Watch {
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self(socket(GROUPS)?))
    }

    /// Waits until something changes, or for a [`PERIOD`].
    pub(super) fn wait(&self) -> io::Result<Heard> {
        let mut buffer = vec![0; PIECE_BYTES];
        let begin = Instant::now();
        // What does not matter may come by the thousand.
        while begin.elapsed() < PERIOD {
            match self.hear(&mut buffer, RecvFlags::empty())? {
                Some(Heard::Nothing) => {}
                None => break,
                Some(Heard::Change) => {
                    // All that was told so far is answered by one reading.
                    for _ in 0..TOGETHER_MAX {
                        if self.hear(&mut buffer, RecvFlags::DONTWAIT)?.is_none() {
                            break;
                        }
                    }
                    return Ok(Heard::Change);
                }
            }
        }
        Ok(Heard::Nothing)
    }

    /// What the next message says; nothing if there is none.
    fn hear(&self, buffer: &mut [u8], flags: RecvFlags) -> io::Result<Option<Heard>> {
        match receive(&self.0, buffer, flags) {
            Ok(bytes) if messages(bytes).any(|it| is_change(&it)) => Ok(Some(Heard::Change)),
            Ok(_) => Ok(Some(Heard::Nothing)),
            // Some were lost, or were too long to be read.
            Err(Errno::NOBUFS | Errno::MSGSIZE) => Ok(Some(Heard::Change)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether it says that a route that counts came or went, or something of
/// links and addresses. One that replaces another does not say which.
fn is_change(message: &NetlinkBuffer<&[u8]>) -> bool {
    !ROUTE_CHANGES.contains(&message.message_type())
        || message.flags() & NLM_F_REPLACE != 0
        || counting(message.payload()).is_some()
}

/// The routes that count, as they are now.
pub(super) fn read() -> io::Result<Vec<Ipv4Net>> {
    let mut read = (Vec::new(), false);
    for _ in 0..READS_MAX {
        read = read_once()?;
        if !read.1 {
            break;
        }
    }
    Ok(read.0)
}

/// The routes, and whether they changed meanwhile.
fn read_once() -> io::Result<(Vec<Ipv4Net>, bool)> {
    let socket = socket(0)?;
    send(&socket, &question(), SendFlags::empty())?;
    let mut buffer = vec![0; PIECE_BYTES];
    let (mut routes, mut has_changed) = (Vec::new(), false);
    loop {
        let bytes = receive(&socket, &mut buffer, RecvFlags::empty())?;
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for message in messages(bytes) {
            has_changed |= message.flags() & NLM_F_DUMP_INTR != 0;
            match message.message_type() {
                NLMSG_DONE => return Ok((routes, has_changed)),
                NLMSG_ERROR => return Err(refusal(message.payload())),
                _ => {
                    let left = ROUTES_MAX.saturating_sub(routes.len());
                    routes.extend(counting(message.payload()).into_iter().take(left));
                }
            }
        }
    }
}

/// All routes of IPv4: the kernel knows no way to ask for a scope.
fn question() -> Vec<u8> {
    let header = RouteHeader { address_family: AddressFamily::Inet, ..RouteHeader::default() };
    let mut route = RouteMessage::default();
    route.header = header;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let mut message = NetlinkMessage::new(header, RouteNetlinkMessage::GetRoute(route).into());
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

/// The destination of a route, if it counts. No attribute is read but that one:
/// what others are odd must not hide it.
fn counting(payload: &[u8]) -> Option<Ipv4Net> {
    let header = RouteHeader::parse(payload).ok()?;
    let counts = header.address_family == AddressFamily::Inet
        && header.table == RouteHeader::RT_TABLE_MAIN
        && header.scope == RouteScope::Link
        && !header.flags.contains(RouteFlags::Cloned);
    if !counts {
        return None;
    }
    let mut attributes = NlasIterator::new(payload.get(HEADER_BYTES..)?);
    let destination = attributes.find_map(|it| it.ok().filter(|it| it.kind() == DESTINATION))?;
    let address = Ipv4Addr::from(<[u8; 4]>::try_from(destination.value()).ok()?);
    let prefix = Ipv4Net::new(address, header.destination_prefix_length).ok()?;
    (!address.is_unspecified()).then_some(prefix.trunc())
}

fn socket(groups: u32) -> io::Result<OwnedFd> {
    // No protocol is number 0, which is `NETLINK_ROUTE`.
    let socket = socket_with(Family::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PERIOD))?;
    Ok(socket)
}

/// The next piece that the kernel itself has sent.
fn receive<'b>(
    socket: &OwnedFd,
    buffer: &'b mut [u8],
    flags: RecvFlags,
) -> Result<&'b [u8], Errno> {
    loop {
        let (_, length, from) = recvfrom(socket, &mut *buffer, flags | RecvFlags::TRUNC)?;
        let from = from.and_then(|from| SocketAddrNetlink::try_from(from).ok());
        if from.is_some_and(|from| from.pid() == 0) {
            return buffer.get(..length).ok_or(Errno::MSGSIZE);
        }
    }
}

/// What a piece consists of, as far as it can be read.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = NetlinkBuffer<&[u8]>> {
    iter::from_fn(move || {
        let message = NetlinkBuffer::new_checked(bytes).ok()?;
        // Each begins at a multiple of four.
        let length = usize::try_from(message.length()).ok()?.next_multiple_of(4);
        bytes = bytes.get(length..).unwrap_or_default();
        Some(message)
    })
}

/// The payload of an error begins with the negative number of it.
fn refusal(payload: &[u8]) -> io::Error {
    #[expect(clippy::host_endian_bytes, reason = "it comes from the kernel of this very machine")]
    let number = payload.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes));
    match number.and_then(i32::checked_neg) {
        Some(number) => io::Error::from_raw_os_error(number),
        None => io::ErrorKind::InvalidData.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Heard, Watch, counting, is_change, messages, question, read};
    use netlink_packet_core::{NetlinkHeader, NetlinkMessage};
    use netlink_packet_route::{
        AddressFamily, RouteNetlinkMessage,
        route::{
            RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteScope,
            RouteType,
        },
    };

    /// A route as the kernel tells of it.
    fn told(prefix: &str, change: impl FnOnce(&mut RouteHeader)) -> Vec<u8> {
        let prefix: ipnet::Ipv4Net = prefix.parse().unwrap();
        let mut route = RouteMessage::default();
        route.header = RouteHeader {
            address_family: AddressFamily::Inet,
            destination_prefix_length: prefix.prefix_len(),
            table: RouteHeader::RT_TABLE_MAIN,
            scope: RouteScope::Link,
            kind: RouteType::Unicast,
            ..RouteHeader::default()
        };
        change(&mut route.header);
        route.attributes.push(RouteAttribute::Oif(2));
        if prefix.prefix_len() > 0 {
            let destination = RouteAddress::Inet(prefix.addr());
            route.attributes.push(RouteAttribute::Destination(destination));
        }
        let payload = RouteNetlinkMessage::NewRoute(route).into();
        let mut message = NetlinkMessage::new(NetlinkHeader::default(), payload);
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        bytes
    }

    #[track_caller]
    fn check(prefix: &str, change: impl FnOnce(&mut RouteHeader), want: Option<&str>) {
        let bytes = told(prefix, change);
        let message = messages(&bytes).next().unwrap();
        let got = counting(message.payload()).map(|it| it.to_string());
        assert_eq!(got.as_deref(), want, "{prefix}");
        assert_eq!(is_change(&message), want.is_some(), "{prefix}");
    }

    #[test]
    fn routes_of_link_scope_count_and_others_do_not() {
        check("192.168.2.0/24", |_| (), Some("192.168.2.0/24"));
        check("192.168.2.9/32", |_| (), Some("192.168.2.9/32"));
        check("10.0.0.0/8", |it| it.kind = RouteType::Unreachable, Some("10.0.0.0/8"));
        check("128.0.0.0/1", |_| (), Some("128.0.0.0/1"));
        // What a VPN has instead of a default route.
        check("0.0.0.0/1", |_| (), None);
        check("0.0.0.0/0", |_| (), None);
        check("10.0.0.0/8", |it| it.scope = RouteScope::Universe, None);
        check("10.0.0.0/8", |it| it.scope = RouteScope::Host, None);
        check("10.0.0.0/8", |it| it.scope = RouteScope::Site, None);
        // Those of a VRF, and of addresses of this host.
        check("10.0.0.0/8", |it| it.table = 10, None);
        check("10.0.0.0/8", |it| it.table = 255, None);
        check("10.0.0.0/8", |it| it.flags = RouteFlags::Cloned, None);
        check("10.0.0.0/8", |it| it.address_family = AddressFamily::Inet6, None);
        check("10.0.0.0/8", |it| it.destination_prefix_length = 33, None);
    }

    #[test]
    fn what_cannot_be_read_ends_a_piece_and_nothing_else() {
        let bytes = [told("10.1.0.0/16", |_| ()), told("10.2.0.0/16", |_| ())].concat();
        for length in 0..bytes.len() {
            let found = messages(&bytes[..length]).filter_map(|it| counting(it.payload()));
            assert_eq!(found.count(), length / (bytes.len() / 2), "{length}");
        }
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] = 0xff;
            let found = messages(&bytes).filter_map(|it| counting(it.payload())).count();
            assert!(found <= 2);
        }
    }

    #[test]
    fn this_kernel_is_asked() {
        assert_eq!(messages(&question()).count(), 1);
        // Where a sandbox lets nobody ask, there is nothing to be seen.
        let Ok(watch) = Watch::open() else { return };
        read().unwrap();
        assert!(matches!(watch.wait(), Ok(Heard::Nothing | Heard::Change)));
    }
}
