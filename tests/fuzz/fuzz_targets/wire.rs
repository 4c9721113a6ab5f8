//! Whatever JSON a client sends: values of the contract or its errors, and
//! never a panic. What was read means the same when it is written and read
//! again.

#![no_main]

use ipam_docker::wire;
use libfuzzer_sys::fuzz_target;
use serde_json::json;

fuzz_target!(|body: &[u8]| {
    if let Ok(request) = wire::read_request_pool(body) {
        let pool = match request.pool {
            ipam_api::PoolChoice::Exact(pool) => {
                assert_eq!(pool, pool.trunc(), "host bits");
                pool.to_string()
            }
            ipam_api::PoolChoice::Sized(ipam_api::Family::Ipv4, bits) => format!("0.0.0.0/{bits}"),
            ipam_api::PoolChoice::Sized(ipam_api::Family::Ipv6, bits) => format!("::/{bits}"),
            ipam_api::PoolChoice::Automatic(_) => String::new(),
        };
        let again = json!({
            "AddressSpace": request.address_space,
            "Pool": pool,
            "SubPool": request.sub_pool.map(|it| it.to_string()).unwrap_or_default(),
            "Options": request.options,
            "V6": request.pool.family() == ipam_api::Family::Ipv6,
        });
        assert_eq!(wire::read_request_pool(again.to_string().as_bytes()), Ok(request));
    }
    if let Ok(request) = wire::read_request_address(body) {
        let address = request.address.map(|it| it.to_string()).unwrap_or_default();
        let again = json!({
            "PoolID": request.pool_id.as_str(), "Address": address, "Options": request.options,
        });
        assert_eq!(wire::read_request_address(again.to_string().as_bytes()), Ok(request));
    }
    if let Ok(pool_id) = wire::read_release_pool(body) {
        assert!(!pool_id.as_str().is_empty());
    }
    if let Ok((pool_id, address)) = wire::read_release_address(body) {
        let again = json!({"PoolID": pool_id.as_str(), "Address": address.to_string()});
        let again = wire::read_release_address(again.to_string().as_bytes());
        assert_eq!(again, Ok((pool_id, address)));
    }
});
