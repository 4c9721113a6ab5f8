//! Answers a list of a million elements.

use ipam_driver::wasm::bindings::{
    exports::ipam::driver::ipam::PoolGrant,
    ipam::driver::types::{IpAddress, Prefix},
};

ipam_programs::raw!(
    "elements",
    PoolGrant {
        pool_id: "elements".to_owned(),
        pool: Prefix { address: IpAddress::Ipv4((10, 0, 0, 0)), length: 24 },
        data: vec![(String::new(), String::new()); 1_000_000],
    }
);
