//! Short ways to write requests, and what a driver does with them.

use super::fake::Twist;
use ipam_api::{
    AddressGrant, AddressRequest, Answer, Code, Error, Failure, Family, Options, PoolChoice,
    PoolGrant, PoolId, PoolRequest, Request,
};
use std::net::Ipv4Addr;

pub(crate) fn id(text: &str) -> PoolId {
    PoolId::try_from(text).unwrap()
}

pub(crate) fn any_pool() -> Request {
    Request::Pool(pool_request(PoolChoice::Automatic(Family::Ipv4)))
}

pub(crate) fn pool(prefix: &str) -> Request {
    Request::Pool(pool_request(PoolChoice::Exact(prefix.parse().unwrap())))
}

pub(crate) fn pool_request(pool: PoolChoice) -> PoolRequest {
    PoolRequest {
        address_space: "local".to_owned(),
        pool,
        sub_pool: None,
        options: Options::new(),
        exclude: Vec::new(),
    }
}

pub(crate) fn lease(pool: &str) -> Request {
    Request::Address(AddressRequest { pool_id: id(pool), address: None, options: Options::new() })
}

pub(crate) fn lease_of(pool: &str, address: &str) -> Request {
    let address = Some(address.parse().unwrap());
    Request::Address(AddressRequest { pool_id: id(pool), address, options: Options::new() })
}

pub(crate) fn release(pool: &str, address: &str) -> Request {
    Request::ReleaseAddress(id(pool), address.parse().unwrap())
}

pub(crate) fn granted(pool_id: &str, pool: &str) -> Twist {
    let pool = pool.parse().unwrap();
    Twist::Pool(Ok(PoolGrant { pool_id: id(pool_id), pool, data: Options::new() }))
}

pub(crate) fn leased(address: Option<&str>) -> Twist {
    let address = address.map(|text| text.parse().unwrap());
    Twist::Address(Ok(AddressGrant { address, data: Options::new() }))
}

pub(crate) fn trap() -> Failure {
    Failure::broken("trap at /secret/path.rs:7")
}

pub(crate) fn refusal() -> Failure {
    Failure::Refused(Error::from(Code::InvalidRequest))
}

/// The host number `host` of 10.0.0.0/24, as a lease.
pub(crate) fn host(host: u8) -> String {
    format!("{}/24", Ipv4Addr::new(10, 0, 0, host))
}

pub(crate) fn shown(answer: &Answer) -> String {
    match answer {
        Answer::Pool(grant) => grant.pool.to_string(),
        Answer::Address(grant) => {
            grant.address.map_or_else(|| "none".to_owned(), |address| address.to_string())
        }
        Answer::Released => "released".to_owned(),
        Answer::Status(status) => format!("{} in use", status.ips_in_use),
        Answer::Records(answer) => format!("{answer:?}"),
    }
}
