//! The messages of the remote protocol, as Docker's engine sends and reads
//! them (moby `daemon/libnetwork/ipams/remote/api`).

use alloc::{borrow::ToOwned as _, collections::BTreeMap, format, string::String};
use core::net::IpAddr;
use ipam_driver::{Error, IpNet, Kind, Options};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// `IpamDriver.RequestPool`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RequestPool<'a> {
    pub(crate) address_space: &'a str,
    pub(crate) pool: String,
    pub(crate) sub_pool: String,
    pub(crate) options: Option<&'a Options>,
    pub(crate) v6: bool,
}

/// `IpamDriver.ReleasePool`.
#[derive(Debug, Serialize)]
pub(crate) struct ReleasePool<'a> {
    #[serde(rename = "PoolID")]
    pub(crate) pool_id: &'a str,
}

/// `IpamDriver.RequestAddress`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RequestAddress<'a> {
    #[serde(rename = "PoolID")]
    pub(crate) pool_id: &'a str,
    pub(crate) address: String,
    pub(crate) options: Option<&'a Options>,
}

/// `IpamDriver.ReleaseAddress`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ReleaseAddress<'a> {
    #[serde(rename = "PoolID")]
    pub(crate) pool_id: &'a str,
    pub(crate) address: String,
}

// Answers. Go matches keys in any case; here they are in lower case already.

/// To `IpamDriver.GetCapabilities`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Capabilities {
    #[serde(rename = "requiresmacaddress")]
    pub(crate) requires_mac_address: bool,
    #[serde(rename = "requiresrequestreplay")]
    pub(crate) requires_request_replay: bool,
}

/// To `IpamDriver.GetDefaultAddressSpaces`.
#[derive(Debug, Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(crate) struct AddressSpaces {
    #[serde(rename = "localdefaultaddressspace")]
    pub(crate) local: String,
    #[serde(rename = "globaldefaultaddressspace")]
    pub(crate) global: String,
}

/// To `IpamDriver.RequestPool`: what names the pool to the plugin, and the rest,
/// which may not be readable.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Pool {
    #[serde(rename = "poolid")]
    pub(crate) pool_id: String,
    #[serde(flatten)]
    pub(crate) rest: Map<String, Value>,
}

/// The rest of a pool.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Prefix {
    pub(crate) pool: String,
    pub(crate) data: Data,
}

/// To `IpamDriver.RequestAddress`: what names the address to the plugin, and
/// the rest.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Address {
    pub(crate) address: String,
    #[serde(flatten)]
    pub(crate) rest: Map<String, Value>,
}

/// The rest of an address.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Facts {
    pub(crate) data: Data,
}

/// Values that are text. What is null is empty, as in Go.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Data(BTreeMap<String, Option<String>>);

impl From<Data> for Options {
    fn from(Data(data): Data) -> Self {
        data.into_iter().map(|(key, value)| (key, value.unwrap_or_default())).collect()
    }
}

/// The rest of an answer.
pub(crate) fn rest<T: DeserializeOwned>(fields: Map<String, Value>) -> Result<T, String> {
    serde_json::from_value(Value::Object(fields)).map_err(|error| format!("{error}"))
}

/// Reads an address with its length as Go's `net.ParseCIDR` does: without
/// leading zeros, and an IPv4-mapped one as the IPv4 address that it is.
pub(crate) fn address(text: &str) -> Option<IpNet> {
    let (address, length) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let is_number = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
    let length: u8 = length.parse().ok().filter(|_| is_number)?;
    let canonical = address.to_canonical();
    let length = if canonical == address { length } else { length.checked_sub(96)? };
    IpNet::new(canonical, length).ok()
}

/// Reads an answer. Success is status 200 exactly, and no `Error`; of any other
/// status the words are `Err`, or all of it.
pub(crate) fn answer<T: DeserializeOwned>(
    method: &str,
    status: u16,
    body: &[u8],
) -> Result<T, Error> {
    let fields = lower_case(body);
    if status != 200 {
        let words = fields.ok().and_then(|fields| word(&fields, "err"));
        let words = words.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
        return Err(Error::other(kind(status), format!("{method}: {}", words.trim_end())));
    }
    let nonsense = |error: serde_json::Error| {
        Error::other(Kind::Internal, format!("{method}: the plugin's answer: {error}"))
    };
    let fields = fields.map_err(nonsense)?;
    match word(&fields, "error") {
        Some(words) => Err(Error::other(Kind::Internal, format!("remote: {words}"))),
        None => serde_json::from_value(Value::Object(fields)).map_err(nonsense),
    }
}

fn lower_case(body: &[u8]) -> serde_json::Result<Map<String, Value>> {
    let fields: Map<String, Value> = serde_json::from_slice(body)?;
    // What is null is as good as absent, as in Go.
    let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
    Ok(fields.map(|(key, value)| (key.to_ascii_lowercase(), value)).collect())
}

fn word(fields: &Map<String, Value>, key: &str) -> Option<String> {
    fields.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The class of a plugin's refusal, which Docker's engine drops.
fn kind(status: u16) -> Kind {
    match status {
        403 => Kind::Forbidden,
        404 => Kind::NotFound,
        501 => Kind::NotImplemented,
        503 => Kind::Unavailable,
        400..=499 => Kind::BadRequest,
        _ => Kind::Internal,
    }
}
