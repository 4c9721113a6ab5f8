//! Answers a prefix of length 200.

use ipam_driver::wasm::bindings::{
    exports::ipam::driver::ipam::PoolGrant,
    ipam::driver::types::{IpAddress, Prefix},
};

ipam_programs::raw!(
    "prefix",
    PoolGrant {
        pool_id: "prefix".to_owned(),
        pool: Prefix { address: IpAddress::Ipv4((10, 0, 0, 0)), length: 200 },
        data: Vec::new(),
    }
);
