//! The protocol's answers. Each function returns a whole body.

use ipam_api::{AddressGrant, AddressSpaces, Capability, Options, PoolGrant, names, text::bounded};
use ipnet::IpNet;
use serde::{Serialize, Serializer};

/// The longest text of an error, in bytes.
const ERROR_MAX_BYTES: usize = 4096;
/// Room for nearly every answer, in bytes, so that the buffer does not grow.
const TYPICAL_BYTES: usize = 192;

/// To `/Plugin.Activate`: this plugin is an IPAM driver.
#[must_use]
pub fn activated() -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Activated {
        implements: [&'static str; 1],
    }
    json(&Activated { implements: [names::PLUGIN_ENDPOINT_TYPE] })
}

/// To `/IpamDriver.GetCapabilities`. Docker is never asked for replay: grants are
/// durable here.
#[must_use]
pub fn capabilities(capability: Capability) -> Vec<u8> {
    #[derive(Serialize)]
    struct Capabilities {
        #[serde(rename = "RequiresMACAddress")]
        mac_address: bool,
        #[serde(rename = "RequiresRequestReplay")]
        request_replay: bool,
    }
    json(&Capabilities { mac_address: capability.requires_mac_address, request_replay: false })
}

/// To `/IpamDriver.GetDefaultAddressSpaces`.
#[must_use]
pub fn address_spaces(spaces: &AddressSpaces) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Spaces<'a> {
        local_default_address_space: &'a str,
        global_default_address_space: &'a str,
    }
    json(&Spaces {
        local_default_address_space: &spaces.local,
        global_default_address_space: &spaces.global,
    })
}

/// To `/IpamDriver.RequestPool`.
#[must_use]
pub fn granted_pool(grant: &PoolGrant) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Pool<'a> {
        #[serde(rename = "PoolID")]
        pool_id: &'a str,
        pool: Prefix,
        data: &'a Options,
    }
    json(&Pool {
        pool_id: grant.pool_id.as_str(),
        pool: Prefix(Some(grant.pool)),
        data: &grant.data,
    })
}

/// To `/IpamDriver.RequestAddress`. Without an address in the grant, the text is
/// empty, which Docker reads as its `ErrNoIPReturned`.
#[must_use]
pub fn granted_address(grant: &AddressGrant) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Address<'a> {
        address: Prefix,
        data: &'a Options,
    }
    json(&Address { address: Prefix(grant.address), data: &grant.data })
}

/// To both releases. Docker reads an empty body as an error.
#[must_use]
pub fn released() -> Vec<u8> {
    b"{}".to_vec()
}

/// A refusal's text, under both names that clients read: Docker's `Err`, and the
/// `Error` of libnetwork's own answers. Docker prints it on a terminal, so it is
/// one line, escaped and bounded.
#[must_use]
pub fn refused(text: &str) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Refused<'a> {
        err: &'a str,
        error: &'a str,
    }
    let text = bounded(ERROR_MAX_BYTES, text);
    json(&Refused { err: &text, error: &text })
}

/// A prefix, or the empty string for none.
struct Prefix(Option<IpNet>);

impl Serialize for Prefix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(prefix) => serializer.collect_str(prefix),
            None => serializer.serialize_str(""),
        }
    }
}

fn json(answer: &impl Serialize) -> Vec<u8> {
    let mut body = Vec::with_capacity(TYPICAL_BYTES);
    serde_json::to_writer(&mut body, answer)
        .expect("a write to memory does not fail, and every key is a string");
    body
}
