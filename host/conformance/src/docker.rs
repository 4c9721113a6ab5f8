//! A driver that is an IPAM plugin of Docker's, over its socket: the client's
//! side of the remote protocol, as libnetwork speaks it.
//!
//! What a plugin answers is read here or is a reason to call it broken, as with
//! components. Its refusals are texts: those that the contract has words for
//! get the contract's name, the others the class of their HTTP status.

mod http;
mod message;

use http::Client;
use ipam_api::{
    AddressGrant, AddressRequest, AddressSpaces, Callback, Code, Driver, Factory, Failure, Family,
    Options, PoolChoice, PoolGrant, PoolId, PoolRequest, Start, parse_prefix,
};
use message::{
    Activation, AddressAnswer, Capabilities, Nothing, PoolAnswer, ReleaseAddress, ReleasePool,
    RequestAddress, RequestPool, Spaces,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// A plugin. It is one process: every instance that is made of it is the same.
#[derive(Debug, Clone)]
pub struct Plugin {
    socket: PathBuf,
    call_time: Duration,
}

impl Plugin {
    /// A plugin that listens on `socket` and answers a call within `call_time`.
    #[must_use]
    pub fn new(socket: &Path, call_time: Duration) -> Self {
        Self { socket: socket.to_owned(), call_time }
    }

    /// Whether somebody listens there.
    ///
    /// # Errors
    /// Why not.
    pub fn probe(&self) -> std::io::Result<()> {
        std::os::unix::net::UnixStream::connect(&self.socket).map(drop)
    }
}

impl Factory for Plugin {
    /// The name is the socket's, as in Docker.
    fn make(&self, _: &Start, mut callback: Box<dyn Callback>) -> Result<Box<dyn Driver>, Failure> {
        let mut remote = Remote { client: Client::new(&self.socket, self.call_time)? };
        let (status, body) = remote.client.ask(ACTIVATE, NO_BODY)?;
        let Activation { implements } = message::read(ACTIVATE, status, &body)?;
        if !implements.iter().flatten().any(|kind| kind == TYPE) {
            return Err(Failure::broken(format!("{ACTIVATE}: it does not implement {TYPE}")));
        }
        // Older plugins have no such method, and no needs. What cannot be read
        // is forgiven here, as by Docker, and nowhere else.
        let capability = remote.ask::<Capabilities>("GetCapabilities", NO_BODY);
        let capability = capability.map(Into::into).unwrap_or_default();
        let name = self.socket.file_stem().unwrap_or_default().to_string_lossy();
        callback.register_ipam_driver_with_capabilities(&name, capability)?;
        Ok(Box::new(remote))
    }
}

/// The plugin type of IPAM drivers.
const TYPE: &str = "IpamDriver";
const ACTIVATE: &str = "Plugin.Activate";
const NO_BODY: Option<&Nothing> = None;

struct Remote {
    client: Client,
}

/// `null` where there are none, as from Docker.
fn options(options: &Options) -> Option<&Options> {
    Some(options).filter(|options| !options.is_empty())
}

impl Remote {
    fn ask<T: DeserializeOwned>(
        &mut self,
        method: &str,
        asked: Option<&impl Serialize>,
    ) -> Result<T, Failure> {
        let (status, bytes) = self.client.ask(&format!("{TYPE}.{method}"), asked)?;
        message::read(method, status, &bytes)
    }
}

fn broken(method: &str, why: impl std::fmt::Display) -> Failure {
    Failure::broken(format_args!("{method}: answered {why}"))
}

impl Driver for Remote {
    fn default_address_spaces(&mut self) -> Result<AddressSpaces, Failure> {
        let spaces: Spaces = self.ask("GetDefaultAddressSpaces", NO_BODY)?;
        Ok(AddressSpaces {
            local: spaces.local_default_address_space,
            global: spaces.global_default_address_space,
        })
    }

    fn request_pool(&mut self, request: &PoolRequest) -> Result<PoolGrant, Failure> {
        let family = request.pool.family();
        let unspecified = match family {
            Family::Ipv4 => "0.0.0.0",
            Family::Ipv6 => "::",
        };
        let asked = RequestPool {
            address_space: &request.address_space,
            pool: match request.pool {
                PoolChoice::Automatic(_) => String::new(),
                PoolChoice::Sized(_, length) => format!("{unspecified}/{length}"),
                PoolChoice::Exact(prefix) => prefix.to_string(),
            },
            sub_pool: request.sub_pool.map(|it| it.to_string()).unwrap_or_default(),
            options: options(&request.options),
            v6: family == Family::Ipv6,
        };
        let PoolAnswer { pool_id, pool, data } = self.ask("RequestPool", Some(&asked))?;
        let prefix = parse_prefix(&pool).map_err(|_| {
            broken("RequestPool", format_args!("{}, no prefix", message::quoted(&pool)))
        })?;
        if prefix.trunc() != prefix {
            return Err(broken("RequestPool", format_args!("{prefix}, a prefix with host bits")));
        }
        let pool_id = PoolId::try_from(&*pool_id).map_err(|error| broken("RequestPool", error))?;
        Ok(PoolGrant { pool_id, pool: prefix, data: data.unwrap_or_default() })
    }

    fn release_pool(&mut self, pool_id: &PoolId) -> Result<(), Failure> {
        let asked = ReleasePool { pool_id: pool_id.as_str() };
        self.ask::<Nothing>("ReleasePool", Some(&asked)).map(drop)
    }

    fn request_address(&mut self, request: &AddressRequest) -> Result<AddressGrant, Failure> {
        let asked = RequestAddress {
            pool_id: request.pool_id.as_str(),
            address: request.address.map(|it| it.to_string()).unwrap_or_default(),
            options: options(&request.options),
        };
        let AddressAnswer { address, data } = self.ask("RequestAddress", Some(&asked))?;
        if address.is_empty() {
            // To Docker that is a refusal.
            return Err(Code::NoIpReturned.into());
        }
        let leased = parse_prefix(&address).map_err(|_| {
            let text = message::quoted(&address);
            broken("RequestAddress", format_args!("{text}, no address with a length"))
        })?;
        Ok(AddressGrant { address: Some(leased), data: data.unwrap_or_default() })
    }

    fn release_address(&mut self, pool_id: &PoolId, address: IpAddr) -> Result<(), Failure> {
        let asked = ReleaseAddress { pool_id: pool_id.as_str(), address: address.to_string() };
        self.ask::<Nothing>("ReleaseAddress", Some(&asked)).map(drop)
    }
}
