//! An address of a pool as a key, of a map and of the store.

use alloc::{format, string::String};
use core::net::IpAddr;
use ipam_allocator::PoolName;

/// An address, and the pool as a whole that it is of.
pub type Location = (PoolName, IpAddr);

/// Its key: the id of the pool, and the address; at most 97 bytes.
#[must_use]
pub fn key((pool, address): Location) -> String {
    format!("{pool}/{address}")
}

/// The location that a key names.
#[must_use]
pub fn read(key: &str) -> Option<Location> {
    let (pool, address) = key.rsplit_once('/')?;
    Some((PoolName::parse(pool).ok()?, address.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{key, read};

    #[test]
    fn a_key_survives_the_round_trip() {
        let longest = "GlobalDefault/2001:db8:1234:5678:9abc:def0:1234:5678/128\
            /2001:db8:1234:5678:9abc:def0:1234:5678";
        for text in ["LocalDefault/10.0.0.0/8/10.0.0.1", longest] {
            assert_eq!(key(read(text).unwrap()), text);
            assert!(text.len() <= 97);
        }
        for text in
            ["", "/", "LocalDefault/10.0.0.0/8", "LocalDefault/10.0.0.0/8/", "x/y/1/10.0.0.1"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
