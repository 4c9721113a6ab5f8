//! The client's side of Docker's remote protocol, for one plugin.

use crate::{
    fit::{Known, fit_address, fit_pool},
    wire,
};
use alloc::{
    format,
    string::{String, ToString as _},
    vec::Vec,
};
use core::net::IpAddr;
use ipam_driver::{
    AddressGrant, AddressRequest, AddressSpaces, Capability, Code, Error, Family, Kind, Options,
    PoolChoice, PoolGrant, PoolRequest, log, names, plugins::Answer,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// The plugin to ask, and what is kept of its answers.
pub(crate) trait Ask {
    /// Calls a method once.
    fn ask(&self, method: &str, body: &[u8]) -> Result<Answer, Error>;

    /// Keeps what addresses of a pool must fit, for as long as it is granted.
    fn remember(&self, pool_id: &str, known: Known) -> Result<(), Error>;

    /// What was kept; nothing of a pool that an earlier version granted.
    fn recall(&self, pool_id: &str) -> Result<Option<Known>, Error>;

    /// Forgets a pool.
    fn forget(&self, pool_id: &str) -> Result<(), Error>;
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

    pub(crate) fn request_pool(&self, request: &PoolRequest) -> Result<PoolGrant, Error> {
        let (pool, family) = match request.pool {
            PoolChoice::Automatic(family) => (String::new(), family),
            PoolChoice::Sized(Family::Ipv4, length) => (format!("0.0.0.0/{length}"), Family::Ipv4),
            PoolChoice::Sized(Family::Ipv6, length) => (format!("::/{length}"), Family::Ipv6),
            PoolChoice::Exact(pool) => (pool.to_string(), Family::of(&pool)),
        };
        let is_replay = request.options.contains_key(names::REPLAY);
        let options = theirs(&request.options);
        let asked = wire::RequestPool {
            address_space: &request.address_space,
            pool,
            sub_pool: request.sub_pool.map(|pool| pool.to_string()).unwrap_or_default(),
            options: options.as_ref(),
            v6: family == Family::Ipv6,
        };
        let wire::Pool { pool_id, rest } = self.call("RequestPool", body(&asked)?)?;
        if pool_id.is_empty() {
            return Err(nonsense("RequestPool", "there is no PoolID in it"));
        }
        // What cannot be a key cannot be held.
        let held = self.0.recall(&pool_id).ok().flatten();
        let fitted = fit_pool(request, &pool_id, rest).and_then(|grant| {
            let known = Known { prefix: grant.pool, sub_pool: request.sub_pool };
            if let Some(held) = held.filter(|held| !is_replay && !held.is_again(&known)) {
                return Err(format!("PoolID {pool_id:?} names {} already", held.prefix));
            }
            self.0.remember(&pool_id, known).map_err(|error| error.to_string())?;
            Ok(grant)
        });
        fitted.map_err(|why| {
            // The plugin believes that it granted something. An earlier grant under
            // the same id stays.
            if held.is_none() {
                let _ = self.release_pool(&pool_id);
            }
            nonsense("RequestPool", &why)
        })
    }

    pub(crate) fn release_pool(&self, pool_id: &str) -> Result<(), Error> {
        self.release("ReleasePool", body(&wire::ReleasePool { pool_id })?)?;
        self.0.forget(pool_id)
    }

    pub(crate) fn request_address(&self, request: &AddressRequest) -> Result<AddressGrant, Error> {
        let options = theirs(&request.options);
        let asked = wire::RequestAddress {
            pool_id: &request.pool_id,
            address: request.address.map(|address| address.to_string()).unwrap_or_default(),
            options: options.as_ref(),
        };
        let wire::Address { address, rest } = self.call("RequestAddress", body(&asked)?)?;
        if address.is_empty() {
            return Err(Code::NoIpReturned.into());
        }
        let known = self.0.recall(&request.pool_id)?;
        fit_address(request, known, &address, rest).map_err(|why| {
            let bare = address.split_once('/').map_or(&*address, |(bare, _)| bare);
            if let Ok(bare) = bare.parse() {
                // The plugin believes that it granted it.
                let _ = self.release_address(&request.pool_id, bare);
            }
            nonsense("RequestAddress", &why)
        })
    }

    pub(crate) fn release_address(&self, pool_id: &str, address: IpAddr) -> Result<(), Error> {
        let asked = wire::ReleaseAddress { pool_id, address: address.to_string() };
        self.release("ReleaseAddress", body(&asked)?)
    }

    /// Releases something. The protocol defines no answer, Docker ignores it, and the
    /// ledger has decided already. So only a plugin that is not there, or answers that
    /// it is unavailable, is asked again.
    fn release(&self, method: &str, body: Vec<u8>) -> Result<(), Error> {
        let method = format!("{}.{method}", names::PLUGIN_ENDPOINT_TYPE);
        let Answer { status, body } = self.0.ask(&method, &body)?;
        match wire::answer::<Map<String, Value>>(&method, status, &body) {
            Err(refusal) if refusal.code() == Code::Other(Kind::Unavailable) => {
                return Err(refusal);
            }
            Err(refusal) if status != 200 || !body.trim_ascii().is_empty() => {
                log::warn(format!("the plugin does not confirm a release: {refusal}"));
            }
            Ok(_) | Err(_) => {}
        }
        Ok(())
    }

    /// Asks once: a request is not repeated, since the plugin may have granted it.
    fn call<T: DeserializeOwned>(&self, method: &str, body: Vec<u8>) -> Result<T, Error> {
        let method = format!("{}.{method}", names::PLUGIN_ENDPOINT_TYPE);
        let Answer { status, body } = self.0.ask(&method, &body)?;
        wire::answer(&method, status, &body)
    }
}

/// The options that a plugin knows; `null` if there are none, as from Docker.
fn theirs(options: &Options) -> Option<Options> {
    let mut options = options.clone();
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
