//! The remote protocol's side that asks, for one plugin.

use crate::wire;
use alloc::{
    format,
    string::{String, ToString as _},
    vec::Vec,
};
use core::net::IpAddr;
use ipam_driver::{
    AddressGrant, AddressRequest, AddressSpaces, Capability, Code, Error, Family, IpNet, Kind,
    Options, PoolChoice, PoolGrant, PoolRequest, names, plugins::Answer,
};
use serde::{Serialize, de::DeserializeOwned};

/// Whom to ask.
pub(crate) trait Ask {
    /// Calls a method once.
    fn ask(&self, method: &str, body: &[u8]) -> Result<Answer, Error>;
}

/// A plugin, asked in contract values.
#[derive(Debug)]
pub(crate) struct Protocol<A>(pub(crate) A);

impl<A: Ask> Protocol<A> {
    /// What the plugin needs. One that does not say needs nothing: plugins are
    /// older than this call.
    pub(crate) fn capability(&self) -> Capability {
        let answer = self.call::<wire::Capabilities>("GetCapabilities", Vec::new());
        let wire::Capabilities { requires_mac_address, requires_request_replay } =
            answer.unwrap_or_default();
        Capability { requires_mac_address, requires_request_replay }
    }

    pub(crate) fn default_address_spaces(&self) -> Result<AddressSpaces, Error> {
        let spaces: wire::AddressSpaces = self.call("GetDefaultAddressSpaces", Vec::new())?;
        Ok(AddressSpaces::new(spaces.local, spaces.global))
    }

    pub(crate) fn request_pool(&self, mut request: PoolRequest) -> Result<PoolGrant, Error> {
        let (pool, family) = match request.pool {
            PoolChoice::Automatic(family) => (String::new(), family),
            PoolChoice::Sized(Family::Ipv4, length) => (format!("0.0.0.0/{length}"), Family::Ipv4),
            PoolChoice::Sized(Family::Ipv6, length) => (format!("::/{length}"), Family::Ipv6),
            PoolChoice::Exact(pool) => (pool.to_string(), Family::of(&pool)),
        };
        let asked = wire::RequestPool {
            address_space: &request.address_space,
            pool,
            sub_pool: request.sub_pool.map(|pool| pool.to_string()).unwrap_or_default(),
            options: theirs(&mut request.options),
            v6: family == Family::Ipv6,
        };
        let wire::Pool { pool_id, pool, data } = self.call("RequestPool", body(&asked)?)?;
        if pool_id.is_empty() {
            return Err(nonsense("RequestPool", "there is no PoolID in it"));
        }
        match pool.parse::<IpNet>() {
            Ok(pool) => {
                Ok(PoolGrant { pool_id, pool: pool.trunc(), data: data.unwrap_or_default() })
            }
            Err(_) => {
                // It believes that it granted something.
                let _ = self.release_pool(&pool_id);
                Err(nonsense("RequestPool", &format!("Pool {pool:?} is no prefix")))
            }
        }
    }

    pub(crate) fn release_pool(&self, pool_id: &str) -> Result<(), Error> {
        let wire::Nothing {} = self.call("ReleasePool", body(&wire::ReleasePool { pool_id })?)?;
        Ok(())
    }

    pub(crate) fn request_address(
        &self,
        mut request: AddressRequest,
    ) -> Result<AddressGrant, Error> {
        let asked = wire::RequestAddress {
            pool_id: &request.pool_id,
            address: request.address.map(|address| address.to_string()).unwrap_or_default(),
            options: theirs(&mut request.options),
        };
        let wire::Address { address, data } = self.call("RequestAddress", body(&asked)?)?;
        if address.is_empty() {
            return Err(Code::NoIpReturned.into());
        }
        match address.parse() {
            Ok(address) => {
                Ok(AddressGrant { address: Some(address), data: data.unwrap_or_default() })
            }
            Err(_) => {
                if let Ok(bare) = address.parse() {
                    // It believes that it granted it.
                    let _ = self.release_address(&request.pool_id, bare);
                }
                let why = format!("Address {address:?} is no address with a prefix length");
                Err(nonsense("RequestAddress", &why))
            }
        }
    }

    pub(crate) fn release_address(&self, pool_id: &str, address: IpAddr) -> Result<(), Error> {
        let asked = wire::ReleaseAddress { pool_id, address: address.to_string() };
        let wire::Nothing {} = self.call("ReleaseAddress", body(&asked)?)?;
        Ok(())
    }

    /// Asks once: what may have been taken is not asked for again.
    fn call<T: DeserializeOwned>(&self, method: &str, body: Vec<u8>) -> Result<T, Error> {
        let method = format!("{}.{method}", names::PLUGIN_ENDPOINT_TYPE);
        let Answer { status, body } = self.0.ask(&method, &body)?;
        wire::answer(&method, status, &body)
    }
}

/// The options that a plugin knows; `null` if there are none, as from Docker.
fn theirs(options: &mut Options) -> Option<&Options> {
    options.remove(names::REPLAY);
    (!options.is_empty()).then_some(options)
}

fn body(asked: &impl Serialize) -> Result<Vec<u8>, Error> {
    let body = serde_json::to_vec(asked);
    let mut body = body.map_err(|error| Error::other(Kind::Internal, error.to_string()))?;
    body.push(b'\n');
    Ok(body)
}

fn nonsense(method: &str, why: &str) -> Error {
    Error::other(Kind::Internal, format!("IpamDriver.{method}: the plugin's answer: {why}"))
}
