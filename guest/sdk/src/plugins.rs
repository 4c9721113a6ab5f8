//! Plugins that already exist, for a driver that bridges to them and was
//! granted them by name.
//!
//! ```no_run
//! use ipam_driver::{names, plugins};
//!
//! let plugin = plugins::get("infoblox", names::PLUGIN_ENDPOINT_TYPE)?;
//! let answer = plugin.call("IpamDriver.GetDefaultAddressSpaces", b"")?;
//! assert_eq!(answer.status, 200);
//! # Ok::<(), ipam_driver::Error>(())
//! ```
//!
//! A component that calls none of this needs no grant. Off wasm there are no
//! plugins.

use crate::Error;
use alloc::{string::String, vec::Vec};

/// One plugin that was found and activated.
#[derive(Debug)]
pub struct Plugin(host::Plugin);

/// What a plugin answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, of bounded size.
    pub body: Vec<u8>,
}

/// The plugin `name`, if it implements `endpoint_type`, which for IPAM is
/// [`names::PLUGIN_ENDPOINT_TYPE`](crate::names::PLUGIN_ENDPOINT_TYPE).
///
/// # Errors
/// `NotFound` when there is none or its name was not granted.
pub fn get(name: &str, endpoint_type: &str) -> Result<Plugin, Error> {
    host::get(name, endpoint_type).map(Plugin)
}

/// Every granted plugin that implements `endpoint_type` and can be activated
/// now, in order of name.
#[must_use]
pub fn all(endpoint_type: &str) -> Vec<Plugin> {
    host::all(endpoint_type).into_iter().map(Plugin).collect()
}

impl Plugin {
    /// The name under which it was found.
    #[must_use]
    pub fn name(&self) -> String {
        host::name(&self.0)
    }

    /// Calls a method of the type that it was found by, such as
    /// `IpamDriver.RequestPool`, and waits for the answer. A plugin that is not
    /// there is waited for; what was sent is not sent again.
    ///
    /// # Errors
    /// `InvalidRequest` for another method or too large a body, `Unavailable`
    /// when the plugin does not answer within the host's time. An answer is no
    /// error, whatever its status.
    pub fn call(&self, method: &str, body: &[u8]) -> Result<Answer, Error> {
        host::call(&self.0, method, body)
    }
}

#[cfg(target_family = "wasm")]
use crate::wasm::plugins as host;

#[cfg(not(target_family = "wasm"))]
mod host {
    use super::Answer;
    use crate::{Error, Kind};
    use alloc::{string::String, vec::Vec};

    /// There is none.
    #[derive(Debug)]
    pub(super) enum Plugin {}

    pub(super) fn get(_: &str, _: &str) -> Result<Plugin, Error> {
        Err(Error::other(Kind::NotFound, "there are no plugins here"))
    }

    pub(super) fn all(_: &str) -> Vec<Plugin> {
        Vec::new()
    }

    pub(super) fn name(plugin: &Plugin) -> String {
        match *plugin {}
    }

    pub(super) fn call(plugin: &Plugin, _: &str, _: &[u8]) -> Result<Answer, Error> {
        match *plugin {}
    }
}
